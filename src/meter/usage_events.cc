// SPDX-License-Identifier: Apache-2.0
#include "meter/usage_events.h"

#include <string>
#include <utility>

#include "base/json_reader.h"
#include "meter/usage.h"
#include "meter/usage_tail.h"

namespace sallyport::meter {
namespace {

constexpr std::string_view kUsage = "\"usage\"";

bool blank(char c) { return c == ' ' || c == '\t'; }

// The bytes of `member` with the comma that goes with it, as offset and length in `object`.
std::pair<std::size_t, std::size_t> member_span(std::string_view object, const JsonMember& member) {
  std::size_t begin = member.key_offset;
  std::size_t end = member.value_offset + member.value.size();
  std::size_t before = begin;
  while (before > 0 && blank(object[before - 1])) --before;
  if (before > 0 && object[before - 1] == ',') return {before - 1, end - (before - 1)};
  while (end < object.size() && blank(object[end])) ++end;
  if (end < object.size() && object[end] == ',') ++end;
  return {begin, end - begin};
}

class UsageEvents final : public EventFilter {
 public:
  explicit UsageEvents(Exchange& x) : x_(x) {}

  void event(const net::SseEvent& event, EventSink& next) override {
    if (event.partial) {
      pass(event);
      next.event(event);
      return;
    }
    // Most chunks do not speak of usage: they pass after one search.
    if (event.data.find(kUsage) == std::string_view::npos || !check_json(event.data)) {
      next.event(event);
      return;
    }
    look(event.data);
    if (!x_.usage_injected) {
      next.event(event);
      return;
    }
    take_out(event, next);
  }

 private:
  // An event that is too large to hold, such as a finished picture, has its usage read as it goes
  // by. Its data is one line behind the first "data:"; a type and comments may stand before it.
  void pass(const net::SseEvent& event) {
    std::string_view bytes = event.raw;
    if (!in_large_) {
      large_ = UsageTail();
      const std::size_t data = bytes.find("data:");
      if (data == std::string_view::npos) return;  // broken off before its data: not worth a guess
      bytes.remove_prefix(data + 5);
      in_large_ = true;
    }
    large_.feed(bytes);
    if (!event.last) return;
    in_large_ = false;
    auto usage = read_usage(large_.value("usage"));
    if (!usage) return;
    x_.usage = std::move(usage);
    x_.usage->model = json_string(large_.value("model"));
    x_.usage->service_tier = json_string(large_.value("service_tier"));
  }

  // Usage stands at the top (chat, images, audio) or in the response that is complete.
  void look(std::string_view data) {
    JsonMembers members(data);
    JsonMember member;
    while (members.next(member)) {
      if (member.key == "usage" && member.value.starts_with('{')) keep(member.value);
      if (member.key == "model") model_ = json_string(member.value);
      if (member.key == "service_tier") tier_ = json_string(member.value);
      if (member.key == "response" && member.value.starts_with('{')) look(member.value);
    }
    if (!x_.usage) return;
    if (model_) x_.usage->model = model_;
    if (tier_) x_.usage->service_tier = tier_;
  }

  void keep(std::string_view json) {
    auto usage = read_usage(json);
    if (usage) x_.usage = std::move(usage);
  }

  void take_out(const net::SseEvent& event, EventSink& next) {
    bool no_choices = false;
    std::optional<JsonMember> usage;
    JsonMembers members(event.data);
    JsonMember member;
    while (members.next(member)) {
      if (member.key == "choices") no_choices = member.value == "[]";
      if (member.key == "usage") usage = member;
    }
    const bool figures = usage && usage->value.starts_with('{');
    if (figures && no_choices) return;  // the extra chunk
    const bool in_place = event.data.data() >= event.raw.data() &&
                          event.data.data() < event.raw.data() + event.raw.size();
    if (!usage || !in_place) {
      next.event(event);
      return;
    }
    const auto [offset, length] = member_span(event.data, *usage);
    const auto data_at = static_cast<std::size_t>(event.data.data() - event.raw.data());
    std::string raw(event.raw);
    raw.erase(data_at + offset, length);
    net::SseEvent edited = event;
    edited.raw = raw;
    edited.data = std::string_view(raw).substr(data_at, event.data.size() - length);
    next.event(edited);
  }

  Exchange& x_;
  std::optional<std::string> model_;
  std::optional<std::string> tier_;
  UsageTail large_;
  bool in_large_ = false;
};

}  // namespace

std::unique_ptr<EventFilter> usage_events(Exchange& x) { return std::make_unique<UsageEvents>(x); }

}  // namespace sallyport::meter
