// SPDX-License-Identifier: Apache-2.0
// One question to the provider, asked again where that is safe, with growing pauses.
#pragma once

#include "provider/admin_client.h"

namespace sallyport::provider {

struct PatientQuestion {
  net::Question question;
  AskLimits limits;
};

// A reply with status 2xx, else an error as AdminClient names them. Retries 429 of every method
// (the provider did nothing), and 5xx and broken connections of GET and DELETE. A Retry-After is
// kept to; one that is longer than allowed ends the asking.
Task<Result<net::Reply>> ask_patiently(net::Loop& loop, net::Resolver& resolver,
                                       std::shared_ptr<const net::TlsContext> tls,
                                       PatientQuestion question);

// What an answer's status means to us. `where` is "POST /organization/...", without a query.
Error error_of_status(int status, const std::string& where, const net::Reply& reply);

}  // namespace sallyport::provider
