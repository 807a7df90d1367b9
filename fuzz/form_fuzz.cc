// SPDX-License-Identifier: Apache-2.0
// OAuth parameters on any bytes: what is accepted is printable, bounded, and reads back the same
// when it is written again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/json_writer.h"
#include "keys/form.h"
#include "keys/identity_mapping.h"
#include "keys/token_exchange.h"

namespace {

using namespace sallyport;
using namespace sallyport::keys;

void require(bool condition) {
  if (!condition) std::abort();
}

std::string escaped(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

void check(const Form& form) {
  require(form.size() <= kFormFieldsMax);
  std::string again;
  std::string json;
  JsonWriter writer(json);
  writer.begin_object();
  for (const auto& [name, value] : form) {
    require(!name.empty() && name.size() <= kFormNameBytesMax && !value.empty());
    for (const char c : name + value) require(c >= 0x20 && c < 0x7f);
    again += (again.empty() ? "" : "&") + escaped(name) + "=" + escaped(value);
    writer.field(name, value);
  }
  writer.end_object();
  if (again.size() > kFormBytesMax || form.empty()) return;
  const auto read = parse_form(again);
  require(read && *read == form);
  const auto read_json = parse_json_form(json);
  // Names that differ in case alone may stand in a form, not in JSON.
  if (read_json) require(*read_json == form);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto form = parse_form(text)) check(*form);
  if (const auto form = parse_json_form(text)) check(*form);
  const auto request = parse_exchange("application/x-www-form-urlencoded", text);
  if (!request) return 0;
  require(!request->subject_token.empty());
  Exchanged granted;
  granted.spec.restrictions.models = {"gpt-5*"};
  if (!narrow(request->scope, granted)) return 0;
  for (const std::string& model : granted.spec.restrictions.models) {
    require(model.starts_with("gpt-5"));
  }
  return 0;
}
