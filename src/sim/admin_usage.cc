// SPDX-License-Identifier: Apache-2.0
#include "sim/admin_usage.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace sallyport::sim {
namespace {

constexpr std::int64_t kMinuteS = 60;
constexpr std::int64_t kHourS = 3'600;
constexpr std::int64_t kDayS = 86'400;
constexpr std::string_view kPagePrefix = "page_";

// Prices of 2025-08-15, in USD for 1,000,000 tokens; the last line is for every other model.
struct Price {
  std::string_view model;
  double input, output;
};
constexpr Price kPrices[] = {
    {"gpt-4o-mini", 0.15, 0.6},          {"gpt-4o", 2.5, 10.0},
    {"text-embedding-3-small", 0.02, 0}, {"text-embedding-3-large", 0.13, 0},
    {"omni-moderation-latest", 0, 0},    {"", 1.25, 10.0},
};

// How an endpoint's results look: its object's name, the units, and what it may be grouped by.
struct Endpoint {
  std::string_view name, object, units;
  bool tokens;  // all members of completions
  bool input;   // input_tokens alone
};
constexpr Endpoint kEndpoints[] = {
    {"completions", "completions", "", true, false},
    {"embeddings", "embeddings", "", false, true},
    {"moderations", "moderations", "", false, true},
    {"images", "images", "images", false, false},
    {"audio_speeches", "audio_speeches", "characters", false, false},
    {"audio_transcriptions", "audio_transcriptions", "seconds", false, false},
    {"vector_stores", "vector_stores", "usage_bytes", false, false},
    {"code_interpreter_sessions", "code_interpreter_sessions", "num_sessions", false, false},
    {"file_search_calls", "file_searches", "num_requests", false, false},
    {"web_search_calls", "web_searches", "num_requests", false, false},
};

struct Width {
  std::string_view name;
  std::int64_t seconds;
  std::size_t limit, limit_max;
};
constexpr Width kWidths[] = {
    {"1m", kMinuteS, 60, 1'440}, {"1h", kHourS, 24, 168}, {"1d", kDayS, 7, 31}};
constexpr Width kCostWidth = {"1d", kDayS, 7, 180};

// Which buckets one page holds.
struct Buckets {
  std::int64_t width = 0;
  std::int64_t begin = 0;  // of the first bucket of this page
  std::int64_t end = 0;    // behind the last one of this page
  bool more = false;
};

Asked<std::int64_t> page_start(std::string_view page) {
  const auto at = page.starts_with(kPagePrefix) ? base64url_decode(page.substr(kPagePrefix.size()))
                                                : std::nullopt;
  const auto start = at ? parse_uint(*at) : std::nullopt;
  if (start && *start < 253'402'300'800) return static_cast<std::int64_t>(*start);
  return std::unexpected(invalid_value("page", "Invalid 'page'."));
}

Asked<Buckets> buckets_of(const Query& query, const Width& width, std::int64_t now) {
  auto start = query.number("start_time");
  if (!start) return std::unexpected(std::move(start.error()));
  if (!*start) return std::unexpected(missing_parameter("start_time"));
  auto end = query.number("end_time");
  if (!end) return std::unexpected(std::move(end.error()));
  auto limit = query.limit(width.limit, width.limit_max);
  if (!limit) return std::unexpected(std::move(limit.error()));
  const std::int64_t until = end->value_or(now + 1);
  if (*end && until <= **start) {
    return std::unexpected(invalid_value("end_time", "'end_time' must be after 'start_time'."));
  }
  Buckets buckets{.width = width.seconds, .begin = **start / width.seconds * width.seconds};
  if (const auto page = query.one("page")) {
    auto from = page_start(*page);
    if (!from) return std::unexpected(std::move(from.error()));
    if (*from < buckets.begin || *from % width.seconds != 0) {
      return std::unexpected(invalid_value("page", "Invalid 'page'."));
    }
    buckets.begin = *from;
  }
  const std::int64_t all = (until + width.seconds - 1) / width.seconds * width.seconds;
  buckets.end = buckets.begin + static_cast<std::int64_t>(*limit) * width.seconds;
  buckets.more = buckets.end < all;
  buckets.end = std::max(buckets.begin, std::min(buckets.end, all));
  return buckets;
}

// What results are told apart by; other members are null.
struct Grouping {
  bool project = false, user = false, key = false, model = false, batch = false, tier = false;
  bool line_item = false;
};

Asked<Grouping> grouping_of(const Query& query, bool costs) {
  Grouping grouping;
  const struct {
    std::string_view name;
    bool Grouping::* flag;
    bool in_usage, in_costs;
  } kNames[] = {{"project_id", &Grouping::project, true, true},
                {"user_id", &Grouping::user, true, false},
                {"api_key_id", &Grouping::key, true, true},
                {"model", &Grouping::model, true, false},
                {"batch", &Grouping::batch, true, false},
                {"service_tier", &Grouping::tier, true, false},
                {"line_item", &Grouping::line_item, false, true}};
  for (const std::string_view asked : query.all("group_by")) {
    bool known = false;
    for (const auto& name : kNames) {
      if (asked != name.name || !(costs ? name.in_costs : name.in_usage)) continue;
      grouping.*name.flag = true;
      known = true;
    }
    if (!known) {
      return std::unexpected(
          invalid_value("group_by", "Invalid 'group_by': '" + std::string(asked) + "'."));
    }
  }
  return grouping;
}

struct UsageFilter {
  explicit UsageFilter(const Query& query)
      : projects(query.all("project_ids")),
        users(query.all("user_ids")),
        keys(query.all("api_key_ids")),
        models(query.all("models")),
        batch_only(query.one("batch") == "true") {}

  bool takes(const UsageKey& line) const {
    return !batch_only && (projects.empty() || holds(projects, line.project)) &&
           (users.empty() || holds(users, line.user)) &&
           (keys.empty() || holds(keys, line.key_id)) &&
           (models.empty() || holds(models, line.model));
  }

  std::vector<std::string_view> projects, users, keys, models;
  bool batch_only;  // there is no batch traffic here
};

void write_or_null(JsonWriter& json, std::string_view name, bool grouped, std::string_view value) {
  json.key(name);
  if (grouped && !value.empty()) {
    json.value(value);
  } else {
    json.null();
  }
}

void write_result(JsonWriter& json, const Endpoint& endpoint, const Grouping& grouping,
                  const UsageKey& group, const UsageSums& sums) {
  json.begin_object();
  json.field("object", "organization.usage." + std::string(endpoint.object) + ".result");
  if (endpoint.tokens) {
    json.field("input_tokens", sums.input).field("input_cached_tokens", sums.cached);
    json.field("input_cache_write_tokens", 0);
    json.field("input_uncached_tokens", sums.input - sums.cached);
    json.field("output_tokens", sums.output).field("input_text_tokens", sums.input);
    json.field("output_text_tokens", sums.output).field("input_audio_tokens", 0);
    json.field("output_audio_tokens", 0).field("input_image_tokens", 0);
    json.field("output_image_tokens", 0);
  } else if (endpoint.input) {
    json.field("input_tokens", sums.input);
  } else {
    json.field(endpoint.units, sums.units);
  }
  json.field("num_model_requests", sums.requests);
  write_or_null(json, "project_id", grouping.project, group.project);
  write_or_null(json, "user_id", grouping.user, group.user);
  write_or_null(json, "api_key_id", grouping.key, group.key_id);
  write_or_null(json, "model", grouping.model, group.model);
  if (endpoint.name == "images") {
    json.key("source").null().key("size").null();
  }
  if (endpoint.tokens) {
    json.key("batch");
    if (grouping.batch) {
      json.value(false);
    } else {
      json.null();
    }
    write_or_null(json, "service_tier", grouping.tier, "default");
  }
  json.end_object();
}

void write_bucket_start(JsonWriter& json, std::int64_t start, std::int64_t width) {
  json.begin_object().field("object", "bucket").field("start_time", start);
  json.field("end_time", start + width).key("results").begin_array();
}

void write_next_page(JsonWriter& json, const Buckets& buckets) {
  json.field("has_more", buckets.more).key("next_page");
  if (buckets.more) {
    json.value(std::string(kPagePrefix) + base64url_encode(std::to_string(buckets.end)));
  } else {
    json.null();
  }
}

}  // namespace

UsageSums& UsageSums::operator+=(const UsageSums& other) {
  input += other.input;
  output += other.output;
  cached += other.cached;
  units += other.units;
  requests += other.requests;
  return *this;
}

UsageLedger::UsageLedger(const SimOptions& options)
    : lag_polls(options.usage_lag_polls),
      input_usd_per_million_(options.input_usd_per_million),
      output_usd_per_million_(options.output_usd_per_million) {}

UsageKey UsageLedger::key_of(std::int64_t at_s, const Caller& caller, std::string_view endpoint,
                             std::string_view model) const {
  return {.minute_s = at_s / kMinuteS * kMinuteS,
          .endpoint = std::string(endpoint),
          .key_id = caller.key_id,
          .project = caller.project,
          .user = caller.user,
          .model = std::string(model),
          .visible_from = lag_polls == 0 ? 0 : polls_ + lag_polls};
}

void UsageLedger::put(UsageKey key, const UsageSums& sums) {
  lines_[std::move(key)] += sums;
  if (lines_.size() > kLinesMax) lines_.erase(lines_.begin());
}

namespace {
UsageSums sums_of(const Bill& bill) {
  return {.input = bill.input, .output = bill.output, .units = bill.units, .requests = 1};
}
}  // namespace

// Two a call: calls that ended leave the queue faster than new ones come.
void UsageLedger::fold() {
  for (int i = 0; i < 2 && !open_.empty(); ++i) {
    Open first = std::move(open_.front());
    open_.pop_front();
    if (first.bill.use_count() > 1) {
      open_.push_back(std::move(first));
    } else {
      put(std::move(first.key), sums_of(*first.bill));
    }
  }
}

void UsageLedger::charge(std::int64_t at_s, const Caller& caller, std::string_view model,
                         std::shared_ptr<const Bill> bill) {
  fold();
  UsageKey key = key_of(at_s, caller, bill->endpoint, model);
  open_.push_back({.key = std::move(key), .bill = std::move(bill)});
}

void UsageLedger::add(std::int64_t at_s, const Caller& caller, std::string_view endpoint,
                      std::string_view model, const UsageSums& sums) {
  put(key_of(at_s, caller, endpoint, model), sums);
}

std::vector<std::pair<UsageKey, UsageSums>> UsageLedger::lines(std::int64_t from,
                                                               std::int64_t to) const {
  std::vector<std::pair<UsageKey, UsageSums>> found;
  const auto takes = [&](const UsageKey& key) {
    return key.minute_s >= from && key.minute_s < to && key.visible_from <= polls_;
  };
  for (auto at = lines_.lower_bound({.minute_s = from}); at != lines_.end(); ++at) {
    if (at->first.minute_s >= to) break;
    if (takes(at->first)) found.emplace_back(*at);
  }
  for (const Open& open : open_) {
    if (takes(open.key)) found.emplace_back(open.key, sums_of(*open.bill));
  }
  return found;
}

Answer UsageLedger::usage(std::string_view endpoint, const Query& query, std::int64_t now) {
  const auto* shape = std::ranges::find(kEndpoints, endpoint, &Endpoint::name);
  if (shape == std::end(kEndpoints)) return no_such("usage endpoint", endpoint);
  const std::string_view asked = query.one("bucket_width").value_or("1d");
  const auto* width = std::ranges::find(kWidths, asked, &Width::name);
  if (width == std::end(kWidths)) {
    return invalid_value("bucket_width", "Invalid 'bucket_width': expected 1m, 1h or 1d.");
  }
  auto buckets = buckets_of(query, *width, now);
  if (!buckets) return std::move(buckets.error());
  auto grouping = grouping_of(query, false);
  if (!grouping) return std::move(grouping.error());
  const UsageFilter filter(query);

  std::map<std::int64_t, std::map<UsageKey, UsageSums>> groups;
  for (const auto& [key, sums] : lines(buckets->begin, buckets->end)) {
    if (key.endpoint != endpoint || !filter.takes(key)) continue;
    const UsageKey group{.key_id = grouping->key ? key.key_id : "",
                         .project = grouping->project ? key.project : "",
                         .user = grouping->user ? key.user : "",
                         .model = grouping->model ? key.model : ""};
    groups[key.minute_s / buckets->width * buckets->width][group] += sums;
  }
  if (!query.one("page")) ++polls_;

  Answer answer;
  JsonWriter json(answer.body);
  json.begin_object().field("object", "page").key("data").begin_array();
  for (std::int64_t at = buckets->begin; at < buckets->end; at += buckets->width) {
    write_bucket_start(json, at, buckets->width);
    for (const auto& [group, sums] : groups[at]) {
      write_result(json, *shape, *grouping, group, sums);
    }
    json.end_array().end_object();
  }
  json.end_array();
  write_next_page(json, *buckets);
  json.end_object();
  return answer;
}

double UsageLedger::input_usd(std::string_view model) const {
  if (input_usd_per_million_ >= 0) return input_usd_per_million_;
  const auto* found = std::ranges::find(kPrices, model, &Price::model);
  return (found == std::end(kPrices) ? std::end(kPrices) - 1 : found)->input;
}

double UsageLedger::output_usd(std::string_view model) const {
  if (output_usd_per_million_ >= 0) return output_usd_per_million_;
  const auto* found = std::ranges::find(kPrices, model, &Price::model);
  return (found == std::end(kPrices) ? std::end(kPrices) - 1 : found)->output;
}

// Tokens alone cost something here: pictures and sound are free.
Answer UsageLedger::costs(const Query& query, std::int64_t now) {
  if (query.one("bucket_width").value_or("1d") != "1d") {
    return invalid_value("bucket_width", "Invalid 'bucket_width': expected 1d.");
  }
  auto buckets = buckets_of(query, kCostWidth, now);
  if (!buckets) return std::move(buckets.error());
  auto grouping = grouping_of(query, true);
  if (!grouping) return std::move(grouping.error());
  const UsageFilter filter(query);

  struct Cost {
    double usd = 0;
    std::int64_t tokens = 0;
  };
  std::map<std::int64_t, std::map<std::array<std::string, 3>, Cost>> days;
  for (const auto& [key, sums] : lines(buckets->begin, buckets->end)) {
    if (!filter.takes(key)) continue;
    const struct {
      std::string_view item;
      std::int64_t tokens;
      double usd;
    } parts[] = {{", input", sums.input, input_usd(key.model)},
                 {", output", sums.output, output_usd(key.model)}};
    for (const auto& part : parts) {
      if (part.tokens == 0) continue;
      const std::string item = key.model + std::string(part.item);
      Cost& cost = days[key.minute_s / kDayS * kDayS]
                       [{grouping->line_item ? item : "", grouping->project ? key.project : "",
                         grouping->key ? key.key_id : ""}];
      cost.usd += static_cast<double>(part.tokens) * part.usd / 1e6;
      cost.tokens += part.tokens;
    }
  }
  if (!query.one("page")) ++polls_;

  Answer answer;
  JsonWriter json(answer.body);
  json.begin_object().field("object", "page").key("data").begin_array();
  for (std::int64_t at = buckets->begin; at < buckets->end; at += kDayS) {
    write_bucket_start(json, at, kDayS);
    for (const auto& [group, cost] : days[at]) {
      json.begin_object().field("object", "organization.costs.result");
      json.key("amount").begin_object().field("value", cost.usd).field("currency", "usd");
      json.end_object();
      write_or_null(json, "line_item", true, group[0]);
      write_or_null(json, "project_id", true, group[1]);
      write_or_null(json, "api_key_id", true, group[2]);
      json.key("quantity");
      if (grouping->line_item) {
        json.value(cost.tokens).field("quantity_unit", "tokens");
      } else {
        json.null().key("quantity_unit").null();
      }
      json.end_object();
    }
    json.end_array().end_object();
  }
  json.end_array();
  write_next_page(json, *buckets);
  json.end_object();
  return answer;
}

}  // namespace sallyport::sim
