// SPDX-License-Identifier: Apache-2.0
// Asks the provider how many tokens a call's input is: POST /v1/responses/input_tokens. It costs
// nothing and creates nothing, so that it may be asked twice and its failures tell nobody but the
// log: the call itself will find out how the provider is, and the breaker with it.
#include <utility>

#include "base/json_reader.h"
#include "base/log.h"
#include "upstream/ask.h"
#include "upstream/request_head.h"

namespace sallyport::upstream {
namespace {

constexpr std::size_t kAnswerBytesMax = 4 * 1024;   // {"object":...,"input_tokens":1234}
constexpr std::int64_t kTokensMax = 1'000'000'000;  // no model reads so much: not an answer

std::optional<std::int64_t> tokens_in(const std::string& answer) {
  const Result<JsonValue> json = JsonValue::parse(answer);
  const auto object = json ? json->at("object") : std::nullopt;
  const auto member = json ? json->at("input_tokens") : std::nullopt;
  const auto tokens = member ? member->integer() : std::nullopt;
  if (!object || object->string() != "response.input_tokens") return std::nullopt;
  return tokens && *tokens >= 0 && *tokens <= kTokensMax ? tokens : std::nullopt;
}

// Ends the question when its time is over, wherever it stands.
struct CountLimit {
  std::shared_ptr<Flight> flight;
  net::Timer timer;
  bool passed = false;
  static void fire(void* self) {
    auto* limit = static_cast<CountLimit*>(self);
    limit->passed = true;
    const std::shared_ptr<Flight> flight = limit->flight;  // the limit may end while it is woken
    flight->cancel();
  }
};

// The exchange's cancelling reaches the question only while it is asked.
class Cancelling {
 public:
  Cancelling(Exchange& x, const std::shared_ptr<Flight>& flight) : x_(x) {
    x_.on_cancel = [flight] { flight->cancel(); };
  }
  ~Cancelling() { x_.on_cancel = nullptr; }
  Cancelling(const Cancelling&) = delete;

 private:
  Exchange& x_;
};

}  // namespace

struct Ask::Counting {
  std::shared_ptr<const Upstream> upstream;
  std::shared_ptr<Pool> pool;
  std::shared_ptr<Flight> flight;
  provider::CredentialUse credential;
  std::string question;
  bool died_idle = false;  // the connection was a kept one, and not a byte came back
};

Task<std::optional<std::int64_t>> Ask::count_input(Exchange& x, std::string question,
                                                   std::int64_t timeout_ms) {
  std::shared_ptr<const Upstream> upstream = choose(x);
  if (!upstream || x.cancelled != Cancel::kNone) co_return std::nullopt;
  // One that fails is not asked for more than the call; its probe is the call's.
  if (upstream->breaker->state() != BreakerState::kClosed) co_return std::nullopt;
  Pooled& pooled = pooled_for(*upstream);
  provider::CredentialUse credential(pooled.credential.latest());
  if (!credential) co_return std::nullopt;
  Counting counting{upstream, pooled.pool, std::make_shared<Flight>(), std::move(credential),
                    std::move(question)};
  const Cancelling cancelling(x, counting.flight);
  CountLimit limit;
  limit.flight = counting.flight;
  loop_.arm(limit.timer, loop_.now_ms() + timeout_ms, &CountLimit::fire, &limit);

  Result<std::int64_t> counted = co_await ask_count(x, counting, false);
  if (!counted && counting.died_idle && !counting.flight->cancelled()) {
    counted = co_await ask_count(x, counting, true);
  }
  limit.timer.disarm();
  if (counted) co_return *counted;
  log::warn("upstream.input_not_counted",
            {{"upstream", upstream->config.name},
             {"request_id", x.request_id},
             {"reason", limit.passed ? std::string("no answer in time") : counted.error().what}});
  co_return std::nullopt;
}

Task<Result<std::int64_t>> Ask::ask_count(const Exchange& x, Counting& counting, bool fresh) {
  counting.died_idle = false;
  std::string head =
      write_count_head(x, *counting.upstream, *counting.credential.get(), counting.question.size());
  if (head.empty()) co_return fail(Code::kInvalid, "a header is malformed");
  Result<Lease> lease = co_await Pool::take(counting.pool, counting.flight, fresh);
  if (!lease) co_return std::unexpected(lease.error());
  net::ClientConnection& connection = lease->connection();
  net::BytesBody body(counting.question);
  const Result<void> sent = co_await connection.send(std::move(head), &body, false);
  if (!sent) {
    counting.died_idle = lease->reused() && !connection.received_any();
    co_return std::unexpected(sent.error());
  }
  const Result<net::ResponseMeta> meta = co_await connection.read_head("POST");
  if (!meta) {
    counting.died_idle = lease->reused() && !connection.received_any();
    co_return std::unexpected(meta.error());
  }
  std::string answer;
  while (meta->has_body) {
    const Result<std::string_view> piece = co_await connection.body().pull();
    if (!piece) co_return std::unexpected(piece.error());
    if (piece->empty()) break;
    if (answer.size() + piece->size() > kAnswerBytesMax) {
      co_return fail(Code::kExhausted, "the answer is too long");
    }
    answer += *piece;
  }
  // Its text stays here: of an error it may quote the request, or our key.
  if (meta->status != 200) {
    co_return fail(Code::kUnavailable, "status " + std::to_string(meta->status));
  }
  const std::optional<std::int64_t> tokens = tokens_in(answer);
  if (!tokens) co_return fail(Code::kCorrupt, "the answer is not a count");
  co_return *tokens;
}

}  // namespace sallyport::upstream
