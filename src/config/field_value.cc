// SPDX-License-Identifier: Apache-2.0
#include "config/field_value.h"

#include <algorithm>

#include "base/clock.h"
#include "base/text.h"
#include "config/values.h"

namespace sallyport::config {
namespace {

using Outcome = std::expected<void, std::string>;
constexpr std::size_t kTextBytesMax = 1024;
constexpr std::size_t kItemsMax = 1024;  // entries of one list of texts

std::unexpected<std::string> wrong(std::string message) {
  return std::unexpected(std::move(message));
}

// A scalar's text after its reference was followed. `quote` may stand in a message: the text itself
// when it stood in the file, the reference when it did not.
struct Text {
  std::string text;
  std::string quote;
};

std::string limit_text(const Field& field, std::int64_t number) {
  switch (field.type) {
    case Type::kDuration:
      return write_duration(number);
    case Type::kSize:
      return write_size(number);
    case Type::kPercent:
      return std::to_string(number) + "%";
    case Type::kUsd:
      return usd_text({number});
    default:
      return std::to_string(number);
  }
}

std::string range_text(const Field& field) {
  return limit_text(field, field.min) + " to " + limit_text(field, field.max);
}

std::string words_text(const Field& field) {
  std::string out;
  for (const std::string_view word : field.words) {
    out += (out.empty() ? "" : " | ") + std::string(word);
  }
  return out;
}

bool is_text(std::string_view text) {
  return text.size() <= kTextBytesMax &&
         std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7F; });
}

bool is_name(std::string_view text) {
  const auto small = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !text.empty() && text.size() <= 63 && small(text.front()) &&
         std::ranges::all_of(text, [&](char c) { return small(c) || c == '-' || c == '_'; });
}

Outcome set_secret(const Field& field, const YamlNode& value, const Surroundings& around,
                   Place place, std::string& note) {
  const auto reference = parse_reference(value.text);
  if (!reference) return wrong(reference.error().what);
  if (!*reference) {
    return wrong(
        "a secret does not stand in this file; put it into a file, a systemd credential or the "
        "environment and write file:/path, ${cred:NAME} or ${env:NAME}, for example " +
        std::string(field.path.substr(field.path.rfind('.') + 1)) + ": " +
        std::string(field.example));
  }
  if (!around.follow_secrets) return {};
  Result<Secret> secret = resolve(**reference, around, note);
  if (!secret) return wrong(secret.error().what);
  if (secret->reveal().size() < static_cast<std::size_t>(field.min)) {
    return wrong("too short: " + std::to_string(secret->reveal().size()) + " bytes, needed are " +
                 std::to_string(field.min) + "; make one with  openssl rand -base64 48");
  }
  const Slot slot = field.slot(place);
  if (auto* const* owned = std::get_if<Secret*>(&slot)) {
    **owned = std::move(*secret);
  } else {
    *std::get<std::shared_ptr<const Secret>*>(slot) =
        std::make_shared<const Secret>(std::move(*secret));
  }
  return {};
}

Outcome set_number(const Field& field, Place place, std::int64_t number) {
  if (number < field.min || number > field.max) return wrong("must be " + range_text(field));
  const Slot slot = field.slot(place);
  if (auto* const* at = std::get_if<int*>(&slot)) {
    **at = static_cast<int>(number);
  } else if (auto* const* at = std::get_if<std::int64_t*>(&slot)) {
    **at = number;
  } else if (auto* const* at = std::get_if<std::size_t*>(&slot)) {
    **at = static_cast<std::size_t>(number);
  } else if (auto* const* at = std::get_if<double*>(&slot)) {
    **at = static_cast<double>(number) / 100;
  } else {
    *std::get<std::chrono::milliseconds*>(slot) = std::chrono::milliseconds(number);
  }
  return {};
}

std::optional<std::int64_t> read_number(Type type, std::string_view text) {
  if (type == Type::kSize) return parse_size(text);
  if (type == Type::kPercent) return parse_percent(text);
  if (type == Type::kUsd) {
    const auto amount = parse_usd(text);
    return amount ? std::optional(amount->nano) : std::nullopt;
  }
  if (type == Type::kDuration) {
    const auto duration = parse_duration(text);
    if (!duration) return std::nullopt;
    return duration->count();
  }
  const auto number = parse_uint(text);
  if (!number || *number > INT64_MAX) return std::nullopt;
  return static_cast<std::int64_t>(*number);
}

void set_string(const Field& field, Place place, std::string text) {
  const Slot slot = field.slot(place);
  if (auto* const* at = std::get_if<std::string*>(&slot)) {
    **at = std::move(text);
  } else {
    *std::get<std::optional<std::string>*>(slot) = std::move(text);
  }
}

void set_word(const Field& field, Place place, std::size_t index) {
  const Slot slot = field.slot(place);
  if (auto* const* at = std::get_if<bool*>(&slot)) {
    **at = index == 1;
  } else if (auto* const* at = std::get_if<upstream::UpstreamConfig::Auth*>(&slot)) {
    **at = static_cast<upstream::UpstreamConfig::Auth>(index);
  } else {
    set_string(field, place, std::string(field.words[index]));
  }
}

Outcome set_path(const Field& field, const Text& text, const Surroundings& around, Place place) {
  if (std::ranges::find(field.words, text.text) != field.words.end()) {
    set_string(field, place, text.text == "none" ? "" : text.text);
    return {};
  }
  if (text.text.empty() || text.text.find('\0') != std::string::npos || text.text.size() > 4000) {
    return wrong("must be " + describe(field));
  }
  set_string(field, place, resolve_path(text.text, around));
  return {};
}

Outcome set_scalar(const Field& field, const Text& text, bool quoted, const Surroundings& around,
                   Place place) {
  const auto refuse = [&] { return wrong("must be " + describe(field) + ", not " + text.quote); };
  switch (field.type) {
    case Type::kBool:
      if (quoted) return wrong("must be true or false without quotes");
      if (text.text != "true" && text.text != "false") return refuse();
      *std::get<bool*>(field.slot(place)) = text.text == "true";
      return {};
    case Type::kInteger:
    case Type::kDuration:
    case Type::kSize:
    case Type::kUsd:
    case Type::kPercent: {
      const auto number = read_number(field.type, text.text);
      if (!number) return refuse();
      return set_number(field, place, *number);
    }
    case Type::kWord: {
      const auto at = std::ranges::find(field.words, text.text);
      if (at == field.words.end()) return refuse();
      set_word(field, place, static_cast<std::size_t>(at - field.words.begin()));
      return {};
    }
    case Type::kPath:
      return set_path(field, text, around, place);
    case Type::kName:
      if (!is_name(text.text)) return refuse();
      break;
    case Type::kAddress:
      if (!parse_host_port(text.text)) return refuse();
      break;
    case Type::kUrl:
      if (!parse_url(text.text)) return refuse();
      break;
    case Type::kTarget:
      if (!is_text(text.text)) return refuse();
      if (!text.text.starts_with("file:/") && !parse_url(text.text)) return refuse();
      break;
    default:
      if (text.text.empty() || !is_text(text.text)) return refuse();
  }
  set_string(field, place, text.text);
  return {};
}

// Follows ${env:...} and ${cred:...}; `file:` is left to the fields that are paths.
std::expected<Text, std::string> read_text(const Field& field, const YamlNode& value,
                                           const Surroundings& around, std::string& note) {
  const auto reference = parse_reference(value.text);
  if (!reference) return wrong(reference.error().what);
  if (!*reference || (*reference)->kind == Reference::Kind::kFile) {
    if (*reference && field.type != Type::kPath && field.type != Type::kTarget) {
      return wrong("file: may stand only where a path or a secret is asked for");
    }
    return Text{value.text, printable(value.text)};
  }
  const Result<Secret> resolved = resolve(**reference, around, note);
  if (!resolved) return wrong(resolved.error().what);
  return Text{std::string(resolved->reveal()), "what " + value.text + " stands for"};
}

Outcome set_list(const Field& field, const YamlNode& value, Place place) {
  if (value.kind != YamlNode::Kind::kList) return wrong("must be " + describe(field));
  if (value.items.size() > kItemsMax) return wrong("has more than 1024 entries");
  std::vector<std::string> texts;
  std::vector<Cidr> networks;
  for (const YamlNode& item : value.items) {
    if (item.kind != YamlNode::Kind::kScalar) return wrong("must be " + describe(field));
    const auto refuse = [&] {
      return wrong("must be " + describe(field) + "; not " + printable(item.text));
    };
    if (field.type == Type::kNetworks) {
      const auto range = Cidr::parse(item.text);
      if (!range) return refuse();
      networks.push_back(*range);
      continue;
    }
    const bool good = field.type == Type::kPatterns ? is_pattern(item.text)
                                                    : !item.text.empty() && is_text(item.text);
    const bool known =
        field.words.empty() || std::ranges::find(field.words, item.text) != field.words.end();
    if (!good || !known) return refuse();
    texts.push_back(item.text);
  }
  const Slot slot = field.slot(place);
  if (field.type == Type::kNetworks) {
    *std::get<std::vector<Cidr>*>(slot) = std::move(networks);
  } else {
    *std::get<std::vector<std::string>*>(slot) = std::move(texts);
  }
  return {};
}

Outcome set_map(const Field& field, const YamlNode& value, Place place) {
  const auto refuse = [&] { return wrong("must be " + describe(field)); };
  if (value.kind != YamlNode::Kind::kMap) return refuse();
  if (value.members.empty()) {
    return wrong("has no entry" + (field.example.empty()
                                       ? ""
                                       : "; write for example " + std::string(field.example)));
  }
  if (value.members.size() > kItemsMax) return wrong("has more than 1024 entries");
  std::map<std::string, std::string> texts;
  for (const auto& [key, text] : value.members) {
    const bool good = text.kind == YamlNode::Kind::kScalar && !text.text.empty() &&
                      is_text(text.text) && !key.text.empty() && is_text(key.text);
    if (!good) return refuse();
    texts[key.text] = text.text;
  }
  *std::get<std::map<std::string, std::string>*>(field.slot(place)) = std::move(texts);
  return {};
}

}  // namespace

Outcome set_field(const Field& field, const YamlNode& value, const Surroundings& around,
                  Place place, std::string& note) {
  const bool list =
      field.type == Type::kTexts || field.type == Type::kPatterns || field.type == Type::kNetworks;
  if (value.kind == YamlNode::Kind::kNull) return wrong("has no value; leave the field out");
  if (list) return set_list(field, value, place);
  if (field.type == Type::kTextMap) return set_map(field, value, place);
  if (value.kind != YamlNode::Kind::kScalar) return wrong("must be " + describe(field));
  if (field.type == Type::kSecret) return set_secret(field, value, around, place, note);
  const auto text = read_text(field, value, around, note);
  if (!text) return wrong(text.error());
  return set_scalar(field, *text, value.quoted, around, place);
}

std::string describe(const Field& field) {
  switch (field.type) {
    case Type::kText:
      return "text";
    case Type::kName:
      return "a name of a-z, 0-9, - and _";
    case Type::kBool:
      return "true or false";
    case Type::kInteger:
      return "a whole number, " + range_text(field);
    case Type::kDuration:
      return "a duration with its unit (ms s m h d), " + range_text(field);
    case Type::kSize:
      return "a size with its unit (KiB MiB GiB), " + range_text(field);
    case Type::kPercent:
      return "a percentage, " + range_text(field);
    case Type::kUsd:
      return "an amount in US dollars, " + range_text(field);
    case Type::kAddress:
      return "an address and port such as 127.0.0.1:8080 or [::1]:8080";
    case Type::kUrl:
      return "a URL with http:// or https://, without user, query or fragment";
    case Type::kPath:
      return field.words.empty() ? "a path" : words_text(field) + ", or a path";
    case Type::kTarget:
      return "file:/path, or a URL without user, query or fragment";
    case Type::kSecret:
      return "a reference: ${env:NAME}, ${cred:NAME} or file:/path";
    case Type::kWord:
      return words_text(field);
    case Type::kTexts:
      return field.words.empty() ? "a list of texts" : "a list of " + words_text(field);
    case Type::kPatterns:
      return "a list of names, * only at the end";
    case Type::kNetworks:
      return "a list of networks such as 10.0.0.0/8";
    case Type::kTextMap:
      return "a section of names, each with a text";
  }
  return "";
}

}  // namespace sallyport::config
