// SPDX-License-Identifier: Apache-2.0
// Questions to the journal. They read the files beside the running server, which notices nothing.
#include <fmt/format.h>
#include <unistd.h>

#include <optional>
#include <ostream>
#include <utility>

#include "audit/query.h"
#include "audit/verify.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "base/text.h"
#include "cli/audit_options.h"
#include "cli/commands.h"
#include "cli/sealing.h"

namespace sallyport::cli {
namespace {

// The journal's folder; nothing when the configuration is wrong, which was told.
std::optional<std::string> journal_of(const Invocation& call) {
  auto config = config_of(call);
  return config ? std::optional(std::move(config->audit.path)) : std::nullopt;
}

Result<audit::QuerySpec> spec_of(const Invocation& call, std::string journal) {
  audit::QuerySpec spec;
  spec.journal = std::move(journal);
  for (const auto& [option, into] :
       {std::pair{"key", &spec.key}, std::pair{"ip", &spec.ip}, std::pair{"status", &spec.status},
        std::pair{"endpoint", &spec.endpoint}, std::pair{"model", &spec.model},
        std::pair{"request-id", &spec.request_id}}) {
    if (call.has(option)) *into = call.value(option);
  }
  if (call.has("kind")) {
    spec.kind = parse_kind(call.value("kind"));
    if (!spec.kind) return fail(Code::kInvalid, "--kind is none of the kinds of docs/events.md");
  }
  if (call.has("limit")) {
    const auto limit = parse_uint(call.value("limit"));
    if (!limit) return fail(Code::kInvalid, "--limit must be a number");
    spec.limit = static_cast<std::size_t>(*limit);
  }
  if (call.has("oldest-first")) spec.order = audit::Order::kOldestFirst;
  if (const auto period = read_period(call, spec.period); !period) {
    return std::unexpected(period.error());
  }
  auto conditions = read_conditions(call);
  if (!conditions) return std::unexpected(conditions.error());
  spec.conditions = std::move(*conditions);
  return spec;
}

std::string row(const Event& event) {
  const auto text = [](const std::optional<std::string>& maybe) { return maybe.value_or("-"); };
  const auto number = [](const auto& maybe) { return maybe ? fmt::format("{}", *maybe) : "-"; };
  return fmt::format("{:<24} {:<8} {:<6} {:<24} {:<32} {:<22} {:>7} {:>7} {:>10} {:<15} {}\n",
                     format_utc(event.timestamp_utc), name(event.kind), number(event.status),
                     text(event.api_key_id), event.endpoint, text(event.model),
                     number(event.tokens_input), number(event.tokens_output),
                     event.cost_usd ? fmt::format("{:.6f}", event.cost_usd->usd()) : "-", event.ip,
                     text(event.error ? event.error : event.action));
}

constexpr const char* kHeading =
    "time                     kind     status key                      endpoint                    "
    " "
    "    model                       in     out        usd ip              error or action\n";

// On a terminal only, on stderr.
void progress_bar(std::uint64_t bytes, std::uint64_t of) {
  constexpr std::uint64_t kWidth = 40;
  const std::uint64_t filled = of == 0 ? kWidth : bytes * kWidth / of;
  std::string bar(filled, '#');
  bar.resize(kWidth, '.');
  fmt::print(stderr, "\r[{}] {} of {} MiB{}", bar, bytes >> 20, of >> 20, bytes >= of ? "\n" : "");
}

}  // namespace

int audit_query(const Invocation& call, const Programs&) {
  auto journal = journal_of(call);
  if (!journal) return kUsage;
  if (asks_for_sums(call)) return audit_sums(call, *journal);
  auto spec = spec_of(call, std::move(*journal));
  if (!spec) return complain(call, spec.error(), "sallyport help audit query");
  const bool table = call.has("table") && !call.json;
  bool begun = false;
  audit::PosixFileSystem files;
  const auto sealing = Sealing::for_reading(call, files);
  if (sealing) spec->sealer = &sealing->sealer();
  const auto answer = audit::query(files, *spec, [&](const Event& event, std::string_view line) {
    if (table && !begun) call.out << kHeading;
    begun = true;
    if (table) {
      call.out << row(event);
    } else {
      call.out << line << '\n';
    }
    return call.out.good();
  });
  if (!answer && answer.error().code == Code::kCorrupt) {
    return complain(call, kFinding, "journal_damaged", answer.error().what,
                    "sallyport audit verify tells where; what could be read was printed");
  }
  if (!answer) return complain(call, answer.error());
  if (!call.quiet && !call.json) {
    if (answer->matched == 0) call.err << "no record matches\n";
    if (answer->more) call.err << "there are more; --limit 0 prints all\n";
    call.err << fmt::format("holds up to record {}\n", answer->end_seq - 1);
  }
  return kOk;
}

int audit_verify(const Invocation& call, const Programs&) {
  const auto config = config_of(call);
  if (!config) return kUsage;
  audit::VerifyOptions options{.threads = 2, .last_signed = config->audit.last_signed};
  for (const std::string& text : call.all("vkey")) {
    auto key = audit::VerifierKey::parse(text);
    if (!key) return complain(call, key.error());
    options.keys.push_back(std::move(*key));
  }
  if (!call.json && !call.quiet && ::isatty(STDERR_FILENO) == 1) options.progress = progress_bar;
  const auto report = audit::verify(config->audit.path, options);
  if (!report) return complain(call, report.error());
  if (call.json) {
    std::string line;
    JsonWriter json(line);
    json.begin_object()
        .field("ok", report->ok())
        .field("segments", report->segments)
        .field("records", report->records)
        .field("first_seq", report->first_seq)
        .field("last_seq", report->last_seq)
        .field("open_intents", report->open_intents)
        .field("torn_bytes", report->torn_bytes)
        .field("origin", report->origin)
        .field("signed_size", report->signed_size)
        .field("checkpoints", report->checkpoints)
        .field("accepted_keys", report->accepted_keys)
        .field("problems_found", report->problems_found)
        .key("problems")
        .begin_array();
    for (const audit::Problem& problem : report->problems) {
      json.begin_object().field("seq", problem.seq).field("what", problem.what).end_object();
    }
    json.end_array().end_object();
    call.out << line << "\n";
    return report->ok() ? kOk : kFinding;
  }
  call.out << fmt::format("{}: {} records ({} to {}) in {} segments, {} requests open\n",
                          report->ok() ? "whole" : "DAMAGED", report->records, report->first_seq,
                          report->last_seq, report->segments, report->open_intents);
  if (report->origin.empty()) {
    call.out << "never signed: no checkpoint says what these records were\n";
  } else {
    call.out << fmt::format("{}: {} records are signed, {} checkpoints were checked\n",
                            report->origin, report->signed_size, report->checkpoints);
  }
  if (report->accepted_keys > 0) {
    call.out << fmt::format("{} of its keys came by accept-state: no key before vouches for them\n",
                            report->accepted_keys);
  }
  if (report->torn_bytes > 0) {
    call.out << fmt::format("{} bytes behind the last record: being written, or left by a crash\n",
                            report->torn_bytes);
  }
  for (const audit::Problem& problem : report->problems) {
    call.out << (problem.seq > 0 ? fmt::format("seq {}: {}\n", problem.seq, problem.what)
                                 : problem.what + "\n");
  }
  if (report->problems_found > report->problems.size()) {
    call.out << fmt::format("and {} more\n", report->problems_found - report->problems.size());
  }
  return report->ok() ? kOk : kFinding;
}

}  // namespace sallyport::cli
