// SPDX-License-Identifier: Apache-2.0
// Keys as the admin API and the command line write and read them. Never the key's text: that is
// added by the one caller that shows it once.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/result.h"
#include "keys/key_info.h"

namespace sallyport::admin {

// {"name","life","owner","layer","upstream","module","purpose","modules","purposes",
// "may_name_organization","not_before","derive"} and the members of event/restrictions.h: only
// `name` must be there; unknown members are kInvalid, since a mistyped limit would be no limit.
Result<keys::KeySpec> parse_key_spec(std::string_view json);
std::string write_key_spec(const keys::KeySpec& spec);

// The members of a key's object; the caller opens and closes it.
void write_key_members(JsonWriter& json, const keys::KeyInfo& key, UtcTime now);
std::string key_json(const keys::KeyInfo& key, UtcTime now);

}  // namespace sallyport::admin
