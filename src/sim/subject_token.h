// SPDX-License-Identifier: Apache-2.0
// The check of a JWT that a workload shows for a token of its own: RS256 or ES256 by a key of the
// uploaded set, with iss, aud, sub, exp, iat and kid.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "sim/options.h"

namespace sallyport::sim {

struct Subject {
  std::string subject;
  std::int64_t expires = 0;  // seconds since 1970
};

// kInvalid, with a reason that quotes nothing of the token.
Result<Subject> check_subject_token(std::string_view jwt, const SimIdentityProvider& issuer,
                                    std::int64_t now);

}  // namespace sallyport::sim
