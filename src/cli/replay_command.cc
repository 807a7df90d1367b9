// SPDX-License-Identifier: Apache-2.0
// `replay`: a past log through the detectors in virtual time. `detect explain`: what they take for
// normal.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <utility>
#include <vector>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/replay_score.h"
#include "cli/start_check.h"
#include "detect/finding_line.h"
#include "detect/line_reader.h"
#include "detect/watch.h"
#include "geo/location_table.h"

namespace sallyport::cli {
namespace {

constexpr std::size_t kBlock = 1u << 20;
constexpr std::size_t kStateBytesMax = 2ull << 30;

Result<std::string> read_whole(const std::string& path, std::size_t bytes_max) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(Code::kUnavailable, "cannot read " + path);
  std::string text;
  std::string block(kBlock, '\0');
  while (in.read(block.data(), static_cast<std::streamsize>(block.size())) || in.gcount() > 0) {
    text.append(block, 0, static_cast<std::size_t>(in.gcount()));
    if (text.size() > bytes_max) return fail(Code::kInvalid, path + " is too large");
  }
  return text;
}

// Whole lines of a file or, for "-", of stdin. A line that is longer than a block is handed on cut,
// and so refused.
class Lines {
 public:
  ~Lines() {
    if (fd_ > 0) ::close(fd_);
  }
  Result<void> open(const std::string& path) {
    fd_ = path == "-" ? 0 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd_ < 0) return fail(Code::kUnavailable, path + ": " + std::strerror(errno));
    return {};
  }
  // The next line without its newline; nothing at the end.
  std::optional<std::string_view> next() {
    for (;;) {
      const auto* begin = buffer_.data() + at_;
      const auto* newline = static_cast<const char*>(std::memchr(begin, '\n', filled_ - at_));
      if (newline != nullptr) {
        at_ += static_cast<std::size_t>(newline - begin) + 1;
        return std::string_view(begin, static_cast<std::size_t>(newline - begin));
      }
      if (ended_ || filled_ - at_ == buffer_.size()) {
        const std::string_view rest(begin, filled_ - at_);
        at_ = filled_;
        if (rest.empty()) return std::nullopt;
        return rest;
      }
      fill();
    }
  }

 private:
  void fill() {
    std::memmove(buffer_.data(), buffer_.data() + at_, filled_ - at_);
    filled_ -= at_;
    at_ = 0;
    const ssize_t got = ::read(fd_, buffer_.data() + filled_, buffer_.size() - filled_);
    if (got <= 0) {
      ended_ = true;
    } else {
      filled_ += static_cast<std::size_t>(got);
    }
  }

  int fd_ = -1;
  std::string buffer_ = std::string(kBlock, '\0');
  std::size_t at_ = 0, filled_ = 0;
  bool ended_ = false;
};

struct Replay {
  const Invocation& call;
  std::unique_ptr<geo::LocationTable> geography;
  std::optional<detect::Watch> watch;
  std::optional<ReplayScore> score;
  UtcTime from{};
  std::uint64_t lines = 0, unreadable = 0, findings = 0;
  bool alarmed = false;
  std::string text;

  void begin(UtcTime first);
  void take(const Event& event, std::vector<Event>& out);
  Result<void> file(const std::string& path);
};

// A database that was old when the log was written makes a hint of what it says.
void Replay::begin(UtcTime first) {
  if (watch) return;
  detect::Config config;
  if (geography && geography->country_built()) {
    config.geography_stale = first - *geography->country_built() > geo::kStaleAfter;
  }
  watch.emplace(config, geography.get());
}

void Replay::take(const Event& event, std::vector<Event>& out) {
  begin(event.timestamp_utc);
  out.clear();
  watch->observe(event, out);
  const bool before = event.timestamp_utc < from;
  if (score && !before) score->saw(event);
  for (const Event& found : out) {
    if (found.kind != Kind::kFinding || before) continue;
    ++findings;
    alarmed = alarmed || found.finding->severity >= Severity::kHigh;
    if (score) score->told(found);
    detect::append_finding_line(text, found);
  }
  if (text.size() > kBlock / 16) {
    call.out << text;
    text.clear();
  }
}

Result<void> Replay::file(const std::string& path) {
  Lines source;
  if (auto opened = source.open(path); !opened) return opened;
  detect::LineReader reader;
  Event event;
  std::vector<Event> out;
  while (const auto line = source.next()) {
    if (line->empty()) continue;
    ++lines;
    if (!reader.read(*line, event)) {
      ++unreadable;
      continue;
    }
    take(event, out);
  }
  return {};
}

// The geography of the configuration, if there is one; no secrets are followed.
Result<std::unique_ptr<geo::LocationTable>> geography_of(const Invocation& call) {
  if (!std::filesystem::exists(call.config_file)) return std::unique_ptr<geo::LocationTable>();
  const config::LoadResult loaded = load_to_serve(call.config_file, false);
  if (!loaded) {
    return fail(Code::kInvalid, config::format_problem(call.config_file, loaded.error().front()));
  }
  return geo::LocationTable::load(loaded->config.geo, SystemClock().now());
}

Result<void> prepare(Replay& replay) {
  const Invocation& call = replay.call;
  if (call.has("from")) {
    const auto from = parse_utc(call.value("from"));
    if (!from) return fail(Code::kInvalid, "--from must be a time: 2026-01-31T08:00:00Z");
    replay.from = *from;
  }
  if (call.has("expect")) {
    const auto text = read_whole(call.value("expect"), 64u << 20);
    if (!text) return std::unexpected(text.error());
    auto score = ReplayScore::load(*text);
    if (!score) return fail(Code::kInvalid, call.value("expect") + ": " + score.error().what);
    replay.score = std::move(*score);
  }
  auto geography = geography_of(call);
  if (!geography) return std::unexpected(geography.error());
  replay.geography = std::move(*geography);
  if (!call.has("baseline")) return {};
  const auto state = read_whole(call.value("baseline"), kStateBytesMax);
  if (!state) return std::unexpected(state.error());
  replay.begin(SystemClock().now());
  return replay.watch->load(*state);
}

// Beside the target first: a state that is half written replaces none.
Result<void> save_state(const std::string& path, const detect::Watch& watch) {
  std::string state;
  watch.save(state);
  const std::string beside = path + ".new";
  const int fd = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return fail(Code::kUnavailable, beside + ": " + std::strerror(errno));
  std::string_view rest = state;
  while (!rest.empty()) {
    const ssize_t wrote = ::write(fd, rest.data(), rest.size());
    if (wrote <= 0) break;
    rest.remove_prefix(static_cast<std::size_t>(wrote));
  }
  const bool well = rest.empty() && ::fsync(fd) == 0;
  ::close(fd);
  if (!well || ::rename(beside.c_str(), path.c_str()) != 0) {
    return fail(Code::kUnavailable, "cannot write " + path);
  }
  return {};
}

void talk(const Replay& replay) {
  const detect::WatchCounts counts = replay.watch ? replay.watch->counts() : detect::WatchCounts{};
  replay.call.err << fmt::format(
      "{} lines, {} unreadable, {} late, {} ahead of time, {} twice; {} keys, {} forgotten; {} "
      "findings\n",
      replay.lines, replay.unreadable, counts.late, counts.jumped, counts.duplicates, counts.keys,
      counts.keys_forgotten, replay.findings);
}

}  // namespace

int replay_log(const Invocation& call, const Programs&) {
  Replay replay{.call = call, .geography = nullptr, .watch = {}, .score = {}, .text = {}};
  if (const auto ready = prepare(replay); !ready) return complain(call, ready.error());
  for (const std::string& path : call.all("log")) {
    if (const auto read = replay.file(path); !read) return complain(call, read.error());
  }
  call.out << replay.text;
  if (replay.score && call.json) call.out << replay.score->json() << "\n";
  if (replay.score && !call.json) call.err << replay.score->text();
  if (!call.quiet) talk(replay);
  if (call.has("save-state") && replay.watch) {
    const auto saved = save_state(call.value("save-state"), *replay.watch);
    if (!saved) return complain(call, saved.error());
  }
  return replay.alarmed ? kFinding : kOk;
}

int detect_explain(const Invocation& call, const Programs&) {
  if (!call.has("baseline")) {
    return complain(call, kUsage, "usage", "--baseline is missing",
                    "sallyport replay LOG --save-state STATE makes one");
  }
  const auto state = read_whole(call.value("baseline"), kStateBytesMax);
  if (!state) return complain(call, state.error());
  detect::Watch watch{detect::Config{}};
  if (const auto loaded = watch.load(*state); !loaded) return complain(call, loaded.error());
  const auto text = watch.explain(call.value("key"));
  if (!text) return complain(call, text.error());
  call.out << *text;
  return kOk;
}

}  // namespace sallyport::cli
