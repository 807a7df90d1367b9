// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace sallyport::admin {

// Reserved for an answer that holds a new secret, so that it is written in one place, which the
// server wipes when it was sent: what a text outgrows stays behind in the heap.
inline constexpr std::size_t kSecretAnswerBytes = 32 * 1024;

}  // namespace sallyport::admin
