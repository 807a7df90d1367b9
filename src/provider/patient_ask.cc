// SPDX-License-Identifier: Apache-2.0
#include "provider/patient_ask.h"

#include <string.h>

#include <algorithm>
#include <utility>

#include "base/random.h"
#include "base/text.h"
#include "provider/admin_json.h"

namespace sallyport::provider {
namespace {

constexpr std::size_t kCodeBytesMax = 64;

// What is asked again holds our admin key or a signed identity until it is answered.
struct WipedQuestion {
  explicit WipedQuestion(net::Question& of) : question(of) {}
  WipedQuestion(const WipedQuestion&) = delete;
  ~WipedQuestion() {
    explicit_bzero(question.body.data(), question.body.size());
    for (auto& [name, value] : question.headers) explicit_bzero(value.data(), value.size());
  }
  net::Question& question;
};

std::string where_of(const net::Question& question) {
  const std::size_t host = question.url.find("://");
  const std::size_t path = question.url.find('/', host == std::string::npos ? 0 : host + 3);
  std::string target = path == std::string::npos ? "/" : question.url.substr(path);
  return question.method + " " + target.substr(0, target.find('?'));
}

// The stable code of an error envelope; its message may quote a key and is never read.
std::string code_of(const std::string& body) {
  const Result<JsonValue> answer = JsonValue::parse(body);
  if (!answer || !answer->is_object()) return {};
  const auto error = answer->at("error");
  if (!error) return {};
  std::string code =
      error->is_object() ? text_of(*error, "code") : std::string(error->string().value_or(""));
  const bool plain = std::ranges::all_of(
      code, [](char c) { return (c >= 'a' && c <= 'z') || c == '_' || (c >= '0' && c <= '9'); });
  return plain && code.size() <= kCodeBytesMax ? code : std::string();
}

std::optional<std::int64_t> retry_after_ms(const net::Reply& reply) {
  for (const auto& [name, value] : reply.headers) {
    if (name == "retry-after-ms") {
      if (const auto ms = parse_uint(value))
        return static_cast<std::int64_t>(std::min(*ms, 1ul << 40));
    }
  }
  for (const auto& [name, value] : reply.headers) {
    if (name != "retry-after") continue;
    // Of the two forms only seconds: a date would need a clock that both agree on.
    if (const auto s = parse_uint(value)) {
      return static_cast<std::int64_t>(std::min<std::uint64_t>(*s, 1u << 30)) * 1000;
    }
  }
  return std::nullopt;
}

std::int64_t jittered(std::int64_t ms) {
  std::uint32_t random = 0;
  fill_random({reinterpret_cast<unsigned char*>(&random), sizeof random});
  return ms / 2 + static_cast<std::int64_t>(random % static_cast<std::uint32_t>(ms / 2 + 1));
}

bool repeatable(const std::string& method, const Result<net::Reply>& reply) {
  if (reply && reply->status == 429) return true;
  if (method != "GET" && method != "DELETE") return false;
  return !reply ? reply.error().code != Code::kInvalid : reply->status >= 500;
}

}  // namespace

Error error_of_status(int status, const std::string& where, const net::Reply& reply) {
  std::string what = where + " answered " + std::to_string(status);
  if (const std::string code = code_of(reply.body); !code.empty()) what += " (" + code + ")";
  if (status == 401 || status == 403) return {Code::kDenied, std::move(what)};
  if (status == 404) return {Code::kNotFound, std::move(what)};
  if (status == 429) return {Code::kExhausted, std::move(what)};
  if (status >= 500) return {Code::kUnavailable, std::move(what)};
  if (status >= 400) return {Code::kInvalid, std::move(what)};
  return {Code::kCorrupt, std::move(what)};  // a redirect is not followed
}

Task<Result<net::Reply>> ask_patiently(net::Loop& loop, net::Resolver& resolver,
                                       std::shared_ptr<const net::TlsContext> tls,
                                       PatientQuestion patient) {
  const AskLimits limits = patient.limits;
  const WipedQuestion wiped(patient.question);
  const std::string where = where_of(patient.question);
  patient.question.timeout_ms = limits.timeout_ms;
  patient.question.answer_bytes_max = limits.answer_bytes_max;
  std::int64_t pause_ms = limits.backoff_ms;
  for (int attempt = 1;; ++attempt) {
    net::Question question = patient.question;
    Task<Result<net::Reply>> asking = net::ask(loop, resolver, tls, std::move(question));
    Result<net::Reply> reply = co_await asking;
    if (reply && reply->status >= 200 && reply->status < 300) co_return reply;

    std::optional<std::int64_t> told_ms;
    if (reply) told_ms = retry_after_ms(*reply);
    const bool again = repeatable(patient.question.method, reply) &&
                       attempt < limits.attempts_max &&
                       told_ms.value_or(0) <= limits.retry_after_max_ms;
    if (!again) {
      if (reply) co_return std::unexpected(error_of_status(reply->status, where, *reply));
      // Too large or too slow an answer is no rate limit: the effect is unknown.
      const Code code = reply.error().code == Code::kInvalid ? Code::kInvalid : Code::kUnavailable;
      co_return fail(code, where + ": " + reply.error().what);
    }
    co_await loop.sleep_for(std::max(jittered(pause_ms), told_ms.value_or(0)));
    pause_ms = std::min(pause_ms * 2, limits.backoff_max_ms);
  }
}

}  // namespace sallyport::provider
