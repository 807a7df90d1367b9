// SPDX-License-Identifier: Apache-2.0
#include "keys/form.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "base/json_reader.h"
#include "base/text.h"

namespace sallyport::keys {
namespace {

std::unexpected<Error> bad(const char* what) { return fail(Code::kInvalid, what); }

bool printable(char c) { return c >= 0x20 && c < 0x7f; }

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kFormNameBytesMax &&
         std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

// %XX and '+'; nothing for half an escape or anything that is not printable, before or after.
std::optional<std::string> decode(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());  // it may be a credential: what it outgrew would stay behind
  for (std::size_t i = 0; i < raw.size(); ++i) {
    char c = raw[i];
    if (c == '%') {
      const auto byte = from_hex(raw.substr(i + 1, 2));
      if (!byte || byte->size() != 1) return std::nullopt;
      c = byte->front();
      i += 2;
    } else if (c == ' ' || c == '=') {  // a second '=' is somebody's separator
      return std::nullopt;
    } else if (c == '+') {
      c = ' ';
    }
    if (!printable(c)) return std::nullopt;
    out += c;
  }
  return out;
}

class Collector {
 public:
  bool add(std::string name, std::string value) {
    if (!is_name(name) || !names_.insert(name).second || names_.size() > kFormFieldsMax)
      return false;
    if (!value.empty()) form.emplace(std::move(name), std::move(value));
    return true;
  }
  Form form;

 private:
  std::set<std::string> names_;  // also of those without a value
};

}  // namespace

Result<Form> parse_form(std::string_view text) {
  if (text.size() > kFormBytesMax) return bad("the form is too large");
  Collector fields;
  while (true) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) return bad("a part of the form has no '='");
    auto name = decode(pair.substr(0, equals));
    auto value = decode(pair.substr(equals + 1));
    if (!name || !value) return bad("a part of the form is malformed");
    if (!fields.add(std::move(*name), std::move(*value))) return bad("a parameter stands twice");
    if (end == text.size()) return std::move(fields.form);
    text.remove_prefix(end + 1);
  }
}

Result<Form> parse_json_form(std::string_view json) {
  if (json.size() > kFormBytesMax) return bad("the form is too large");
  const Result<void> checked = check_json(json, {.depth_max = 1, .keys_max = kFormFieldsMax});
  if (!checked) return bad("not one flat JSON object");
  const Result<JsonValue> object = JsonValue::parse(json);
  if (!object) return bad("not JSON");
  Collector fields;
  for (const auto& [name, value] : object->members()) {
    const auto text = value.is_null() ? std::optional<std::string_view>("") : value.string();
    if (!text || !std::ranges::all_of(*text, printable)) return bad("a parameter is not a text");
    if (!fields.add(std::string(name), std::string(*text))) return bad("a parameter stands twice");
  }
  return std::move(fields.form);
}

}  // namespace sallyport::keys
