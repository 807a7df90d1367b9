// SPDX-License-Identifier: Apache-2.0
#include "audit/log_courier.h"

#include <algorithm>
#include <utility>

#include "audit/prove.h"
#include "audit/prune.h"
#include "audit/tiles.h"
#include "base/log.h"
#include "base/text.h"
#include "net/http_client.h"

namespace sallyport::audit {
namespace {

constexpr std::int64_t kLookMs = 500;
constexpr std::int64_t kPruneMs = 3'600'000;
constexpr std::int64_t kAnswerMs = 10'000;
constexpr std::size_t kAnswerBytesMax = 16 * 1024;
constexpr int kAttemptsMax = 3;  // a witness that tells its size twice has told enough

Result<std::shared_ptr<const net::TlsContext>> tls_of(const std::string& url) {
  const auto parsed = net::parse_url(url);
  if (!parsed) return std::unexpected(parsed.error());
  if (!parsed->tls) return std::shared_ptr<const net::TlsContext>();
  return net::TlsContext::client("");
}

// A witness as it is written, or the reason why it is none.
struct ReadWitness {
  VerifierKey key;
  std::shared_ptr<const net::TlsContext> tls;
};
Result<ReadWitness> read_witness(const WitnessConfig& entry) {
  auto key = VerifierKey::parse(entry.key);
  if (!key) return fail(Code::kInvalid, "audit.witness: " + key.error().what);
  if (key->type != SignatureType::kCosignature) {
    return fail(Code::kInvalid, "audit.witness: the key of " + entry.url + " is no cosigner's");
  }
  auto tls = tls_of(entry.url);
  if (!tls) return fail(Code::kInvalid, "audit.witness: " + tls.error().what);
  return ReadWitness{std::move(*key), std::move(*tls)};
}

Result<std::shared_ptr<const net::TlsContext>> read_anchor(const Config& config) {
  if (!config.anchor_webhook) return std::shared_ptr<const net::TlsContext>();
  auto tls = tls_of(*config.anchor_webhook);
  if (!tls) return fail(Code::kInvalid, "audit.anchor.webhook: " + tls.error().what);
  return tls;
}

std::optional<std::uint64_t> size_in(std::string_view body) {
  if (body.ends_with('\n')) body.remove_suffix(1);
  return parse_uint(body);
}

}  // namespace

Result<void> LogCourier::check(const Config& config) {
  for (const WitnessConfig& entry : config.witness) {
    const auto read = read_witness(entry);
    if (!read) return std::unexpected(read.error());
  }
  const auto anchor = read_anchor(config);
  if (!anchor) return std::unexpected(anchor.error());
  return {};
}

Result<std::unique_ptr<LogCourier>> LogCourier::make(CourierParts parts) {
  const Config& config = parts.keeper.config();
  std::unique_ptr<LogCourier> made(new LogCourier(std::move(parts)));
  for (const WitnessConfig& entry : config.witness) {
    auto read = read_witness(entry);
    if (!read) return std::unexpected(read.error());
    auto witness = std::make_unique<Witness>();
    witness->url = entry.url;
    witness->key = std::move(read->key);
    witness->tls = std::move(read->tls);
    made->witnesses_.push_back(std::move(witness));
  }
  auto anchor = read_anchor(config);
  if (!anchor) return std::unexpected(anchor.error());
  made->anchor_tls_ = std::move(*anchor);
  return made;
}

Task<void> LogCourier::run(net::Loop& loop) {
  std::int64_t until_prune_ms = 0;
  for (;;) {
    co_await carry(loop);
    if (until_prune_ms <= 0) {
      until_prune_ms = kPruneMs;
      co_await prune_old(loop);
    }
    co_await loop.sleep_for(kLookMs);
    until_prune_ms -= kLookMs;
  }
}

Task<void> LogCourier::carry(net::Loop& loop) {
  const auto now = parts_.keeper.published();
  if (!now) co_return;
  for (const auto& witness : witnesses_) {
    if (witness->done == now->text) continue;
    co_await ask_witness(loop, *witness, now);
  }
  if (!parts_.keeper.config().anchor_webhook || anchored_ == now->text) co_return;
  co_await post_anchor(loop, now);
}

void LogCourier::trouble(Witness& witness, TreeCounters::Count& count, const std::string& why) {
  count.fetch_add(1, std::memory_order_relaxed);
  if (std::exchange(witness.told, true)) return;
  log::warn("audit.witness_failed", {{"witness", witness.key.name}, {"why", why}});
}

Task<Result<std::string>> LogCourier::request_body(
    net::Loop& loop, std::uint64_t old_size, std::shared_ptr<const TreeKeeper::Published> now) {
  const auto body = std::make_shared<Result<std::string>>(fail(Code::kUnavailable, "stopping"));
  std::function<void()> work = [body, old_size, now, &keeper = parts_.keeper] {
    std::string text = "old " + std::to_string(old_size) + "\n";
    if (old_size > 0 && old_size < now->size) {
      TileReader tiles(keeper.files(), keeper.config().path, now->size);
      const auto proof = prove_consistency(tiles, old_size, now->size);
      if (!proof) {
        *body = std::unexpected(proof.error());
        return;
      }
      for (const std::string& line : proof_lines(*proof)) text += line + "\n";
    }
    *body = text + "\n" + now->note;
  };
  co_await parts_.disk.run(loop, std::move(work));
  co_return *body;
}

Task<Result<void>> LogCourier::take_cosignature(net::Loop& loop, const Witness& witness,
                                                std::string answer,
                                                std::shared_ptr<const TreeKeeper::Published> now) {
  std::string line;
  for (std::string_view rest = answer; !rest.empty();) {
    const std::size_t end = rest.find('\n');
    const std::string_view one = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    const auto signature = parse_signature_line(one);
    if (signature && signature->id == witness.key.id && signature->name == witness.key.name) {
      line = one;
    }
  }
  if (line.empty()) co_return fail(Code::kDenied, "its answer has no cosignature of its key");
  const auto verified = verify_note(now->text + "\n" + line + "\n", {witness.key});
  if (!verified) co_return fail(Code::kDenied, "its cosignature: " + verified.error().what);
  const auto kept = std::make_shared<Result<void>>(fail(Code::kUnavailable, "stopping"));
  std::function<void()> work = [kept, line, now, &keeper = parts_.keeper] {
    *kept = keeper.add_cosignature(*now, line);
  };
  co_await parts_.disk.run(loop, std::move(work));
  co_return *kept;
}

Task<void> LogCourier::ask_witness(net::Loop& loop, Witness& witness,
                                   std::shared_ptr<const TreeKeeper::Published> now) {
  TreeCounters& counters = parts_.keeper.counters();
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    const std::uint64_t old_size = witness.size.value_or(0);
    if (old_size > now->size) {
      witness.done = now->text;
      trouble(witness, counters.witness_refused,
              "it saw " + std::to_string(old_size) + " records of this log, we have " +
                  std::to_string(now->size));
      co_return;
    }
    Task<Result<std::string>> making = request_body(loop, old_size, now);
    Result<std::string> body = co_await making;
    if (!body) co_return trouble(witness, counters.witness_failed, body.error().what);
    net::Question question;
    question.method = "POST";
    question.url = witness.url + "/add-checkpoint";
    question.headers.emplace_back("content-type", "text/plain; charset=utf-8");
    question.body = std::move(*body);
    question.answer_bytes_max = kAnswerBytesMax;
    question.timeout_ms = kAnswerMs;
    const Result<net::Reply> reply =
        co_await net::ask(loop, parts_.resolver, witness.tls, std::move(question));
    if (!reply) co_return trouble(witness, counters.witness_failed, reply.error().what);
    if (reply->status == 409) {
      const auto size = size_in(reply->body);
      if (!size) co_return trouble(witness, counters.witness_failed, "409 without a size");
      witness.size = *size;
      continue;
    }
    if (reply->status != 200) {
      const bool refused = reply->status >= 400 && reply->status < 500 && reply->status != 429;
      if (refused) witness.done = now->text;  // the next checkpoint is tried again
      trouble(witness, refused ? counters.witness_refused : counters.witness_failed,
              "it answered " + std::to_string(reply->status));
      co_return;
    }
    Task<Result<void>> taking = take_cosignature(loop, witness, reply->body, now);
    const Result<void> taken = co_await taking;
    // What could not be kept is asked for again: the witness signs the same once more.
    if (!taken && taken.error().code == Code::kUnavailable) {
      co_return trouble(witness, counters.witness_failed, taken.error().what);
    }
    witness.done = now->text;
    if (!taken) co_return trouble(witness, counters.witness_refused, taken.error().what);
    witness.size = now->size;
    witness.told = false;
    counters.witness_cosigned.fetch_add(1, std::memory_order_relaxed);
    co_return;
  }
  trouble(witness, counters.witness_failed, "it does not settle on a size");
}

Task<void> LogCourier::post_anchor(net::Loop& loop,
                                   std::shared_ptr<const TreeKeeper::Published> now) {
  TreeCounters& counters = parts_.keeper.counters();
  const std::int64_t now_s =
      std::chrono::duration_cast<std::chrono::seconds>(parts_.clock.now().time_since_epoch())
          .count();
  const std::string id = "checkpoint_" + std::to_string(now->size);
  net::Question question;
  question.method = "POST";
  question.url = *parts_.keeper.config().anchor_webhook;
  question.headers.emplace_back("content-type", "text/plain; charset=utf-8");
  question.headers.emplace_back("webhook-id", id);
  question.headers.emplace_back("webhook-timestamp", std::to_string(now_s));
  if (parts_.sign) {
    const auto signature = parts_.sign(id, now_s, now->note);
    if (!signature) {
      counters.anchor_failures.fetch_add(1, std::memory_order_relaxed);
      log::error("audit.anchor_failed", {{"why", signature.error().what}});
      co_return;
    }
    question.headers.emplace_back("webhook-signature", *signature);
  }
  question.body = now->note;
  question.answer_bytes_max = kAnswerBytesMax;
  question.timeout_ms = kAnswerMs;
  const Result<net::Reply> reply =
      co_await net::ask(loop, parts_.resolver, anchor_tls_, std::move(question));
  if (reply && reply->status >= 200 && reply->status < 300) {
    anchored_ = now->text;
    co_return;
  }
  counters.anchor_failures.fetch_add(1, std::memory_order_relaxed);
  log::warn("audit.anchor_failed",
            {{"why", reply ? "it answered " + std::to_string(reply->status) : reply.error().what}});
}

Task<void> LogCourier::prune_old(net::Loop& loop) {
  const Config& config = parts_.keeper.config();
  if (config.retention.count() == 0) co_return;
  PruneRequest request{
      .journal = config.path,
      .before = parts_.clock.now() - config.retention,
      .keep_from = parts_.keep_from,
      .sign = [&keeper = parts_.keeper](std::uint64_t seq) { return keeper.sign_through(seq); },
      .policy = "audit.retention " + format_duration(config.retention),
      .actor = "audit",
      .dry = false};
  std::function<void()> work = [request, &keeper = parts_.keeper, &recorder = parts_.recorder,
                                &clock = parts_.clock] {
    const auto done = prune(keeper.files(), recorder, clock, request);
    if (!done) log::error("audit.not_pruned", {{"why", done.error().what}});
    if (done && done->segments > 0) {
      log::info("audit.pruned", {{"segments", done->segments}, {"min_index", done->min_index}});
    }
  };
  co_await parts_.disk.run(loop, std::move(work));
}

}  // namespace sallyport::audit
