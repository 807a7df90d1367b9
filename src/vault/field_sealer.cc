// SPDX-License-Identifier: Apache-2.0
#include "vault/field_sealer.h"

#include <algorithm>
#include <iterator>
#include <optional>

#include "base/aead.h"
#include "base/log.h"
#include "base/text.h"

namespace sallyport::vault {
namespace {

// Longer ones would not fit a field of the log once they are sealed.
constexpr std::size_t kPlainBytesMax = 120;
constexpr std::size_t kDayDigits = 8;

struct Row {
  std::string_view name;
  std::string* (*of)(Event& event);  // null: the record has none
};
constexpr Row kRows[] = {
    {"ip", [](Event& e) { return e.ip.empty() ? nullptr : &e.ip; }},
    {"geo", [](Event& e) { return e.geo ? &*e.geo : nullptr; }},
    {"network", [](Event& e) { return e.network ? &*e.network : nullptr; }},
};

// Who acted on a key is not that key's to forget, but for who came for it with an identity token.
// Names of keys have no colon.
std::string subject_of(const Event& event) {
  const std::string actor = event.actor.value_or("");
  if (event.kind == Kind::kAdmin && !actor.starts_with("identity:")) return "actor:" + actor;
  return event.api_key_id.value_or("");
}

// At most kPlainBytesMax, never half a UTF-8 character.
std::string_view short_enough(std::string_view text) {
  if (text.size() <= kPlainBytesMax) return text;
  std::size_t end = kPlainBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

bool is_sealed(std::string_view text) {
  return text.starts_with(kSealedMark) || text == kErased || text == kUnsealable;
}

}  // namespace

std::vector<std::string_view> sealable_fields() {
  std::vector<std::string_view> names;
  for (const Row& row : kRows) names.push_back(row.name);
  return names;
}

FieldSealer::FieldSealer(const std::vector<std::string>& fields, SubjectKeys& keys)
    : fields_(fields), keys_(keys) {}

std::string FieldSealer::sealed(std::string_view field, const std::string& text,
                                const Event& event) {
  const std::string day = day_of(event.timestamp_utc);
  const auto key = keys_.for_sealing(subject_of(event), day);
  if (key) {
    const auto bytes = aead_seal(*key->key, short_enough(text), field);
    if (bytes) {
      return std::string(kSealedMark) + key->id + ':' + day + ':' + base64url_encode(*bytes);
    }
  }
  withheld_.fetch_add(1, std::memory_order_relaxed);
  log::error("audit.field_withheld",
             {{"field", field}, {"reason", key ? "OpenSSL failed" : key.error().what}});
  return std::string(kUnsealable);
}

void FieldSealer::seal(Event& event) {
  for (const Row& row : kRows) {
    if (std::ranges::find(fields_, row.name) == fields_.end()) continue;
    std::string* text = row.of(event);
    if (text != nullptr && !is_sealed(*text)) *text = sealed(row.name, *text, event);
  }
}

std::string FieldSealer::opened(std::string_view field, const std::string& text) {
  std::string_view rest = std::string_view(text).substr(kSealedMark.size());
  const std::size_t first = rest.find(':');
  const std::size_t second = first == std::string_view::npos ? first : rest.find(':', first + 1);
  if (second == std::string_view::npos || second != first + 1 + kDayDigits) {
    return std::string(kErased);
  }
  const auto key = keys_.for_opening(rest.substr(0, first), rest.substr(first + 1, kDayDigits));
  const auto bytes = base64url_decode(rest.substr(second + 1));
  // A store that does not answer has not forgotten.
  if (!key && key.error().code == Code::kUnavailable) return std::string(kUnsealable);
  if (!key || !bytes) return std::string(kErased);
  const auto plain = aead_open(**key, *bytes, field);
  return plain ? std::string(plain->reveal()) : std::string(kErased);
}

void FieldSealer::open(Event& event) {
  for (const Row& row : kRows) {
    std::string* text = row.of(event);
    if (text != nullptr && text->starts_with(kSealedMark)) *text = opened(row.name, *text);
  }
}

}  // namespace sallyport::vault
