// SPDX-License-Identifier: Apache-2.0
// Keys as the admin API and the command line write and read them. Never the key's text: that is
// added by the one caller that shows it once.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/json_writer.h"
#include "base/result.h"
#include "keys/key_change.h"
#include "keys/key_fault.h"
#include "keys/key_info.h"

namespace sallyport::admin {

// {"name","life","owner","layer","upstream","module","purpose","modules","purposes",
// "may_name_organization","not_before","derive"} and the members of event/restrictions.h: only
// `name` must be there; unknown members are kInvalid, since a mistyped limit would be no limit.
Result<keys::KeySpec> parse_key_spec(std::string_view json);
std::string write_key_spec(const keys::KeySpec& spec);

// What a PATCH says: members of a new key that may change, `expires_at` or `life` (from `now` on),
// and the restrictions; a member with null is lifted, one that is absent stays. kInvalid names the
// member: unknown, malformed, or of what stays (name, layer, derive).
Result<keys::KeyChange> parse_key_change(std::string_view json, UtcTime now);

// keys::status(), and of a key that its layers keep from working the fault: "layer_revoked" ...
std::string_view key_status(const keys::KeyInfo& key, UtcTime now,
                            const std::optional<keys::DeadLayer>& dead);

// The members of a key's object; the caller opens and closes it. `dead` as the ring knows it.
void write_key_members(JsonWriter& json, const keys::KeyInfo& key, UtcTime now,
                       const std::optional<keys::DeadLayer>& dead = {});
std::string key_json(const keys::KeyInfo& key, UtcTime now,
                     const std::optional<keys::DeadLayer>& dead = {});

}  // namespace sallyport::admin
