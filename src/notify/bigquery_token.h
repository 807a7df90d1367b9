// SPDX-License-Identifier: Apache-2.0
// A Google service account and the token it makes for itself: a JWT signed with its own key
// (RS256), which Google's APIs take without an exchange.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"

namespace sallyport::notify {

class ServiceAccount {
 public:
  static constexpr std::chrono::seconds kLife{3'600};   // of a token, as Google bounds it
  static constexpr std::chrono::seconds kRenew{3'000};  // a new one after so long

  virtual ~ServiceAccount() = default;
  // The file's text: JSON with client_email, private_key_id, private_key (PEM, RSA of 2048 bits or
  // more) and, usually, project_id. kInvalid quotes nothing of it.
  static Result<std::unique_ptr<ServiceAccount>> parse(const Secret& file);

  virtual const std::string& project() const = 0;  // empty: the file names none
  // Valid now for `audience` ("https://bigquery.googleapis.com/"); the same until it is renewed.
  virtual Result<std::string> token(const std::string& audience, UtcTime now) = 0;
  // The next token is a new one: the receiver did not take this one.
  virtual void forget() = 0;
};

}  // namespace sallyport::notify
