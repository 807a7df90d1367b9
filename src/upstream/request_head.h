// SPDX-License-Identifier: Apache-2.0
// The head that goes up. It is written from the parsed request and the configuration; of the
// client's fields only those on the allow-list pass, and none steers where the request goes.
#pragma once

#include <expected>
#include <string>

#include "exchange/exchange.h"
#include "upstream/upstreams.h"

namespace sallyport::upstream {

// The whole head with its empty line. It carries the credential: the sender wipes it.
std::expected<std::string, Refusal> write_request_head(const Exchange& x, const Upstream& upstream,
                                                       const provider::Credential& credential);

// The head of our own question how much the input of `x` is; its body has `body_bytes`. Of the
// client's fields only who pays goes up, as with the call itself. Empty: a value that would not
// stand in a head.
std::string write_count_head(const Exchange& x, const Upstream& upstream,
                             const provider::Credential& credential, std::size_t body_bytes);

// `client` without the parameters that `configured` sets, then `configured`. A parameter is the
// same if its name is after percent-decoding.
std::string join_query(std::string_view client, std::string_view configured);

// True if the client itself names who pays: then a refusal for want of money is not the project's.
bool names_own_organization(const Exchange& x);

}  // namespace sallyport::upstream
