// SPDX-License-Identifier: Apache-2.0
// upstream list, rotate, jwks and usage reconcile. All but jwks ask the running server: what they
// are about lives in it.
#include "cli/upstream_commands.h"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <chrono>
#include <ostream>
#include <thread>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "cli/server_ask.h"
#include "config/load.h"
#include "provider/identity_key.h"

namespace sallyport::cli {
namespace {

constexpr std::string_view kUpstreams = "/admin/v1/upstreams";
constexpr std::string_view kReconciliation = "/admin/v1/usage/reconciliation";
constexpr std::chrono::milliseconds kLookEvery{300};
constexpr std::chrono::milliseconds kDrainMax = std::chrono::hours(24);  // of the admin API

std::optional<JsonValue> find(const JsonValue& list, std::string_view upstream) {
  const auto data = list.at("data");
  if (!data) return std::nullopt;
  for (const JsonValue& item : data->items()) {
    if (text_of(item, "upstream") == upstream) return item;
  }
  return std::nullopt;
}

// Its name, or that of the only one that can be renewed.
std::string choose(const JsonValue& list, const std::string& named) {
  if (!named.empty()) return named;
  std::string only;
  const auto data = list.at("data");
  if (!data) return {};
  for (const JsonValue& item : data->items()) {
    if (text_of(item, "mode") == "static") continue;
    if (!only.empty()) return {};
    only = text_of(item, "upstream");
  }
  return only;
}

void print_step(const Invocation& call, const JsonValue& step) {
  const auto ok = step.at("ok");
  const bool good = ok && ok->boolean() == true;
  fmt::print(call.out, "{:<8} {:>6} ms  {}{}\n", text_of(step, "name"), number_of(step, "took_ms"),
             good ? "ok" : "failed: ", text_of(step, "reason"));
}

// Tells the steps as they are done; the rotation as it ended.
std::optional<JsonValue> follow(const Invocation& call, const std::string& upstream, int& code) {
  std::size_t told = 0;
  for (;;) {
    const auto list = ask_server(call, "GET", std::string(kUpstreams), "", code);
    if (!list) return std::nullopt;
    const auto at = find(*list, upstream);
    const auto rotation = at ? at->at("rotation") : std::nullopt;
    if (!rotation || rotation->is_null()) {
      code = complain(call, kFailed, "unexpected_answer", "the answer cannot be read");
      return std::nullopt;
    }
    const auto steps = rotation->at("steps");
    const std::vector<JsonValue> done = steps ? steps->items() : std::vector<JsonValue>();
    for (; told < done.size(); ++told) {
      if (!call.json && !call.quiet) print_step(call, done[told]);
    }
    call.out.flush();
    if (text_of(*rotation, "state") != "running") return rotation;
    std::this_thread::sleep_for(kLookEvery);
  }
}

}  // namespace

int upstream_list(const Invocation& call, const Programs&) {
  int code = kOk;
  const auto list = ask_server(call, "GET", std::string(kUpstreams), "", code);
  if (!list) return code;
  if (call.json) {
    print_json(call, *list);
    return kOk;
  }
  fmt::print(call.out, "{:<16} {:<18} {:<28} {:<25} {}\n", "UPSTREAM", "MODE", "KEY", "RENEWED AT",
             "TO DELETE");
  const auto data = list->at("data");
  for (const JsonValue& item : data ? data->items() : std::vector<JsonValue>()) {
    const std::string key = text_of(item, "provider_key_id"), renew = text_of(item, "renew_at");
    fmt::print(call.out, "{:<16} {:<18} {:<28} {:<25} {}\n", text_of(item, "upstream"),
               text_of(item, "mode"), key.empty() ? "-" : key, renew.empty() ? "-" : renew,
               number_of(item, "pending_deletions"));
  }
  return kOk;
}

int upstream_rotate(const Invocation& call, const Programs&) {
  int code = kOk;
  const auto list = ask_server(call, "GET", std::string(kUpstreams), "", code);
  if (!list) return code;
  const std::string upstream = choose(*list, call.value("name"));
  if (upstream.empty()) {
    return complain(call, kUsage, "usage", "name the upstream: there is not exactly one lease",
                    "sallyport upstream list");
  }
  if (!find(*list, upstream)) {
    return complain(call, kNotFound, "upstream_not_found", "there is no such upstream",
                    "sallyport upstream list");
  }
  std::string body;
  if (call.has("drain")) {
    const auto drain = parse_duration(call.value("drain"));
    if (!drain || *drain > kDrainMax) {
      return complain(call, kUsage, "usage", "--drain must be between 0s and 24h, such as 10m");
    }
    JsonWriter(body).begin_object().field("drain", call.value("drain")).end_object();
  }
  const std::string target = std::string(kUpstreams) + "/" + upstream + "/rotate";
  const auto begun = ask_server(call, "POST", target, body, code);
  if (!begun) return code;
  if (call.has("no-wait")) {
    if (call.json) print_json(call, *begun);
    if (!call.json && !call.quiet) {
      fmt::print(call.out,
                 "{}: the renewal of {} has begun; how it goes:  sallyport upstream list --json\n",
                 upstream, text_of(*begun, "provider_key_id"));
    }
    return kOk;
  }
  const auto rotation = follow(call, upstream, code);
  if (!rotation) return code;
  const bool done = text_of(*rotation, "state") == "done";
  if (call.json) {
    print_json(call, *rotation);
  } else if (done) {
    const auto death = rotation->at("time_to_death_ms");
    const auto ms = death ? death->integer() : std::nullopt;
    fmt::print(call.out, "{} replaces {}{}\n", text_of(*rotation, "new_key_id"),
               text_of(*rotation, "old_key_id"),
               ms ? fmt::format("; dead {} ms after its deletion", *ms) : std::string());
    const auto earlier = rotation->at("earlier");
    for (const JsonValue& key : earlier ? earlier->items() : std::vector<JsonValue>()) {
      fmt::print(call.out, "{}, replaced before, is dead as well\n",
                 text_of(key, "provider_key_id"));
    }
  }
  if (done) return kOk;
  return call.json ? static_cast<int>(kFailed)
                   : complain(call, kFailed, "rotation_failed",
                              "the rotation failed; the credential before stays in use");
}

int upstream_jwks(const Invocation& call, const Programs&) {
  const auto loaded = load_quietly(call);
  if (!loaded) return kUsage;
  for (const upstream::UpstreamConfig& one : loaded->config.upstream.upstreams) {
    if (one.lease.mode != "workload_identity") continue;
    if (call.has("name") && call.value("name") != one.name) continue;
    const auto key = provider::IdentityKey::open(one.lease.key_file.value_or(""));
    if (!key) return complain(call, key.error());
    call.out << (*key)->jwks() << "\n";
    return kOk;
  }
  return complain(call, kNotFound, "upstream_not_found",
                  "no such upstream has lease.mode workload_identity");
}

int usage_reconcile(const Invocation& call, const Programs&) {
  std::string target(kReconciliation);
  for (const char* option : {"from", "to"}) {
    if (!call.has(option)) continue;
    const auto time = parse_utc(call.value(option));
    if (!time) {
      return complain(call, kUsage, "usage", std::string("--") + option + " is no time",
                      "2026-01-31T08:00:00Z");
    }
    target += (target.contains('?') ? "&" : "?") + std::string(option) + "=" + format_utc(*time);
  }
  int code = kOk;
  const auto table = ask_server(call, "GET", target, "", code);
  if (!table) return code;
  const auto bypass = table->at("bypass");
  code = bypass && bypass->boolean() == true ? kFinding : kOk;
  if (call.json) {
    print_json(call, *table);
    return code;
  }
  const std::string from = text_of(*table, "from"), to = text_of(*table, "to");
  if (from == to) {
    call.out << "nothing can be compared yet: the last whole minutes are too young\n";
    return code;
  }
  fmt::print(call.out, "{} to {}\n", from, to);
  fmt::print(call.out, "{:<28} {:>14} {:>14} {:>12} {:>14}  {}\n", "PROVIDER KEY", "THEIR TOKENS",
             "OUR TOKENS", "EXCESS", "UNCERTAIN", "VERDICT");
  const auto data = table->at("data");
  for (const JsonValue& row : data ? data->items() : std::vector<JsonValue>()) {
    const auto theirs = row.at("provider"), ours = row.at("gate"), most = row.at("uncertain");
    if (!theirs || !ours || !most) continue;
    const std::string key = text_of(row, "provider_key_id");
    fmt::print(call.out, "{:<28} {:>14} {:>14} {:>12} {:>14}  {}\n", key.empty() ? "(none)" : key,
               number_of(*theirs, "input") + number_of(*theirs, "output"),
               number_of(*ours, "input") + number_of(*ours, "output"),
               number_of(row, "excess_tokens"), number_of(*most, "tokens_max"),
               text_of(row, "verdict"));
  }
  return code;
}

std::vector<Command> upstream_commands() {
  const Argument name = {"name", "The upstream; the only one with a lease when left out.", false};
  return {
      {.path = "upstream list",
       .summary = "List upstreams, the credential each shows, and when it is renewed.",
       .run = upstream_list},
      {.path = "upstream rotate",
       .summary = "Replace an upstream's credential now and prove the old one dead.",
       .arguments = {name},
       .options = {{"drain", "DURATION",
                    "How long streams may keep the old one; 0s in an incident. lease.drain when "
                    "left out."},
                   {"no-wait", "", "Begin only; `upstream list --json` tells how it goes."}},
       .examples = {{"sallyport upstream rotate openai --drain 0s", "a key has leaked"}},
       .run = upstream_rotate},
      {.path = "upstream jwks",
       .summary =
           "Print the public key of lease.mode workload_identity, for upload at the provider.",
       .arguments = {name},
       .run = upstream_jwks},
      {.path = "usage reconcile",
       .summary = "Compare the provider's usage with ours; exit 3 tells of a bypass.",
       .options = {{"from", "TIME",
                    "Not before; the last hour that may be compared when left out."},
                   {"to", "TIME", "Before this time."}},
       .examples = {{"sallyport usage reconcile --json", "for a script"}},
       .run = usage_reconcile},
  };
}

}  // namespace sallyport::cli
