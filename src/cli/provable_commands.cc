// SPDX-License-Identifier: Apache-2.0
// The provable log on the command line: proofs, their check, export, retention, keys. What reads
// does it beside the running server; what changes asks the server, or, when none runs, does it
// itself.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <ostream>
#include <utility>

#include "audit/accept_state.h"
#include "audit/export_log.h"
#include "audit/journal.h"
#include "audit/prove.h"
#include "audit/prune.h"
#include "audit/tree_keeper.h"
#include "base/clock.h"
#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/text.h"
#include "cli/audit_options.h"
#include "cli/commands.h"
#include "cli/socket_client.h"
#include "config/load.h"

namespace sallyport::cli {
namespace {

constexpr int kRotationPatienceS = 35;
constexpr std::size_t kFileBytesMax = 2u << 20;

Result<std::string> read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(Code::kNotFound, path + " cannot be read");
  std::string bytes(kFileBytesMax, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(in.gcount()));
  return bytes;
}

Result<void> write_whole(const std::string& path, std::string_view bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) return fail(Code::kUnavailable, path + " cannot be written");
  return {};
}

// The configuration with its secrets: for what signs.
std::optional<config::Config> full_config(const Invocation& call) {
  config::LoadResult loaded = config::load_file(call.config_file);
  if (loaded) return std::move(loaded->config);
  for (const config::Problem& problem : loaded.error()) {
    complain(call, kUsage, "configuration", config::format_problem(call.config_file, problem));
  }
  return std::nullopt;
}

// The log as the server would hold it, for one act without a server.
struct OwnLog {
  SystemClock clock;
  audit::PosixFileSystem files;
  std::unique_ptr<audit::TreeKeeper> keeper;
  std::unique_ptr<audit::Journal> journal;

  Result<void> open(const audit::Config& config) {
    auto opened = audit::TreeKeeper::open(config, files, clock);
    if (!opened) return std::unexpected(opened.error());
    auto log = audit::Journal::open(config, clock, files);
    if (!log) return std::unexpected(log.error());
    keeper = std::move(*opened);
    journal = std::move(*log);
    keeper->start(*journal);
    return {};
  }
  ~OwnLog() {
    if (journal) journal->stop();
    if (keeper) keeper->stop();
  }
};

// Into a journal that nobody signs at the moment; durable when it returns.
Result<void> record_alone(audit::FileSystem& files, const audit::Config& config, const Clock& clock,
                          Event event) {
  auto journal = audit::Journal::open(config, clock, files);
  if (!journal) return std::unexpected(journal.error());
  Result<std::uint64_t> written = fail(Code::kUnavailable, "the journal does not accept records");
  (*journal)->record(std::move(event), Durability::kSynced,
                     [&written](Result<std::uint64_t> seq) { written = std::move(seq); });
  (*journal)->stop();
  return written ? Result<void>() : std::unexpected(written.error());
}

// Asks the server; nothing when none runs. Its refusal has been told when `code` is not kOk.
std::optional<JsonValue> ask_running(const Invocation& call, const config::Config& config,
                                     std::string_view target, const std::string& body, int& code) {
  code = kOk;
  const auto reply = ask_socket(config.admin.socket, "POST", target, body, kRotationPatienceS);
  if (!reply && reply.error().code == Code::kNotFound) return std::nullopt;
  if (!reply) {
    code = complain(call, reply.error());
    return std::nullopt;
  }
  auto answer = JsonValue::parse(reply->body);
  if (reply->status != 200 || !answer) {
    std::string what = "the server answered " + std::to_string(reply->status);
    const auto error = answer ? answer->at("error") : std::nullopt;
    const auto message = error ? error->at("message") : std::nullopt;
    if (message && message->string()) what += ": " + std::string(*message->string());
    code = complain(call, kFailed, "refused", what);
    return std::nullopt;
  }
  return std::move(*answer);
}

std::vector<audit::VerifierKey> keys_of(const Invocation& call, int& code) {
  std::vector<audit::VerifierKey> keys;
  code = kOk;
  for (const std::string& text : call.all("vkey")) {
    auto key = audit::VerifierKey::parse(text);
    if (!key) {
      code = complain(call, key.error());
      return {};
    }
    keys.push_back(std::move(*key));
  }
  return keys;
}

int write_proof(const Invocation& call, const audit::RecordProof& proof,
                const std::string& folder) {
  const std::string base = folder + "/" + std::to_string(proof.seq);
  Result<void> done = write_whole(base + ".tlog-proof", proof.proof);
  if (done) done = write_whole(base + ".record", proof.record);
  if (!done) return complain(call, done.error());
  if (call.json) {
    std::string line;
    JsonWriter(line)
        .begin_object()
        .field("seq", proof.seq)
        .field("proof", base + ".tlog-proof")
        .field("record", base + ".record")
        .end_object();
    call.out << line << "\n";
  } else {
    call.out << fmt::format("record {}: {}.tlog-proof holds, the record is {}.record\n", proof.seq,
                            base, base);
  }
  return kOk;
}

}  // namespace

int audit_prove(const Invocation& call, const Programs&) {
  const auto config = config_of(call);
  if (!config) return kUsage;
  const std::string folder = call.value("out", ".");
  std::error_code made;
  std::filesystem::create_directories(folder, made);
  audit::PosixFileSystem files;
  const std::string what = call.value("record");
  std::vector<std::uint64_t> seqs;
  if (const auto seq = parse_uint(what)) {
    seqs.push_back(*seq);
  } else {
    auto found = audit::find_request(files, config->audit.path, what);
    if (!found) return complain(call, found.error());
    seqs = std::move(*found);
  }
  for (const std::uint64_t seq : seqs) {
    const auto proof = audit::prove_record(files, config->audit.path, seq);
    if (!proof) return complain(call, proof.error(), "sallyport audit verify tells more");
    if (const int code = write_proof(call, *proof, folder); code != kOk) return code;
  }
  return kOk;
}

int audit_check_proof(const Invocation& call, const Programs&) {
  int code = kOk;
  const auto keys = keys_of(call, code);
  if (code != kOk) return code;
  if (keys.empty()) return complain(call, kUsage, "no_key", "--vkey names whom you believe");
  const auto proof = read_whole(call.value("file"));
  if (!proof) return complain(call, proof.error());
  const auto record = read_whole(call.value("record"));
  if (!record) return complain(call, record.error());
  const auto seq = audit::check_proof(*proof, *record, keys);
  if (!seq) return complain(call, kFinding, "proof_does_not_hold", seq.error().what);
  call.out << (call.json ? fmt::format("{{\"ok\":true,\"seq\":{}}}\n", *seq)
                         : fmt::format("the record is number {} of the signed log\n", *seq));
  return kOk;
}

int audit_consistency(const Invocation& call, const Programs&) {
  const auto config = config_of(call);
  if (!config) return kUsage;
  const auto old_size = parse_uint(call.value("old"));
  const auto new_size = parse_uint(call.value("new"));
  if (!old_size || !new_size) {
    return complain(call, kUsage, "not_a_size", "OLD and NEW are sizes of checkpoints");
  }
  audit::PosixFileSystem files;
  const auto made = audit::prove_extension(files, config->audit.path, *old_size, *new_size);
  if (!made) return complain(call, made.error());
  if (!call.json) {
    for (const std::string& line : audit::proof_lines(made->proof)) call.out << line << "\n";
    if (!call.quiet) call.err << "the newer checkpoint extends the older one\n";
    return kOk;
  }
  std::string text;
  JsonWriter json(text);
  json.begin_object()
      .field("old", made->old_note)
      .field("new", made->new_note)
      .key("proof")
      .begin_array();
  for (const std::string& line : audit::proof_lines(made->proof)) json.value(line);
  json.end_array().end_object();
  call.out << text << "\n";
  return kOk;
}

int audit_export(const Invocation& call, const Programs&) {
  const auto config = config_of(call);
  if (!config) return kUsage;
  audit::PosixFileSystem files;
  const auto done = audit::export_log(files, config->audit.path, call.value("directory"), {});
  if (!done) return complain(call, done.error());
  call.out << (call.json ? fmt::format("{{\"size\":{},\"first_index\":{},\"bundles\":{}}}\n",
                                       done->size, done->first_index, done->bundles)
                         : fmt::format("{} records, from index {}; {} bundles written\n",
                                       done->size, done->first_index, done->bundles));
  return kOk;
}

int audit_rotate_key(const Invocation& call, const Programs&) {
  const auto config = full_config(call);
  if (!config) return kUsage;
  int code = kOk;
  std::string key;
  if (const auto answer = ask_running(call, *config, "/admin/v1/audit/rotate-key", "{}", code)) {
    const auto member = answer->at("key");
    key = member && member->string() ? std::string(*member->string()) : "";
  } else if (code != kOk) {
    return code;
  } else {
    OwnLog log;
    const Result<void> opened = log.open(config->audit);
    if (!opened) return complain(call, opened.error());
    auto made = log.keeper->rotate_key("cli");
    if (!made) return complain(call, made.error());
    key = std::move(*made);
  }
  call.out << (call.json ? fmt::format("{{\"key\":\"{}\"}}\n", key) : key + "\n");
  return kOk;
}

int audit_erase(const Invocation& call, const Programs&) {
  const auto config = full_config(call);
  if (!config) return kUsage;
  if (call.has("key") == call.has("before")) {
    return complain(call, kUsage, "invalid", "give --key NAME or --before TIME");
  }
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  if (call.has("key")) {
    json.field("key", call.value("key"));
  } else {
    const auto before = parse_when(call.value("before"));
    if (!before) {
      return complain(call, kUsage, "no_time",
                      "--before must be a time such as 2026-01-31T00:00:00Z, or 90d (ago)");
    }
    json.field("before", format_utc(*before));
  }
  json.end_object();
  int code = kOk;
  const auto answer = ask_running(call, *config, "/admin/v1/audit/erase", body, code);
  if (code != kOk) return code;
  if (!answer) {
    return complain(call, kUnreachable, "no_server",
                    "what is forgotten is in the server's memory, too: start it and ask again");
  }
  const auto member = answer->at("secrets_erased");
  const std::int64_t gone = member ? member->integer().value_or(0) : 0;
  if (call.json) {
    call.out << fmt::format("{{\"secrets_erased\":{}}}\n", gone);
  } else if (gone == 0) {
    call.out << "nothing of it lies sealed in the log\n";
  } else {
    call.out << fmt::format("erased: {} secret{}; the log is unchanged\n", gone,
                            gone == 1 ? "" : "s");
  }
  return kOk;
}

int audit_prune(const Invocation& call, const Programs&) {
  const auto config = full_config(call);
  if (!config) return kUsage;
  const std::string text = call.has("before") ? call.value("before") : call.value("keep");
  const auto before = parse_when(text);
  if (!before || call.has("before") == call.has("keep")) {
    return complain(call, kUsage, "no_time", "give --before TIME or --keep DURATION");
  }
  std::string body;
  JsonWriter(body)
      .begin_object()
      .field("before", format_utc(*before))
      .field("dry_run", call.has("dry-run"))
      .end_object();
  int code = kOk;
  audit::PruneReport report;
  if (const auto answer = ask_running(call, *config, "/admin/v1/audit/prune", body, code)) {
    const auto number = [&](const char* member) {
      const auto value = answer->at(member);
      return static_cast<std::uint64_t>(value ? value->integer().value_or(0) : 0);
    };
    report = {number("segments"), number("records"), number("bytes"), number("min_index")};
  } else if (code != kOk) {
    return code;
  } else if (!config->notify.sinks.empty()) {
    return complain(call, kFailed, "sinks_unknown",
                    "receivers may still need these records; start the server and ask it");
  } else {
    OwnLog log;
    const Result<void> opened = log.open(config->audit);
    if (!opened) return complain(call, opened.error());
    const auto done = audit::prune(log.files, *log.journal, log.clock,
                                   {.journal = config->audit.path,
                                    .before = *before,
                                    .keep_from = {},
                                    .sign = [&](auto seq) { return log.keeper->sign_through(seq); },
                                    .policy = "asked for",
                                    .actor = "cli",
                                    .dry = call.has("dry-run")});
    if (!done) return complain(call, done.error());
    report = *done;
  }
  call.out << (call.json ? fmt::format(
                               "{{\"segments\":{},\"records\":{},\"bytes\":{},\"min_index\":{}}}\n",
                               report.segments, report.records, report.bytes, report.min_index)
                         : fmt::format("{} segments, {} records, {} bytes{}\n", report.segments,
                                       report.records, report.bytes,
                                       call.has("dry-run") ? " would be deleted" : " deleted"));
  return kOk;
}

int audit_accept_state(const Invocation& call, const Programs&) {
  const auto config = full_config(call);
  if (!config) return kUsage;
  SystemClock clock;
  std::optional<audit::Accepted> accepted;
  {
    audit::PosixFileSystem files;
    std::optional<std::string> origin;
    if (call.has("new-origin")) origin = call.value("origin");
    auto done = audit::accept_state(files, config->audit, origin, [&](const audit::Accepted& what) {
      return record_alone(files, config->audit, clock,
                          audit::accepted_event(what, clock.now(), "cli"));
    });
    if (!done) return complain(call, done.error());
    accepted = std::move(*done);
  }
  OwnLog log;  // signs the record
  const Result<void> opened = log.open(config->audit);
  if (!opened) return complain(call, opened.error());
  call.out << (call.json ? fmt::format("{{\"origin\":\"{}\",\"size\":{},\"key\":\"{}\"}}\n",
                                       accepted->origin, accepted->size, accepted->key)
                         : fmt::format("{}: {}; its key is {}\n", accepted->origin, accepted->note,
                                       accepted->key));
  return kOk;
}

}  // namespace sallyport::cli
