// SPDX-License-Identifier: Apache-2.0
#include "sim/form.h"

#include "base/text.h"

namespace sallyport::sim {
namespace {

// The value of `name="..."` or `name=...` among the parameters of a header.
std::optional<std::string> parameter(std::string_view header, std::string_view name) {
  for (std::size_t at = header.find(';'); at != std::string_view::npos;) {
    header.remove_prefix(at + 1);
    const std::string_view rest = trim_ows(header);
    const std::size_t equals = rest.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const bool wanted = equal_ascii_nocase(rest.substr(0, equals), name);
    std::string_view value = rest.substr(equals + 1);
    if (value.starts_with('"')) {
      const std::size_t end = value.find('"', 1);
      if (end == std::string_view::npos) return std::nullopt;
      if (wanted) return std::string(value.substr(1, end - 1));
      header = value.substr(end + 1);
    } else {
      const std::size_t end = value.find(';');
      if (wanted) return std::string(trim_ows(value.substr(0, end)));
      header = end == std::string_view::npos ? std::string_view() : value.substr(end);
    }
    at = header.find(';');
  }
  return std::nullopt;
}

Result<Part> read_part(std::string_view whole) {
  const std::size_t end = whole.find("\r\n\r\n");
  if (end == std::string_view::npos) return fail(Code::kInvalid, "a part without an empty line");
  std::string_view head = whole.substr(0, end + 2);
  Part part{.name = "", .filename = std::nullopt, .data = whole.substr(end + 4)};
  bool named = false;
  while (!head.empty()) {
    const std::size_t line_end = head.find("\r\n");
    const std::string_view line = head.substr(0, line_end);
    head.remove_prefix(line_end + 2);
    if (!equal_ascii_nocase(line.substr(0, line.find(':')), "content-disposition")) continue;
    const auto name = parameter(line, "name");
    if (!name) return fail(Code::kInvalid, "a part without a name");
    part.name = *name;
    part.filename = parameter(line, "filename");
    named = true;
  }
  if (!named) return fail(Code::kInvalid, "a part without a content-disposition");
  return part;
}

}  // namespace

Result<Form> Form::parse(std::string_view content_type, std::string_view body) {
  const auto boundary = parameter(content_type, "boundary");
  if (!boundary || boundary->empty()) return fail(Code::kInvalid, "no boundary");
  const std::string first = "--" + *boundary;
  const std::string delimiter = "\r\n" + first;
  if (!body.starts_with(first)) return fail(Code::kInvalid, "no first boundary");
  body.remove_prefix(first.size());
  Form form;
  while (!body.starts_with("--")) {
    if (!body.starts_with("\r\n")) return fail(Code::kInvalid, "a boundary does not end its line");
    body.remove_prefix(2);
    const std::size_t end = body.find(delimiter);
    if (end == std::string_view::npos) return fail(Code::kInvalid, "no closing boundary");
    if (form.parts_.size() >= kPartsMax) return fail(Code::kInvalid, "too many parts");
    Result<Part> part = read_part(body.substr(0, end));
    if (!part) return std::unexpected(std::move(part).error());
    form.parts_.push_back(std::move(*part));
    body.remove_prefix(end + delimiter.size());
  }
  const std::string_view after = body.substr(2);
  if (!after.empty() && after != "\r\n") return fail(Code::kInvalid, "bytes after the end");
  return form;
}

const Part* Form::find(std::string_view name) const {
  for (const Part& part : parts_) {
    if (part.name == name) return &part;
  }
  return nullptr;
}

std::string Form::text(std::string_view name) const {
  const Part* part = find(name);
  return part == nullptr ? std::string() : std::string(part->data);
}

}  // namespace sallyport::sim
