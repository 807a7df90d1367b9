// SPDX-License-Identifier: Apache-2.0
#include "meter/token_limits.h"

#include <algorithm>
#include <cassert>
#include <optional>
#include <utility>

#include "base/json_reader.h"

namespace sallyport::meter {
namespace {

constexpr char kBuiltin[] = {
#embed "../../rules/models.json"
};
constexpr std::int64_t kFigureMax = std::int64_t{1} << 40;

std::unexpected<Error> wrong(std::string_view model, std::string_view what) {
  return fail(Code::kInvalid,
              std::string("models: ") + std::string(model) + ": " + std::string(what));
}

struct Row {
  std::string model;
  std::optional<std::uint64_t> context, output, low, high, original, automatic;
};

// False: not known, or not of its type.
bool read_member(Row& row, std::string_view name, const JsonValue& value) {
  if (name == "as_of" || name == "source") return value.string().has_value();
  if (name == "model") {
    row.model = std::string(value.string().value_or(""));
    return !row.model.empty();
  }
  constexpr std::pair<std::string_view, std::optional<std::uint64_t> Row::*> kFields[] = {
      {"context", &Row::context},         {"output", &Row::output},
      {"image_low", &Row::low},           {"image_high", &Row::high},
      {"image_original", &Row::original}, {"image_auto", &Row::automatic}};
  for (const auto& [field, place] : kFields) {
    if (name != field) continue;
    if (value.is_null() && name.starts_with("image_")) {
      row.*place = kNoLimit;
      return true;
    }
    const std::optional<std::int64_t> figure = value.integer();
    if (!figure || *figure < 0 || *figure > kFigureMax) return false;
    row.*place = static_cast<std::uint64_t>(*figure);
    return true;
  }
  return false;
}

ModelLimits limits_of(const Row& row) {
  ModelLimits limits;
  limits.context = row.context.value_or(limits.context);
  limits.output = row.output.value_or(limits.output);
  limits.image.low = row.low.value_or(limits.image.low);
  limits.image.high = row.high.value_or(limits.image.high);
  // What is not named is as dear as the dearer of those that are.
  const std::uint64_t most = std::max(limits.image.low, limits.image.high);
  limits.image.original = row.original.value_or(most);
  limits.image.automatic = row.automatic.value_or(most);
  return limits;
}

std::string_view base_model(std::string_view model) {
  if (!model.starts_with("ft:")) return model;
  model.remove_prefix(3);
  return model.substr(0, model.find(':'));
}

const ModelTable& builtin() {
  static const ModelTable table = [] {
    auto parsed = parse_models(std::string_view(kBuiltin, sizeof kBuiltin));
    assert(parsed.has_value());  // a test reads it
    return parsed ? std::move(*parsed) : ModelTable();
  }();
  return table;
}

}  // namespace

Result<ModelTable> parse_models(std::string_view json) {
  const auto document = JsonValue::parse(json);
  if (!document) return std::unexpected(document.error());
  if (!document->is_object()) return wrong("table", "not an object");
  ModelTable table;
  for (const auto& [name, value] : document->members()) {
    if (name == "version" || name == "as_of" || name == "unit") continue;
    if (name != "models" || !value.is_array()) return wrong("table", name);
    for (const JsonValue& item : value.items()) {
      Row row;
      for (const auto& [field, figure] : item.members()) {
        if (!read_member(row, field, figure)) return wrong(row.model, field);
      }
      if (row.model.empty()) return wrong("row", "no model");
      if (!table.emplace(row.model, limits_of(row)).second) return wrong(row.model, "twice");
    }
  }
  return table;
}

const ModelLimits& find_limits(const ModelTable& table, std::string_view model) {
  static const ModelLimits unknown;
  std::string_view name = base_model(model);
  for (;;) {
    if (const auto found = table.find(name); found != table.end()) return found->second;
    const std::size_t dash = name.rfind('-');
    if (dash == std::string_view::npos) return unknown;
    name = name.substr(0, dash);
  }
}

const ModelLimits& model_limits(std::string_view model) { return find_limits(builtin(), model); }
std::uint64_t model_output_max(std::string_view model) { return model_limits(model).output; }
std::uint64_t model_context_max(std::string_view model) { return model_limits(model).context; }

}  // namespace sallyport::meter
