// SPDX-License-Identifier: Apache-2.0
#include "sim/files.h"

#include <algorithm>

namespace sallyport::sim {
namespace {

Answer no_such_file(std::string_view id) {
  return error_answer({.status = 404,
                       .type = "invalid_request_error",
                       .message = "No such File object: " + std::string(id),
                       .param = "id"});
}

Answer required(std::string_view name) {
  return error_answer({.status = 400,
                       .type = "invalid_request_error",
                       .message = "'" + std::string(name) + "' is a required property"});
}

}  // namespace

void Files::write(JsonWriter& json, const File& file) {
  json.begin_object().field("object", "file").field("id", file.id).field("purpose", file.purpose);
  json.field("filename", file.name).field("bytes", static_cast<std::uint64_t>(file.bytes.size()));
  json.field("created_at", file.created).key("expires_at").null();
  json.field("status", "processed").key("status_details").null().end_object();
}

const Files::File* Files::find(std::string_view id) const {
  const auto at = std::ranges::find(files_, id, &File::id);
  return at == files_.end() ? nullptr : &*at;
}

Answer Files::create(const Call& call, const Form& form) {
  const Part* file = form.find("file");
  if (file == nullptr) return required("file");
  if (form.find("purpose") == nullptr) return required("purpose");
  const bool fits =
      files_.size() < options_.files_max && file->data.size() <= options_.files_bytes_max - bytes_;
  if (!fits) {
    return error_answer({.status = 400,
                         .type = "invalid_request_error",
                         .message = "You have exceeded your file storage quota."});
  }
  bytes_ += file->data.size();
  files_.push_back({.id = call.id("file-", std::to_string(++made_)),
                    .purpose = form.text("purpose"),
                    .name = file->filename.value_or("file"),
                    .bytes = std::string(file->data),
                    .created = call.created});
  Answer answer;
  JsonWriter json(answer.body);
  write(json, files_.back());
  return answer;
}

Answer Files::list(std::string_view query) const {
  const std::size_t at = query.find("purpose=");
  std::string_view purpose;
  if (at != std::string_view::npos) {
    purpose = query.substr(at + 8);
    purpose = purpose.substr(0, purpose.find('&'));
  }
  Answer answer;
  JsonWriter json(answer.body);
  json.begin_object().field("object", "list").key("data").begin_array();
  for (const File& file : files_) {
    if (purpose.empty() || file.purpose == purpose) write(json, file);
  }
  json.end_array().field("has_more", false).end_object();
  return answer;
}

Answer Files::get(std::string_view id) const {
  const File* file = find(id);
  if (file == nullptr) return no_such_file(id);
  Answer answer;
  JsonWriter json(answer.body);
  write(json, *file);
  return answer;
}

Answer Files::content(std::string_view id) const {
  const File* file = find(id);
  if (file == nullptr) return no_such_file(id);
  Answer answer;
  answer.content_type = "application/octet-stream";
  answer.headers.emplace_back("content-disposition", "attachment");
  answer.body = file->bytes;
  return answer;
}

Answer Files::remove(std::string_view id) {
  const File* file = find(id);
  if (file == nullptr) return no_such_file(id);
  Answer answer;
  JsonWriter json(answer.body);
  json.begin_object().field("object", "file").field("deleted", true).field("id", file->id);
  json.end_object();
  bytes_ -= file->bytes.size();
  files_.erase(files_.begin() + (file - files_.data()));
  return answer;
}

}  // namespace sallyport::sim
