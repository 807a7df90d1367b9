// SPDX-License-Identifier: Apache-2.0
// sinks list, test, replay and resume. All ask the running server, where the sinks live.
#include "cli/sinks_commands.h"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <ostream>

#include "base/text.h"
#include "cli/server_ask.h"

namespace sallyport::cli {
namespace {

constexpr std::string_view kSinks = "/admin/v1/sinks";
constexpr int kTestPatienceS = 45;  // longer than the server waits for the receiver

std::string age(std::int64_t ms) {
  if (ms < 1'000) return "0s";
  if (ms < 120'000) return std::to_string(ms / 1'000) + "s";
  if (ms < 7'200'000) return std::to_string(ms / 60'000) + "m";
  return std::to_string(ms / 3'600'000) + "h";
}

int post(const Invocation& call, std::string_view act, std::string_view body) {
  int code = kOk;
  const std::string target =
      std::string(kSinks) + "/" + call.value("sink") + "/" + std::string(act);
  const auto answer = ask_server(call, "POST", target, body, code, kTestPatienceS);
  if (!answer) return code;
  if (call.json) {
    print_json(call, *answer);
  } else if (!call.quiet) {
    const std::string verdict = text_of(*answer, "verdict");
    call.out << call.value("sink") << ": " << (verdict.empty() ? "goes on" : verdict) << "\n";
  }
  return kOk;
}

}  // namespace

int sinks_list(const Invocation& call, const Programs&) {
  int code = kOk;
  const auto list = ask_server(call, "GET", std::string(kSinks), "", code);
  if (!list) return code;
  if (call.json) {
    print_json(call, *list);
    return kOk;
  }
  fmt::print(call.out, "{:<20} {:<14} {:<8} {:>10} {:>6} {:>12} {:>6}  {}\n", "SINK", "TYPE",
             "STATE", "BEHIND", "LAG", "SENT", "DEAD", "WHY");
  const auto data = list->at("data");
  for (const JsonValue& item : data ? data->items() : std::vector<JsonValue>()) {
    fmt::print(call.out, "{:<20} {:<14} {:<8} {:>10} {:>6} {:>12} {:>6}  {}\n",
               text_of(item, "name"), text_of(item, "type"), text_of(item, "state"),
               number_of(item, "behind"), age(number_of(item, "lag_ms")), number_of(item, "sent"),
               number_of(item, "dead"), text_of(item, "why"));
  }
  return kOk;
}

int sinks_test(const Invocation& call, const Programs&) { return post(call, "test", ""); }

int sinks_replay(const Invocation& call, const Programs&) {
  const auto from = parse_uint(call.value("from"));
  if (!from || *from == 0) {
    return complain(call, kUsage, "usage", "--from needs the number of a record",
                    "sallyport audit query shows it as seq");
  }
  return post(call, "replay", "{\"from_seq\":" + std::to_string(*from) + "}");
}

int sinks_resume(const Invocation& call, const Programs&) { return post(call, "resume", ""); }

std::vector<Command> sinks_commands() {
  const Argument sink = {"sink", "Name of the sink, as notify has it."};
  return {
      {.path = "sinks list",
       .summary = "List the receivers of records, how far each is and what it waits for.",
       .run = sinks_list},
      {.path = "sinks test",
       .summary = "Send one record that says it is a test, and tell what the receiver answered.",
       .arguments = {sink},
       .run = sinks_test},
      {.path = "sinks replay",
       .summary = "Send records again, from one on; each keeps its id.",
       .arguments = {sink},
       .options = {{"from", "SEQ", "The first record to send."}},
       .examples = {{"sallyport sinks replay siem --from 4711", ""}},
       .run = sinks_replay},
      {.path = "sinks resume",
       .summary = "Let a sink that stopped go on where it was.",
       .arguments = {sink},
       .run = sinks_resume},
  };
}

}  // namespace sallyport::cli
