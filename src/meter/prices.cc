// SPDX-License-Identifier: Apache-2.0
#include "meter/prices.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <sstream>
#include <utility>

#include "base/json_reader.h"

namespace sallyport::meter {
namespace {

constexpr char kBuiltin[] = {
#embed "../../rules/prices.json"
};
constexpr double kPerMillion = 1e-6;
constexpr double kPriceMax = 1e6;  // a larger figure is a slip of the unit

struct Field {
  std::string_view name;
  std::optional<double> Price::* place;
};
constexpr std::array<Field, 9> kFields{{{"input", &Price::input},
                                        {"cached", &Price::cached},
                                        {"output", &Price::output},
                                        {"audio_input", &Price::audio_input},
                                        {"image_input", &Price::image_input},
                                        {"minute", &Price::minute},
                                        {"characters", &Price::characters},
                                        {"flex", &Price::flex},
                                        {"priority", &Price::priority}}};

bool digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// The name without "-YYYY-MM-DD" or "-MMDD"; empty if it has no date.
std::string_view without_date(std::string_view model) {
  const std::size_t n = model.size();
  if (n > 11 && model[n - 11] == '-' && model[n - 6] == '-' && model[n - 3] == '-' &&
      digits(model.substr(n - 10, 4)) && digits(model.substr(n - 5, 2)) &&
      digits(model.substr(n - 2))) {
    return model.substr(0, n - 11);
  }
  if (n > 5 && model[n - 5] == '-' && digits(model.substr(n - 4))) return model.substr(0, n - 5);
  return {};
}

Result<std::pair<std::string, Price>> read_price(const JsonValue& row) {
  std::string model;
  Price price;
  for (const auto& [name, value] : row.members()) {
    if (name == "model" && value.string()) {
      model = std::string(*value.string());
      continue;
    }
    const auto field = std::find_if(kFields.begin(), kFields.end(),
                                    [&](const Field& f) { return f.name == name; });
    const auto number = value.number();
    if (field == kFields.end() || !number || *number < 0 || *number > kPriceMax) {
      return fail(Code::kInvalid, "price table: " + model + ": " + std::string(name) +
                                      " is not a price or not a known field");
    }
    price.*(field->place) = *number;
  }
  if (model.empty()) return fail(Code::kInvalid, "price table: a row without a model");
  return std::pair(std::move(model), price);
}

// Adds up what was used; without a total as soon as the price of one part is unknown.
class Bill {
 public:
  Bill& add(double amount, const std::optional<double>& unit) {
    if (amount == 0) return *this;
    if (!unit) known_ = false;
    total_ += amount * unit.value_or(0);
    return *this;
  }
  std::optional<double> total() const { return known_ ? std::optional(total_) : std::nullopt; }

 private:
  double total_ = 0;
  bool known_ = true;
};

// Sound, pictures and cached tokens are parts of the input with prices of their own. A picture
// without one is charged as text, as most models do, and a cached token as a fresh one: rather too
// much than too little.
std::optional<double> token_cost(const Price& price, const Usage& usage) {
  if (!usage.input || !usage.output) return std::nullopt;
  double text = static_cast<double>(*usage.input);
  const auto take = [&text](const std::optional<std::int64_t>& part) {
    const double count = std::min(text, static_cast<double>(part.value_or(0)));
    text -= count;
    return count * kPerMillion;
  };
  const double audio = take(usage.input_audio);
  const double image = take(usage.input_image);
  const double cached = take(usage.cached);
  return Bill()
      .add(audio, price.audio_input)
      .add(image, price.image_input ? price.image_input : price.input)
      .add(cached, price.cached ? price.cached : price.input)
      .add(text * kPerMillion, price.input)
      .add(static_cast<double>(*usage.output) * kPerMillion, price.output)
      .total();
}

// A tier whose price the table does not tell has none.
std::optional<double> tier_factor(const Price& price, const Usage& usage) {
  const std::string_view tier = usage.service_tier ? std::string_view(*usage.service_tier) : "";
  if (tier.empty() || tier == "default" || tier == "auto" || tier == "standard") return 1;
  if (tier == "flex") return price.flex;
  if (tier == "priority") return price.priority;
  return std::nullopt;
}

}  // namespace

Result<std::shared_ptr<const Prices>> Prices::load(const Config& config) {
  if (config.prices == "builtin") return parse({kBuiltin, sizeof kBuiltin});
  std::ifstream file(config.prices, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf()))
    return fail(Code::kUnavailable, "cannot read " + config.prices);
  return parse(text.str());
}

Result<std::shared_ptr<const Prices>> Prices::parse(std::string_view json) {
  const auto document = JsonValue::parse(json);
  if (!document) return fail(Code::kInvalid, "price table: not JSON");
  const auto version = document->at("version");
  const auto rows = document->at("models");
  if (!version || version->integer() != 1 || !rows || !rows->is_array()) {
    return fail(Code::kInvalid, "price table: needs \"version\": 1 and \"models\": [...]");
  }
  auto prices = std::make_shared<Prices>();
  for (const JsonValue& row : rows->items()) {
    auto read = read_price(row);
    if (!read) return std::unexpected(read.error());
    if (!prices->prices_.emplace(std::move(*read)).second) {
      return fail(Code::kInvalid, "price table: a model stands twice");
    }
  }
  return std::shared_ptr<const Prices>(std::move(prices));
}

const Price* Prices::find(std::string_view model) const {
  auto found = prices_.find(model);
  if (found == prices_.end()) found = prices_.find(without_date(model));
  return found == prices_.end() ? nullptr : &found->second;
}

std::optional<double> Prices::cost_usd(std::string_view model, const Usage& usage) const {
  const Price* const price = find(model);
  if (price == nullptr) return std::nullopt;
  std::optional<double> cost;
  if (usage.input || usage.output) {
    cost = token_cost(*price, usage);
  } else if (usage.seconds) {
    cost = Bill().add(*usage.seconds / 60, price->minute).total();
  } else if (usage.characters) {
    const auto characters = static_cast<double>(*usage.characters);
    cost = Bill().add(characters * kPerMillion, price->characters).total();
  }
  const auto factor = tier_factor(*price, usage);
  if (!cost || !factor) return std::nullopt;
  return *cost * *factor;
}

}  // namespace sallyport::meter
