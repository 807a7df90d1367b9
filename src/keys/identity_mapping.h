// SPDX-License-Identifier: Apache-2.0
// From a verified token to the key its bearer gets: which mapping fits, under which name, with
// which rights. Pure decisions; whether the token is genuine is jwt.h's question.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "event/restrictions.h"
#include "keys/identity_config.h"
#include "keys/jwt.h"
#include "keys/key_info.h"

namespace sallyport::keys {

// What an exchange grants: all that whoever makes the key needs to know.
struct Exchanged {
  // spec.name is the mapped principal: several live keys may have it. spec.restrictions binds it to
  // what the workload showed (certificate, dpop).
  KeySpec spec;
  std::string mapping_id;       // mark the key with it: revoking the mapping revokes the key
  std::string issuer, subject;  // of the token, for the record
  std::string ip;               // who asked, for the record
};

// kInvalid with a sentence: what is missing, or would let in more than its writer can have meant.
Result<void> check_mapping(const IdentityMapping& mapping);
// All of it, each as "claims: ...".
std::vector<std::string> mapping_problems(const IdentityMapping& mapping);

// "main" fits "main" and "ma*"; '*' stands for any rest, and only at the end.
bool claim_fits(std::string_view pattern, std::string_view value);
// All claims of the mapping hold. Of a list one element must fit.
bool claims_fit(const IdentityMapping& mapping, const Jwt& jwt);

// A claim's text as a part of a key's name: letters, digits, '-' and '_' stay, any other byte
// becomes '.' and two hexadecimal digits; what is longer than `bytes_max` (24 or more) is cut and
// ends in ".h" and its digest. No two texts have the same result.
std::string name_part(std::string_view claim, std::size_t bytes_max);
// Nothing: the claim is missing, empty, or not one text.
std::optional<std::string> principal_name(const IdentityMapping& mapping, const Jwt& jwt);

// A request's scope, words separated by blanks: "model:gpt-5*", "endpoint:POST:/v1/responses",
// "read_only". False, and nothing is promised about `granted`: a word is unknown, or asks for more
// than `granted` has.
bool narrow(std::string_view scope, Exchanged& granted);

}  // namespace sallyport::keys
