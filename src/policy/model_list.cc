// SPDX-License-Identifier: Apache-2.0
#include "policy/model_list.h"

#include <utility>
#include <vector>

#include "base/json_reader.h"

namespace sallyport::policy {
namespace {

constexpr std::size_t kListBytesMax = 4 * 1024 * 1024;

// The raw texts of the items of a raw array that was checked.
std::vector<std::string_view> array_items(std::string_view array) {
  std::vector<std::string_view> items;
  int depth = 0;
  bool in_string = false;
  std::size_t begin = 0;
  const auto take = [&](std::size_t end) {
    std::string_view item = array.substr(begin, end - begin);
    const std::size_t first = item.find_first_not_of(" \t\r\n");
    if (first != std::string_view::npos) {
      items.push_back(item.substr(first, item.find_last_not_of(" \t\r\n") - first + 1));
    }
    begin = end + 1;
  };
  for (std::size_t at = 0; at < array.size(); ++at) {
    const char c = array[at];
    if (in_string) {
      if (c == '\\') ++at;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '[' || c == '{') {
      if (++depth == 1) begin = at + 1;
    } else if (c == ']' || c == '}') {
      if (--depth == 0) take(at);
    } else if (c == ',' && depth == 1) {
      take(at);
    }
  }
  return items;
}

std::optional<std::string> id_of(std::string_view object) {
  if (!object.starts_with('{')) return std::nullopt;
  JsonMembers members(object);
  JsonMember member;
  while (members.next(member)) {
    if (json_unescape(member.key) == "id") return json_string(member.value);
  }
  return std::nullopt;
}

// Pulls the whole list at the first pull, then gives the cut one in one piece.
class CutList final : public net::BodySource {
 public:
  CutList(std::unique_ptr<net::BodySource> list, ModelAllowed allowed)
      : list_(std::move(list)), allowed_(std::move(allowed)) {}

  Task<Result<std::string_view>> pull() override {
    if (done_) co_return std::string_view();
    std::string whole;
    for (;;) {
      const Result<std::string_view> piece = co_await list_->pull();
      if (!piece) co_return std::unexpected(piece.error());
      if (piece->empty()) break;
      if (whole.size() + piece->size() > kListBytesMax) {
        co_return fail(Code::kExhausted, "the list of models is larger than 4 MiB");
      }
      whole.append(*piece);
    }
    std::optional<std::string> cut = cut_model_list(whole, allowed_);
    if (!cut) co_return fail(Code::kCorrupt, "the list of models cannot be read");
    cut_ = std::move(*cut);
    done_ = true;
    co_return std::string_view(cut_);
  }

 private:
  std::unique_ptr<net::BodySource> list_;
  ModelAllowed allowed_;
  std::string cut_;
  bool done_ = false;
};

}  // namespace

std::optional<std::string> cut_model_list(std::string_view json, const ModelAllowed& allowed) {
  const JsonLimits limits;
  if (!check_json(json, limits)) return std::nullopt;
  JsonMembers members(json);
  JsonMember member;
  while (members.next(member)) {
    if (json_unescape(member.key) != "data") continue;
    if (!member.value.starts_with('[')) return std::nullopt;
    std::string kept;
    for (const std::string_view item : array_items(member.value)) {
      const std::optional<std::string> id = id_of(item);
      if (!id) return std::nullopt;
      if (!allowed(*id)) continue;
      if (!kept.empty()) kept += ',';
      kept += item;
    }
    std::string cut(json.substr(0, member.value_offset));
    cut.append("[").append(kept).append("]");
    cut += json.substr(member.value_offset + member.value.size());
    return cut;
  }
  return std::nullopt;
}

std::unique_ptr<net::BodySource> filter_model_list(std::unique_ptr<net::BodySource> list,
                                                   ModelAllowed allowed) {
  return std::make_unique<CutList>(std::move(list), std::move(allowed));
}

}  // namespace sallyport::policy
