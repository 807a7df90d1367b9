// SPDX-License-Identifier: Apache-2.0
#include "log_writer.h"

#include <algorithm>
#include <charconv>

#include "base/clock.h"
#include "event/money.h"

namespace sallyport::traffic {
namespace {

constexpr char kBase62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

void append_number(std::string& out, std::int64_t number) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(digits, static_cast<std::size_t>(end - digits));
}

void append_or_null(std::string& out, std::int64_t number) {
  if (number < 0) {
    out += "null";
  } else {
    append_number(out, number);
  }
}

// Every word of a log is plain ASCII without quotes: nothing needs an escape.
void append_word(std::string& out, std::string_view name, std::string_view word) {
  out += name;
  if (word.empty()) {
    out += "null";
    return;
  }
  out += '"';
  out += word;
  out += '"';
}

void append_base62(std::string& out, std::uint64_t bits, int count) {
  for (int i = 0; i < count; ++i, bits /= 62) out += kBase62[bits % 62];
}

std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

std::uint64_t kid_bits(const World& world, std::uint16_t key, Ms time) {
  const Ms offset = static_cast<Ms>(key) * 797 * kSecond;  // not all keys renew at once
  const auto epoch = static_cast<std::uint64_t>((time + offset) / (8 * kHour));
  return mixed(world.options.seed * 0x9E3779B97F4A7C15U + epoch * 4099 + key + 1);
}

std::int64_t nano_usd(const Line& line) {
  if (line.model == kNoModel || line.tokens_input < 0) return -1;
  const Model& model = models()[line.model];
  const std::int64_t output = std::max(line.tokens_output, 0);
  return static_cast<std::int64_t>(1000 *
                                   (line.tokens_input * model.input_usd_per_million +
                                    static_cast<double>(output) * model.output_usd_per_million));
}

std::string_view text(Verdict verdict) {
  switch (verdict) {
    case Verdict::kNone:
      return "";
    case Verdict::kPass:
      return "pass";
    case Verdict::kAlert:
      return "alert";
    case Verdict::kBlock:
      return "block";
  }
  return "";
}

}  // namespace

std::string kid_of(const World& world, std::uint16_t key, Ms time) {
  std::string kid;
  append_base62(kid, kid_bits(world, key, time), 10);
  kid += kBase62[key / 62 % 62];
  kid += kBase62[key % 62];
  return kid;
}

void LogWriter::append_time(std::string& out, Ms time) {
  if (time / kSecond != second_) {
    second_ = time / kSecond;
    clock_ = format_utc(UtcTime(std::chrono::milliseconds(time)));
  } else {
    const Ms part = time % kSecond;
    clock_[20] = static_cast<char>('0' + part / 100);
    clock_[21] = static_cast<char>('0' + part / 10 % 10);
    clock_[22] = static_cast<char>('0' + part % 10);
  }
  out += clock_;
}

void LogWriter::append(std::string& out, const Line& line) {
  const bool over = line.kind == LineKind::kRequest;
  const bool mint = line.kind == LineKind::kMint;
  out += R"({"timestamp_utc":")";
  append_time(out, line.time);
  append_word(out, R"(","api_key_id":)",
              line.key == kNoKey ? std::string_view() : world_.keys[line.key].id);
  append_word(out, R"(,"endpoint":)", text(line.endpoint));
  append_word(out, R"(,"model":)",
              line.model == kNoModel ? std::string_view() : models()[line.model].name);
  out += R"(,"latency_ms":)";
  append_or_null(out, over ? line.latency_ms : -1);
  out += R"(,"tokens_input":)";
  append_or_null(out, over ? line.tokens_input : -1);
  out += R"(,"tokens_output":)";
  append_or_null(out, over ? line.tokens_output : -1);
  out += R"(,"ip":")";
  append_address(out, line.address);
  append_word(out, R"(","geo":)", networks()[line.network].country);
  out += R"(,"status":)";
  append_or_null(out, over ? status(line.fault) : mint ? 200 : -1);
  append_word(out, R"(,"error":)", over ? text(line.fault) : std::string_view());
  append_word(out, R"(,"metadata":{"module":)", modules()[line.module]);
  append_word(out, R"(,"purpose":)", purposes()[line.purpose]);
  out += '}';
  ++number_;
  if (world_.options.fields == Fields::kAll) append_ours(out, line);
  out += "}\n";
}

void LogWriter::append_ours(std::string& out, const Line& line) {
  const bool over = line.kind == LineKind::kRequest;
  const bool mint = line.kind == LineKind::kMint;
  out += mint ? R"(,"kind":"admin")" : over ? R"(,"kind":"request")" : R"(,"kind":"intent")";
  // The intent of a request has the request's own number: it was copied from its line.
  const auto begun = static_cast<std::uint64_t>(line.time - (over ? line.latency_ms : 0));
  const std::uint64_t id =
      mixed(begun * 65'537 + line.key * 257U + static_cast<std::uint64_t>(line.latency_ms) * 31 +
            line.address.low + line.address.high);
  out += R"(,"request_id":"req_)";
  append_base62(out, id, 10);
  append_base62(out, mixed(id + 1), 10);
  append_base62(out, mixed(id + 2), 4);
  out += '"';
  if (line.key != kNoKey && !mint) {
    append_word(out, R"(,"kid":)", kid_of(world_, line.key, line.time));
  } else if (line.claimed != kNoKey) {
    append_word(out, R"(,"claimed_kid":)", kid_of(world_, line.claimed, line.time));
  } else if (line.fault == Fault::kInvalidKey) {
    out += R"(,"claimed_kid":")";
    append_base62(out, mixed(id + 3), 10);
    append_base62(out, mixed(id + 4), 2);
    out += '"';
  }
  if (line.derived) append_word(out, R"(,"tid":)", "k3V9");
  const bool served = line.fault == Fault::kNone && over;
  if (served) append_word(out, R"(,"provider_key_id":)", "openai-main");
  out += R"(,"asn":)";
  append_number(out, networks()[line.network].asn);
  append_word(out, R"(,"network":)", networks()[line.network].name);
  if (served && line.tokens_cached > 0) {
    out += R"(,"tokens_cached":)";
    append_number(out, line.tokens_cached);
  }
  if (served && nano_usd(line) >= 0) {
    out += R"(,"tokens_estimated":false,"cost_usd":)";
    append_usd(out, NanoUsd{nano_usd(line)});
  }
  if (!mint) out += line.stream ? R"(,"stream":true)" : R"(,"stream":false)";
  if (served) out += R"(,"upstream_status":200)";
  if (line.verdict != Verdict::kNone) {
    out += R"(,"injection":{"score":0.)";
    out += static_cast<char>('0' + line.score_percent / 10);
    out += static_cast<char>('0' + line.score_percent % 10);
    append_word(out, R"(,"verdict":)", text(line.verdict));
    out += line.verdict == Verdict::kPass ? R"(,"categories":[],"role":"user"})"
                                          : R"(,"categories":["override"],"role":"user"})";
  }
  if (over && line.repetition) out += R"(,"output":{"flags":["repetition"]})";
  if (mint) out += R"(,"action":"key.create","actor":"admin:mai")";
  out += R"(,"seq":)";
  append_number(out, static_cast<std::int64_t>(number_));
}

}  // namespace sallyport::traffic
