// SPDX-License-Identifier: Apache-2.0
#include "generate.h"

#include <algorithm>

#include "attack.h"
#include "base/clock.h"
#include "base/json_writer.h"
#include "honest.h"
#include "life.h"
#include "log_writer.h"
#include "population.h"

namespace sallyport::traffic {
namespace {

constexpr Ms kFirstMonday = 1'772'409'600'000;  // 2026-03-02
constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

// A request that reached the provider has a line of its own for its beginning.
void add_intents(std::vector<Line>& lines) {
  const std::size_t before = lines.size();
  for (std::size_t i = 0; i < before; ++i) {
    Line line = lines[i];
    const bool sent = line.fault == Fault::kNone || line.fault == Fault::kUpstream ||
                      line.fault == Fault::kServer;
    if (line.kind != LineKind::kRequest || line.key == kNoKey || !sent) continue;
    line.kind = LineKind::kIntent;
    line.time -= line.latency_ms;
    lines.push_back(line);
  }
}

void put_in_order(World& world) {
  std::vector<std::pair<Ms, std::uint32_t>> order;
  order.reserve(world.lines.size());
  for (std::size_t i = 0; i < world.lines.size(); ++i) {
    const Ms time = world.lines[i].time;
    if (time >= world.start && time < world.end) {
      order.emplace_back(time, static_cast<std::uint32_t>(i));
    }
  }
  std::ranges::sort(order);
  std::vector<Line> lines;
  lines.reserve(order.size());
  for (const auto& [time, index] : order) lines.push_back(world.lines[index]);
  world.lines = std::move(lines);
}

void append_happening(std::string& out, const World& world, const Happening& happening) {
  const auto utc = [](Ms time) { return format_utc(UtcTime(std::chrono::milliseconds(time))); };
  JsonWriter json(out);
  json.begin_object();
  json.field("kind", happening.attack ? "attack" : "benign").field("shape", happening.shape);
  json.key("detectors").begin_array();
  for (const std::string& detector : happening.detectors) json.value(detector);
  json.end_array();
  json.field("from", utc(happening.from)).field("until", utc(happening.until));
  if (happening.attack) json.field("deadline", utc(happening.deadline));
  if (happening.key != kNoKey) json.field("api_key_id", world.keys[happening.key].id);
  if (!happening.addresses.empty()) {
    json.key("ips").begin_array();
    for (const Address& address : happening.addresses) json.value(text(address));
    json.end_array();
  }
  if (happening.attack) {
    json.key("dimensions").begin_object();
    for (const auto& [name, value] : happening.dimensions) json.field(name, value);
    json.end_object();
  }
  json.end_object();
  out += '\n';
}

}  // namespace

World generate(const Options& options) {
  World world;
  world.options = options;
  const Dice root(options.seed * 2 + (options.style == Style::kCalm ? 1 : 0));
  Dice dice = root.fork("calendar");
  world.start = kFirstMonday + dice.whole(0, 200) * kDay;
  world.end = world.start + options.days * kDay;
  populate(world, root);
  plan_life(world, root);
  emit_honest(world, root);
  emit_life(world, root);
  emit_attacks(world, root);
  if (options.intents && options.fields == Fields::kAll) add_intents(world.lines);
  put_in_order(world);
  return world;
}

void write_log(const World& world, const Write& write) {
  LogWriter writer(world);
  std::string piece;
  piece.reserve(kPieceBytes + 4096);
  for (const Line& line : world.lines) {
    writer.append(piece, line);
    if (piece.size() < kPieceBytes) continue;
    write(piece);
    piece.clear();
  }
  write(piece);
}

std::string truth_text(const World& world) {
  std::string out;
  for (const bool attack : {true, false}) {
    for (const Happening& happening : world.truth) {
      if (happening.attack == attack) append_happening(out, world, happening);
    }
  }
  return out;
}

}  // namespace sallyport::traffic
