// SPDX-License-Identifier: Apache-2.0
#include "keys/leak_report.h"

#include <openssl/crypto.h>
#include <string.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/text.h"
#include "keys/key_mac.h"

namespace sallyport::keys {
namespace {

constexpr std::size_t kTokenBytesMax = 4096;
constexpr std::size_t kPlaceBytesMax = 2048;
constexpr std::size_t kTypeBytesMax = 256;
constexpr std::size_t kSignatureBytesMax = 256;  // base64 of an ECDSA signature in DER
constexpr std::size_t kIdentifierBytesMax = 256;
constexpr std::string_view kHmacPrefix = "sha256=";

// Control characters of a stranger's text become '?': it goes into records.
std::string printable(std::string_view text) {
  std::string out(text.substr(0, kPlaceBytesMax));
  std::ranges::replace_if(
      out, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return out;
}

// The one field of that name; nothing if there is none, or two.
std::optional<std::string_view> single(const Exchange& x, std::string_view name) {
  std::optional<std::string_view> found;
  for (const net::Header& field : x.headers) {
    if (!equal_ascii_nocase(field.name, name)) continue;
    if (found) return std::nullopt;
    found = field.value;
  }
  return found;
}

OwnAnswer refused(Exchange& x, int status, const char* code, const char* reason) {
  OwnAnswer answer;
  answer.status = status;
  answer.error_code = code;
  x.denied_because = reason;
  JsonWriter(answer.body).begin_object().field("error", code).end_object();
  if (status == 503) answer.headers.emplace_back("retry-after", "30");
  return answer;
}

OwnAnswer forged(Exchange& x) {
  return refused(x, 401, "invalid_signature", "leak_report_signature");
}

}  // namespace

Result<std::unique_ptr<LeakReportKeys>> LeakReportKeys::make(const LeakReportConfig& config,
                                                             KeySources& sources) {
  auto made = std::make_unique<LeakReportKeys>();
  if (config.github_keys_url || config.github_keys_file) {
    KeySource::Place place;
    place.format = KeySource::Format::kGithub;
    place.file = config.github_keys_file;
    if (!place.file) place.url = config.github_keys_url;
    const Result<KeySource*> source = sources.add(std::move(place));
    if (!source) return std::unexpected(source.error());
    made->github_ = *source;
  }
  if (config.secret) {
    const Result<KeyMac> mac = KeyMac::make(*config.secret);
    if (!mac) return fail(Code::kInvalid, "the secret of leak reports needs 32 bytes");
    made->secret_ = config.secret;
  }
  return made;
}

Task<std::shared_ptr<const KeySet>> LeakReportKeys::github(net::Loop& loop,
                                                           std::string identifier) const {
  if (github_ == nullptr) co_return nullptr;
  auto keys = co_await github_->find(loop, std::move(identifier));
  if (!keys) co_return nullptr;
  co_return std::move(*keys);
}

bool LeakReportKeys::in_house(std::string_view header, std::string_view body) const {
  if (!secret_ || !header.starts_with(kHmacPrefix)) return false;
  const auto claimed = from_hex(header.substr(kHmacPrefix.size()));
  if (!claimed || claimed->size() != sizeof(Mac)) return false;
  Result<KeyMac> mac = KeyMac::make(*secret_);
  const Result<Mac> right = mac ? mac->compute(body) : std::unexpected(mac.error());
  return right && CRYPTO_memcmp(claimed->data(), right->data(), right->size()) == 0;
}

Result<std::vector<LeakEntry>> parse_leak_report(std::string_view json) {
  const Result<JsonValue> document = JsonValue::parse(json);
  if (!document) return std::unexpected(document.error());
  if (!document->is_array()) return fail(Code::kInvalid, "not a list");
  std::vector<LeakEntry> entries;
  for (const JsonValue& item : document->items()) {
    if (entries.size() == LeakReportRoute::kEntriesMax) return fail(Code::kInvalid, "too many");
    const auto text = [&](const char* name) {
      const auto value = item.at(name);
      return std::string(value ? value->string().value_or("") : "");
    };
    LeakEntry entry{text("token"), text("type"), text("url"), text("source")};
    if (entry.token.empty() || entry.token.size() > kTokenBytesMax || entry.type.empty() ||
        entry.type.size() > kTypeBytesMax || entry.url.size() > kPlaceBytesMax ||
        entry.source.size() > kTypeBytesMax) {
      return fail(Code::kInvalid, "an entry is not as it must be");
    }
    entry.url = printable(entry.url);
    entry.source = printable(entry.source);
    entries.push_back(std::move(entry));
  }
  return entries;
}

// A report on its way; owned by the request and by the thread that works on it.
struct LeakReportRoute::Report {
  Report(std::shared_ptr<std::atomic<int>> under_way, std::string text)
      : body(std::move(text)), under_way_(std::move(under_way)) {}
  Report(const Report&) = delete;
  ~Report() {
    wipe(body);
    --*under_way_;
  }

  std::string body;
  std::shared_ptr<const KeySet> github;  // null: signed in-house
  std::string identifier, signature, hmac, ip;
  enum { kForged, kUnreadable, kFailed, kDone } outcome = kForged;
  std::string answer;
  std::size_t entries = 0, ours = 0;

  bool genuine(const LeakReportKeys& keys) const {
    if (!github) return keys.in_house(hmac, body);
    const PublicKey* const key = github->find(identifier, SignatureAlgorithm::kEs256);
    return key != nullptr && key->verifies_der(body, signature);
  }
  void end(const LeakReportKeys& keys, LeakReceiver& receiver);
  void keep();

 private:
  std::vector<std::function<Result<void>()>> to_keep_;
  std::shared_ptr<std::atomic<int>> under_way_;
};

// Dead first, all of them, before anything waits for a disk.
void LeakReportRoute::Report::end(const LeakReportKeys& keys, LeakReceiver& receiver) {
  if (!genuine(keys)) return;
  outcome = kUnreadable;
  Result<std::vector<LeakEntry>> list = parse_leak_report(body);
  if (!list) return;
  outcome = kDone;
  entries = list->size();
  JsonWriter json(answer);
  json.begin_array();
  for (LeakEntry& entry : *list) {
    Result<LeakVerdict> verdict = receiver.report(entry.token, entry.source, entry.url, ip);
    // The others are still looked at: each that is revoked now is one less.
    if (!verdict) {
      log::error("keys.leak_report_failed", {{"reason", verdict.error().what}});
      outcome = kFailed;
    } else {
      ours += verdict->ours ? 1 : 0;
      if (verdict->keep) to_keep_.push_back(std::move(verdict->keep));
      json.begin_object().field("token_hash", to_hex(sha256(entry.token)));
      json.field("token_type", entry.type);
      json.field("label", verdict->ours ? "true_positive" : "false_positive").end_object();
    }
    wipe(entry.token);
  }
  json.end_array();
}

void LeakReportRoute::Report::keep() {
  for (const auto& act : to_keep_) {
    const Result<void> kept = act();
    if (kept) continue;
    log::error("keys.leak_report_failed", {{"reason", kept.error().what}});
    outcome = kFailed;
  }
}

namespace {

// The signature that a report comes with, as far as the head tells.
struct Signed {
  std::optional<std::string_view> identifier;  // of GitHub's key; none: signed in-house
  std::string der;                             // GitHub's signature
  std::string_view hmac;
};

// Nothing for what cannot be right. Two signatures are one too many: which of them was meant?
std::optional<Signed> signature_of(const Exchange& x, const LeakReportKeys& keys) {
  const auto identifier = single(x, "github-public-key-identifier");
  const auto signature = single(x, "github-public-key-signature");
  const auto hmac = single(x, "x-sallyport-signature");
  const bool from_github = identifier && signature;
  if (from_github == hmac.has_value()) return std::nullopt;
  if (!from_github) {
    const bool formed =
        hmac->starts_with(kHmacPrefix) && hmac->size() == kHmacPrefix.size() + 2 * sizeof(Mac);
    if (!keys.takes_in_house() || !formed) return std::nullopt;
    return Signed{.identifier = {}, .der = {}, .hmac = *hmac};
  }
  if (!keys.takes_github() || signature->size() > kSignatureBytesMax ||
      identifier->size() > kIdentifierBytesMax) {
    return std::nullopt;
  }
  auto der = base64_decode(*signature);
  if (!der) return std::nullopt;
  return Signed{.identifier = identifier, .der = std::move(*der), .hmac = {}};
}

}  // namespace

std::optional<OwnAnswer> LeakReportRoute::refuse(Exchange& x) {
  if (signature_of(x, keys_)) return std::nullopt;
  return forged(x);
}

Task<OwnAnswer> LeakReportRoute::answer(Exchange& x, std::string body) {
  auto seal = signature_of(x, keys_);
  if (!seal) co_return forged(x);
  std::shared_ptr<const KeySet> github;
  if (seal->identifier) {
    github = co_await keys_.github(*x.loop, std::string(*seal->identifier));
    if (!github || !github->knows(*seal->identifier)) co_return forged(x);
  }
  if (++*under_way_ > kUnderWayMax) {
    --*under_way_;
    co_return refused(x, 503, "temporarily_unavailable", "leak_report_busy");
  }
  auto report = std::make_shared<Report>(under_way_, std::move(body));
  report->github = std::move(github);
  report->identifier = seal->identifier.value_or("");
  report->signature = std::move(seal->der);
  report->hmac = seal->hmac;
  report->ip = x.source.text();
  // Not this route: it may be gone with its thread when the work is done.
  std::function<void()> end = [&keys = keys_, &receiver = receiver_, report] {
    report->end(keys, receiver);
  };
  co_await threads_.end.run(*x.loop, std::move(end));
  if (report->ours > 0) {
    std::function<void()> keep = [report] { report->keep(); };
    co_await threads_.keep.run(*x.loop, std::move(keep));
  }

  if (report->outcome == Report::kForged) co_return forged(x);
  if (report->outcome == Report::kUnreadable) {
    co_return refused(x, 400, "invalid_request", "leak_report_malformed");
  }
  log::warn("keys.leak_report", {{"request_id", x.request_id},
                                 {"entries", std::uint64_t{report->entries}},
                                 {"ours", std::uint64_t{report->ours}}});
  if (report->outcome == Report::kFailed) {
    co_return refused(x, 503, "temporarily_unavailable", "leak_report_failed");
  }
  OwnAnswer answer;
  answer.body = std::move(report->answer);
  co_return answer;
}

}  // namespace sallyport::keys
