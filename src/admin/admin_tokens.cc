// SPDX-License-Identifier: Apache-2.0
#include "admin/admin_tokens.h"

#include <algorithm>
#include <utility>

#include "admin/token_mac.h"
#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/random.h"
#include "base/text.h"
#include "keys/key_info.h"

namespace sallyport::admin {
namespace {

constexpr std::string_view kSetting = "admin_tokens";
constexpr std::size_t kIdChars = 12;
constexpr int kTries = 5;  // another process may write between reading and writing
constexpr auto kDeadKept = std::chrono::hours(24 * 30);  // in the list; the journal knows for ever

std::string text_of(const JsonValue& object, std::string_view member) {
  const auto value = object.at(member);
  return std::string(value ? value->string().value_or("") : "");
}

std::optional<UtcTime> time_of(const JsonValue& object, std::string_view member) {
  return parse_utc(text_of(object, member));
}

bool living(const AdminTokenInfo& token, UtcTime now) { return status(token, now) == "active"; }

}  // namespace

std::string_view status(const AdminTokenInfo& token, UtcTime now) {
  if (token.revoked_at) return "revoked";
  return now < token.expires_at ? "active" : "expired";
}

Result<std::vector<AdminTokens::Row>> AdminTokens::parse(std::string_view setting) {
  const auto broken = fail(Code::kCorrupt, "the stored admin tokens cannot be read");
  const auto document = JsonValue::parse(setting);
  if (!document || !document->is_object()) return broken;
  const auto version = document->at("version"), tokens = document->at("tokens");
  if (!version || version->integer() != 1 || !tokens || !tokens->is_array()) return broken;
  std::vector<Row> rows;
  for (const JsonValue& item : tokens->items()) {
    Row row;
    const auto role = parse_role(text_of(item, "role"));
    const auto salt = from_hex(text_of(item, "salt")), mac = from_hex(text_of(item, "mac"));
    const auto created = time_of(item, "created_at"), expires = time_of(item, "expires_at");
    row.info.id = text_of(item, "id");
    if (!role || !salt || !mac || mac->size() != kMacBytes || !created || !expires) return broken;
    if (row.info.id.size() != kIdChars) return broken;
    row.info.name = text_of(item, "name");
    row.info.role = *role;
    row.info.created_at = *created;
    row.info.created_by = text_of(item, "created_by");
    row.info.expires_at = *expires;
    if (const auto revoked = item.at("revoked_at"); revoked && !revoked->is_null()) {
      row.info.revoked_at = time_of(item, "revoked_at");
      if (!row.info.revoked_at) return broken;
    }
    row.info.revoked_by = text_of(item, "revoked_by");
    row.salt = *salt;
    row.mac = *mac;
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string AdminTokens::write(const std::vector<Row>& rows) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("version", 1).key("tokens").begin_array();
  for (const Row& row : rows) {
    json.begin_object()
        .field("id", row.info.id)
        .field("name", row.info.name)
        .field("role", name(row.info.role))
        .field("created_at", format_utc(row.info.created_at))
        .field("created_by", row.info.created_by)
        .field("expires_at", format_utc(row.info.expires_at));
    json.key("revoked_at");
    if (row.info.revoked_at) {
      json.value(format_utc(*row.info.revoked_at));
    } else {
      json.null();
    }
    json.field("revoked_by", row.info.revoked_by)
        .field("salt", to_hex(row.salt))
        .field("mac", to_hex(row.mac))
        .end_object();
  }
  json.end_array().end_object();
  return out;
}

Result<void> AdminTokens::read() {
  const auto stored = settings_.get(kSetting);
  if (!stored) return std::unexpected(stored.error());
  std::vector<Row> rows;
  if (*stored) {
    auto parsed = parse(**stored);
    if (!parsed) return std::unexpected(parsed.error());
    rows = std::move(*parsed);
  }
  setting_ = *stored;
  const std::lock_guard lock(mutex_);
  for (const Row& old : rows_) {
    if (!old.undurable) continue;
    const auto at = std::ranges::find(rows, old.info.id, [](const Row& r) { return r.info.id; });
    if (at != rows.end() && !at->info.revoked_at) *at = old;
  }
  rows_ = std::move(rows);
  return {};
}

Result<bool> AdminTokens::store(std::vector<Row> rows) {
  const UtcTime now = clock_.now();
  std::erase_if(rows, [&](const Row& row) {
    return now > row.info.revoked_at.value_or(row.info.expires_at) + kDeadKept;
  });
  std::string text = write(rows);
  const Result<bool> put = settings_.replace(kSetting, setting_, text);
  if (!put || !*put) return put;
  setting_ = std::move(text);
  for (Row& row : rows) row.undurable = false;
  const std::lock_guard lock(mutex_);
  rows_ = std::move(rows);
  return true;
}

Result<void> AdminTokens::refresh() {
  const std::lock_guard lock(store_mutex_);
  const Result<void> fresh = read();
  if (!fresh) return fresh;
  if (std::ranges::none_of(rows_, &Row::undurable)) return {};
  const Result<bool> stored = store(rows_);  // false: tried again with the next call
  if (!stored) return std::unexpected(stored.error());
  return {};
}

const AdminTokens::Row* AdminTokens::find(std::string_view id_or_name) const {
  const UtcTime now = clock_.now();
  const Row* found = nullptr;
  for (const Row& row : rows_) {
    if (row.info.id != id_or_name && row.info.name != id_or_name) continue;
    if (found == nullptr || living(row.info, now) || !living(found->info, now)) found = &row;
  }
  return found;
}

Result<NewAdminToken> AdminTokens::create(std::string_view name, Role role,
                                          std::chrono::milliseconds life, std::string_view by) {
  if (!keys::valid_key_name(name)) {
    return fail(Code::kInvalid, "name must be 1 to 64 of A-Z a-z 0-9 _ . -");
  }
  if (life < kLifeMin || life > kLifeMax) {
    return fail(Code::kInvalid, "life must be between 1s and 30d");
  }
  const std::lock_guard lock(store_mutex_);
  const UtcTime now = clock_.now();
  const AdminTokenInfo wanted{.id = random_base62(kIdChars),
                              .name = std::string(name),
                              .role = role,
                              .created_at = now,
                              .created_by = std::string(by),
                              .expires_at = now + life,
                              .revoked_at = std::nullopt,
                              .revoked_by = {}};
  NewAdminToken made{Secret(std::string_view()), wanted};
  for (int tries = 0; tries < kTries; ++tries) {
    const Result<bool> done = create_once(wanted, made);
    if (!done) return std::unexpected(done.error());
    if (*done) return made;
  }
  return fail(Code::kUnavailable, "another process changes the admin tokens; ask again");
}

// False: another process changed the setting meanwhile.
Result<bool> AdminTokens::create_once(const AdminTokenInfo& wanted, NewAdminToken& made) {
  if (const Result<void> fresh = read(); !fresh) return std::unexpected(fresh.error());
  const UtcTime now = clock_.now();
  const Row* same = find(wanted.name);
  if (same != nullptr && living(same->info, now)) {
    return fail(Code::kDenied, "a token of that name lives; revoke it first");
  }
  if (std::ranges::count_if(rows_, [&](const Row& row) { return living(row.info, now); }) >=
      static_cast<std::ptrdiff_t>(kTokensMax)) {
    return fail(Code::kExhausted, "there are 128 living admin tokens; revoke one first");
  }
  Row row;
  row.info = wanted;
  std::string text =
      std::string(kTokenPrefix) + row.info.id + "-" + random_base62(kTokenRandomChars);
  row.salt = make_salt();
  row.mac = token_mac(row.salt, text);
  made.text = Secret(text);
  explicit_bzero(text.data(), text.size());
  std::vector<Row> rows = rows_;
  rows.push_back(std::move(row));
  return store(std::move(rows));
}

Result<RevokedAdminToken> AdminTokens::revoke(std::string_view id_or_name, std::string_view by) {
  const std::lock_guard lock(store_mutex_);
  RevokedAdminToken done;
  for (int tries = 0; tries < kTries; ++tries) {
    const Result<void> fresh = read();  // if it fails, what is known here dies all the same
    std::vector<Row> rows;
    {
      const std::lock_guard inner(mutex_);
      const Row* found = find(tries == 0 ? id_or_name : std::string_view(done.info.id));
      if (found == nullptr && !fresh) return std::unexpected(fresh.error());
      if (found == nullptr) return fail(Code::kNotFound, "there is no such token");
      Row& row = rows_[static_cast<std::size_t>(found - rows_.data())];
      if (!row.info.revoked_at) {
        row.info.revoked_at = clock_.now();
        row.info.revoked_by = by;
        row.undurable = true;
      }
      done.info = row.info;
      rows = rows_;
    }
    done.durable = true;
    if (std::ranges::none_of(rows, &Row::undurable)) return done;
    done.durable = false;
    if (!fresh) return done;
    const Result<bool> stored = store(std::move(rows));
    if (!stored) return done;
    done.durable = *stored;
    if (*stored) return done;
  }
  return done;
}

std::vector<AdminTokenInfo> AdminTokens::list() const {
  std::vector<AdminTokenInfo> out;
  const std::lock_guard lock(mutex_);
  for (const Row& row : rows_) out.push_back(row.info);
  std::ranges::reverse(out);
  return out;
}

std::optional<AdminTokenInfo> AdminTokens::match(std::string_view presented) const {
  constexpr std::size_t kHead = kTokenPrefix.size() + kIdChars;
  if (presented.size() != kHead + 1 + kTokenRandomChars) return std::nullopt;
  if (!presented.starts_with(kTokenPrefix) || presented[kHead] != '-') return std::nullopt;
  const std::string_view id = presented.substr(kTokenPrefix.size(), kIdChars);
  static const std::string kDummySalt(kSaltBytes, 's'), kDummyMac(kMacBytes, 'm');
  std::optional<AdminTokenInfo> info;
  std::string salt = kDummySalt, mac = kDummyMac;
  {
    const std::lock_guard lock(mutex_);
    const auto at = std::ranges::find(rows_, id, [](const Row& r) { return r.info.id; });
    if (at != rows_.end()) {
      info = at->info;
      salt = at->salt;
      mac = at->mac;
    }
  }
  const bool right = token_matches(salt, mac, presented);
  if (!right || !info || !living(*info, clock_.now())) return std::nullopt;
  return info;
}

}  // namespace sallyport::admin
