// SPDX-License-Identifier: Apache-2.0
#include "audit/query.h"

#include <algorithm>
#include <utility>

#include "audit/line.h"
#include "base/ip_address.h"
#include "base/json_writer.h"
#include "base/text.h"

namespace sallyport::audit {
namespace {

// "200" is one status, "4xx" a class of a hundred.
struct StatusRange {
  int from = 0;
  int to = 0;
  bool open = false;
};

std::optional<StatusRange> parse_status(std::string_view text) {
  if (text == "open") return StatusRange{.open = true};
  if (text.size() != 3 || text[0] < '1' || text[0] > '5') return std::nullopt;
  if (lower_ascii(text.substr(1)) == "xx") {
    const int from = (text[0] - '0') * 100;
    return StatusRange{.from = from, .to = from + 99};
  }
  const auto status = parse_uint(text);
  if (!status) return std::nullopt;
  return StatusRange{.from = static_cast<int>(*status), .to = static_cast<int>(*status)};
}

// A question that was understood.
class Filter {
 public:
  static Result<Filter> make(const QuerySpec& spec) {
    Filter filter(spec);
    if (spec.status) {
      filter.status_ = parse_status(*spec.status);
      if (!filter.status_) return fail(Code::kInvalid, "status: 100 to 599, 4xx or open");
    }
    if (spec.ip) {
      filter.range_ = Cidr::parse(*spec.ip);
      if (!filter.range_) return fail(Code::kInvalid, "ip: not an address or range");
    }
    if (spec.model && spec.model->ends_with('*')) filter.model_prefix_ = true;
    if (spec.key) append_json_string(filter.quoted_key_, *spec.key);
    return filter;
  }

  // Before the line is read as JSON: false when it cannot match.
  bool may_match(std::string_view line, const OpenIntents& open) const {
    const std::string_view kind = line_kind(line);
    const std::string_view id = line_request_id(line);
    if (spec_.request_id && id != *spec_.request_id) return false;
    const bool is_open = kind == "intent" && open.contains(id);
    if (kind == "intent" && spec_.kind != Kind::kIntent && !is_open) return false;
    // Who asks for requests asks for those in flight too.
    const bool counts_as_request = is_open && spec_.kind == Kind::kRequest;
    if (spec_.kind && kind != name(*spec_.kind) && !counts_as_request) return false;
    // A name of more than 256 bytes is cut in the line; such a key does not exist.
    return quoted_key_.empty() || line.contains(quoted_key_);
  }

  bool matches(const Event& event, const OpenIntents& open) const {
    if (spec_.period.since && event.timestamp_utc < *spec_.period.since) return false;
    if (spec_.period.until && event.timestamp_utc >= *spec_.period.until) return false;
    if (spec_.key && event.api_key_id != spec_.key && event.kid != spec_.key &&
        event.claimed_kid != spec_.key) {
      return false;
    }
    if (spec_.kid && event.kid != spec_.kid && event.claimed_kid != spec_.kid) return false;
    return matches_status(event, open) && matches_ip(event) && matches_endpoint(event) &&
           matches_model(event) &&
           std::ranges::all_of(spec_.conditions,
                               [&](const Condition& condition) { return condition.holds(event); });
  }

 private:
  explicit Filter(const QuerySpec& spec) : spec_(spec) {}

  bool matches_status(const Event& event, const OpenIntents& open) const {
    if (!status_) return true;
    // An open intent has no status yet; it may become any.
    if (event.kind == Kind::kIntent && open.contains(event.request_id)) return true;
    if (status_->open) return false;
    return event.status && *event.status >= status_->from && *event.status <= status_->to;
  }
  bool matches_ip(const Event& event) const {
    if (!range_) return true;
    const auto address = IpAddress::parse(event.ip);
    return address && range_->contains(*address);
  }
  bool matches_endpoint(const Event& event) const {
    if (!spec_.endpoint) return true;
    const std::string_view endpoint = event.endpoint;
    if (endpoint.starts_with(*spec_.endpoint)) return true;
    const std::size_t blank = endpoint.find(' ');
    return blank != std::string_view::npos &&
           endpoint.substr(blank + 1).starts_with(*spec_.endpoint);
  }
  bool matches_model(const Event& event) const {
    if (!spec_.model) return true;
    if (!event.model) return false;
    if (!model_prefix_) return *event.model == *spec_.model;
    return event.model->starts_with(
        std::string_view(*spec_.model).substr(0, spec_.model->size() - 1));
  }

  const QuerySpec& spec_;  // outlives the filter
  std::optional<StatusRange> status_;
  std::optional<Cidr> range_;
  bool model_prefix_ = false;
  std::string quoted_key_;
};

bool is_sealed(const Sealer* sealer, std::string_view line) {
  return sealer != nullptr && line.contains(kSealedMark);
}
void open_fields(Sealer* sealer, Event& event) {
  if (sealer != nullptr) sealer->open(event);
}

}  // namespace

Result<QueryAnswer> query(FileSystem& files, const QuerySpec& spec, const EachMatch& each) {
  if (spec.conditions.size() > kConditionsMax) return fail(Code::kInvalid, "too many conditions");
  const Result<Filter> filter = Filter::make(spec);
  if (!filter) return std::unexpected(filter.error());
  const Result<Reader> reader = Reader::open(files, spec.journal);
  if (!reader) return std::unexpected(reader.error());

  QueryAnswer answer;
  answer.end_seq = reader->end_seq();
  const Result<void> read = reader->each(spec.order, spec.period, [&](const Record& record) {
    ++answer.read;
    if (!filter->may_match(record.line, reader->open_intents())) return true;
    Result<Event> event = parse_event(record.line);
    if (event) open_fields(spec.sealer, *event);
    if (!event || !filter->matches(*event, reader->open_intents())) return true;
    if (spec.limit != 0 && answer.matched == spec.limit) {
      answer.more = true;
      return false;
    }
    ++answer.matched;
    if (!is_sealed(spec.sealer, record.line)) return each(*event, record.line);
    std::string opened;
    append_event(opened, *event);
    return each(*event, opened);
  });
  if (!read) return std::unexpected(read.error());
  return answer;
}

Result<QueryAnswer> query(const QuerySpec& spec, const EachMatch& each) {
  PosixFileSystem files;
  return query(files, spec, each);
}

}  // namespace sallyport::audit
