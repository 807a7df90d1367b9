// SPDX-License-Identifier: Apache-2.0
#include "meter/prices.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <limits>
#include <sstream>
#include <utility>
#include <vector>

#include "base/json_reader.h"
#include "base/text.h"

namespace sallyport::meter {
namespace {

constexpr char kBuiltin[] = {
#embed "../../rules/prices.json"
};
constexpr NanoUsd kPriceMax{1'000'000 * kNanoUsdPerUsd};  // a larger figure is a slip of the unit
constexpr std::uint64_t kTokensMax = std::uint64_t{1} << 40;
constexpr NanoUsd kOne{kNanoUsdPerUsd};         // the factor 1
constexpr NanoUsd kTierUnknown{2'500'000'000};  // dearer than any tier there is, without a price

struct Field {
  std::string_view name;
  std::optional<NanoUsd> Price::* place;
};
constexpr std::array<Field, 15> kFields{{{"input", &Price::input},
                                         {"cached", &Price::cached},
                                         {"cache_write", &Price::cache_write},
                                         {"input_above", &Price::input_above},
                                         {"cached_above", &Price::cached_above},
                                         {"output_above", &Price::output_above},
                                         {"output", &Price::output},
                                         {"audio_input", &Price::audio_input},
                                         {"audio_output", &Price::audio_output},
                                         {"image_input", &Price::image_input},
                                         {"minute", &Price::minute},
                                         {"characters", &Price::characters},
                                         {"batch", &Price::batch},
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

// One member of a row that is not its model. False: not known, or not of its type.
bool read_member(Price& price, std::string_view name, std::string_view value) {
  if (name == "as_of" || name == "source") {
    const auto text = json_string(value);
    if (text) (name == "source" ? price.source : price.as_of) = *text;
    return text.has_value();
  }
  if (name == "reasons" && (value == "true" || value == "false")) {
    price.reasons = value == "true";
    return true;
  }
  if (name == "above_input_tokens") {
    const auto tokens = parse_uint(value);
    if (!tokens || *tokens > kTokensMax) return false;
    price.above_input_tokens = static_cast<std::int64_t>(*tokens);
    return true;
  }
  const auto number = parse_usd_number(value);
  if (!number) return false;
  const auto field =
      std::find_if(kFields.begin(), kFields.end(), [&](const Field& f) { return f.name == name; });
  if (field == kFields.end() || *number > kPriceMax) return false;
  price.*(field->place) = *number;
  return true;
}

Result<std::pair<std::string, Price>> read_price(std::string_view row) {
  std::string model;
  Price price;
  JsonMembers members(row);
  JsonMember member;
  while (row.starts_with('{') && members.next(member)) {
    const std::string name = json_unescape(member.key);
    if (name == "model" && member.value.starts_with('"')) {
      model = *json_string(member.value);
    } else if (!read_member(price, name, member.value)) {
      return fail(Code::kInvalid,
                  "price table: " + model + ": " + name + " is not a price or not a known field");
    }
  }
  if (model.empty()) return fail(Code::kInvalid, "price table: a row without a model");
  const bool rates = price.input_above && price.output_above;
  const bool any = price.input_above || price.output_above || price.cached_above;
  if (price.above_input_tokens ? !rates : any) {
    return fail(Code::kInvalid, "price table: " + model +
                                    ": above_input_tokens, input_above and output_above go "
                                    "together");
  }
  return std::pair(std::move(model), std::move(price));
}

// The elements of a raw JSON array, as they stand: a price must be read as it is written, not as a
// floating point number. `array` is checked JSON.
std::vector<std::string_view> elements(std::string_view array) {
  std::vector<std::string_view> found;
  std::size_t depth = 0;
  std::size_t begin = 1;
  bool quoted = false;
  const auto take = [&](std::size_t end) {
    std::string_view text = array.substr(begin, end - begin);
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    if (first != std::string_view::npos) found.push_back(text.substr(first));
    begin = end + 1;
  };
  for (std::size_t i = 0; i < array.size(); ++i) {
    const char c = array[i];
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if (c == ']' || c == '}') {
      if (--depth == 0) take(i);
    } else if (c == ',' && depth == 1) {
      take(i);
    }
  }
  return found;
}

// Adds up amounts times prices in billionths of a billionth; without a total as soon as the price
// of one part is unknown. The largest: 2^40 tokens at a million dollars, far below 2^127.
class Bill {
 public:
  static constexpr std::int64_t kPerMillion = 1'000'000;

  Bill& add(std::int64_t amount, const std::optional<NanoUsd>& price) {
    if (amount <= 0) return *this;
    if (!price) {
      known_ = false;
      return *this;
    }
    total_ += static_cast<__int128>(amount) * price->nano * (kNanoUsdPerUsd / kPerMillion);
    return *this;
  }

  // With the factor of a service tier, rounded up; the largest amount there is if it does not fit.
  std::optional<NanoUsd> total(NanoUsd factor) const {
    if (!known_) return std::nullopt;
    const __int128 unit = kNanoUsdPerUsd;
    const __int128 nano = ((total_ + unit - 1) / unit * factor.nano + unit - 1) / unit;
    const __int128 most = std::numeric_limits<std::int64_t>::max();
    return NanoUsd{static_cast<std::int64_t>(std::min(nano, most))};
  }

 private:
  __int128 total_ = 0;
  bool known_ = true;
};

// Sound, pictures and cached tokens are parts of the input with prices of their own. A picture
// without one is charged as text, as most models do, and a cached token as a fresh one: rather too
// much than too little.
bool add_tokens(Bill& bill, const Price& price, const Usage& usage) {
  if (!usage.input || !usage.output) return false;
  std::int64_t text = *usage.input;
  const auto take = [](std::int64_t& from, const std::optional<std::int64_t>& part) {
    const std::int64_t count = std::min(from, std::max<std::int64_t>(part.value_or(0), 0));
    from -= count;
    return count;
  };
  bill.add(take(text, usage.input_audio), price.audio_input);
  bill.add(take(text, usage.input_image), price.image_input ? price.image_input : price.input);
  bill.add(take(text, usage.cached), price.cached ? price.cached : price.input);
  bill.add(take(text, usage.cache_write), price.cache_write ? price.cache_write : price.input);
  bill.add(text, price.input);
  std::int64_t said = *usage.output;
  if (price.audio_output) bill.add(take(said, usage.output_audio), price.audio_output);
  bill.add(said, price.output);
  return true;
}

// The dearer one of two; an unknown price is no price.
std::optional<NanoUsd> dearer(const std::optional<NanoUsd>& a, const std::optional<NanoUsd>& b) {
  if (!a || !b) return a ? a : b;
  return std::max(*a, *b);
}

// The row as it counts for a call with so much input. A part that has no rate of its own above the
// limit costs what input costs there.
Price at_length(const Price& price, std::int64_t input) {
  Price now = price;
  if (!price.above_input_tokens || input <= *price.above_input_tokens) return now;
  now.input = price.input_above;
  now.cached = price.cached_above;
  now.output = price.output_above;
  now.cache_write = dearer(price.cache_write, price.input_above);
  return now;
}

// A tier whose price the table does not tell has none.
std::optional<NanoUsd> tier_factor(const Price& price, const Usage& usage) {
  const std::string_view tier = usage.service_tier ? std::string_view(*usage.service_tier) : "";
  if (tier.empty() || tier == "default" || tier == "auto" || tier == "standard") return kOne;
  if (tier == "flex") return price.flex;
  if (tier == "priority") return price.priority;
  return std::nullopt;
}

// "auto" leaves the choice to the provider's project, which may have bought a dearer tier. So does
// no word at all, but where that matters one is written in (Budgets::name_tier). A cheaper one is
// not counted on: the provider may fall back to the usual one.
NanoUsd dearest_factor(const Price& price, std::string_view tier) {
  if (tier == "default" || tier == "standard" || tier == "flex") return kOne;
  if (price.priority) return std::max(*price.priority, kOne);
  return tier.empty() ? kOne : kTierUnknown;
}

}  // namespace

Result<std::shared_ptr<const Prices>> Prices::load(const Config& config) {
  Price unknown;
  unknown.input = config.price_unknown_input;
  unknown.output = config.price_unknown_output;
  unknown.estimated = true;
  if (config.prices == "builtin") return parse({kBuiltin, sizeof kBuiltin}, unknown);
  std::ifstream file(config.prices, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf()))
    return fail(Code::kUnavailable, "cannot read " + config.prices);
  return parse(text.str(), unknown);
}

Result<std::shared_ptr<const Prices>> Prices::parse(std::string_view json,
                                                    std::optional<Price> unknown) {
  const auto document = JsonValue::parse(json);
  if (!document) return fail(Code::kInvalid, "price table: not JSON");
  const auto version = document->at("version");
  const auto rows = document->at("models");
  if (!version || version->integer() != 1 || !rows || !rows->is_array()) {
    return fail(Code::kInvalid, "price table: needs \"version\": 1 and \"models\": [...]");
  }
  auto prices = std::make_shared<Prices>();
  prices->unknown_ = std::move(unknown);
  JsonMembers members(json);
  JsonMember member;
  while (members.next(member)) {
    if (json_unescape(member.key) != "models") continue;
    for (const std::string_view row : elements(member.value)) {
      auto read = read_price(row);
      if (!read) return std::unexpected(read.error());
      if (!prices->prices_.emplace(std::move(*read)).second) {
        return fail(Code::kInvalid, "price table: a model stands twice");
      }
    }
  }
  return std::shared_ptr<const Prices>(std::move(prices));
}

const Price* Prices::find(std::string_view model) const {
  auto found = prices_.find(model);
  if (found == prices_.end()) found = prices_.find(without_date(model));
  return found == prices_.end() ? nullptr : &found->second;
}

const Price* Prices::find_or_unknown(std::string_view model) const {
  const Price* const price = find(model);
  return price == nullptr && unknown_ ? &*unknown_ : price;
}

std::optional<Cost> Prices::cost(std::string_view model, const Usage& usage) const {
  const Price* const price = find_or_unknown(model);
  if (price == nullptr) return std::nullopt;
  Bill bill;
  if (usage.input || usage.output) {
    if (!add_tokens(bill, at_length(*price, usage.input.value_or(0)), usage)) return std::nullopt;
  } else if (usage.seconds) {
    constexpr std::int64_t kMsPerMinute = 60'000;
    const auto ms = static_cast<std::int64_t>(std::ceil(*usage.seconds * 1000));
    // In millionths of a minute.
    bill.add((ms * Bill::kPerMillion + kMsPerMinute - 1) / kMsPerMinute, price->minute);
  } else if (usage.characters) {
    bill.add(*usage.characters, price->characters);
  } else {
    return std::nullopt;
  }
  const auto factor = tier_factor(*price, usage);
  if (!factor) return std::nullopt;
  const auto total = bill.total(*factor);
  if (!total) return std::nullopt;
  return Cost{*total, price->estimated};
}

std::optional<Cost> Prices::worst_case(std::string_view model, const WorstCase& use) const {
  const Price* const price = find_or_unknown(model);
  if (price == nullptr) return std::nullopt;
  std::optional<NanoUsd> input = dearer(price->input, dearer(price->cached, price->cache_write));
  if (use.other_input) input = dearer(input, dearer(price->audio_input, price->image_input));
  std::optional<NanoUsd> output = price->output;
  if (price->above_input_tokens && use.input > *price->above_input_tokens) {
    input = dearer(input, dearer(price->input_above, price->cached_above));
    output = dearer(output, price->output_above);
  }
  if (use.other_output) output = dearer(output, price->audio_output);
  Bill bill;
  bill.add(use.input, input).add(use.output, output).add(use.characters, price->characters);
  const auto total = bill.total(dearest_factor(*price, use.service_tier));
  if (!total) return std::nullopt;
  return Cost{*total, price->estimated};
}

}  // namespace sallyport::meter
