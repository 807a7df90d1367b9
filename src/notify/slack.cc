// SPDX-License-Identifier: Apache-2.0
#include "notify/slack.h"

#include <algorithm>
#include <array>
#include <deque>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "base/json_reader.h"
#include "notify/http_peer.h"
#include "notify/http_sink.h"
#include "notify/slack_message.h"

namespace sallyport::notify {
namespace {

constexpr std::string_view kHooks = "https://hooks.slack.com/services";
constexpr std::string_view kApi = "https://slack.com/api";
constexpr std::string_view kBot = "xoxb-";
constexpr std::size_t kTopicsMax = 1'024;   // beyond it nothing more is held back
constexpr std::size_t kThreadsMax = 1'024;  // beyond it the oldest incident gets a new thread

constexpr std::string_view kStops[] = {
    "invalid_auth",       "not_authed",          "account_inactive",  "token_revoked",
    "token_expired",      "channel_not_found",   "not_in_channel",    "is_archived",
    "missing_scope",      "no_permission",       "restricted_action", "ekm_access_denied",
    "org_login_required", "channel_is_archived",
};
constexpr std::string_view kDead[] = {"msg_too_long",      "invalid_blocks",
                                      "no_text",           "msg_blocks_too_long",
                                      "invalid_arguments", "invalid_payload"};

template <std::size_t N>
bool among(const std::string_view (&words)[N], std::string_view word) {
  return std::ranges::find(words, word) != std::end(words);
}

// Slack's error codes are plain words; anything else is not repeated.
std::string plain(std::string_view word) {
  const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  if (word.empty() || word.size() > 64 || !std::ranges::all_of(word, fits)) return "an error";
  return std::string(word);
}

bool is_bot(const SinkConfig& config) { return config.token->reveal().starts_with(kBot); }

// Of an incoming webhook: T000/B000/XXXX, also when the whole address was given as the secret.
std::string_view secret_path(const SinkConfig& config) {
  std::string_view path = config.token->reveal();
  if (path.starts_with(kHooks)) path.remove_prefix(kHooks.size());
  while (path.starts_with('/')) path.remove_prefix(1);
  return path;
}

std::string base_of(const SinkConfig& config) {
  if (config.url.empty()) return std::string(is_bot(config) ? kApi : kHooks);
  std::string url = config.url;
  while (url.ends_with('/')) url.pop_back();
  return url;
}

Verdict judge_hook(const net::Reply& reply, const Batch& batch, std::chrono::milliseconds wait) {
  Verdict verdict = verdict_of_status(reply.status, batch, wait);
  if (reply.status == 200 && reply.body != "ok") {
    return {.kind = Verdict::Kind::kAgain, .why = "the answer is not Slack's"};
  }
  if (reply.status != 200 && !reply.body.empty()) verdict.why += " " + plain(reply.body);
  return verdict;
}

Verdict judge_api(const net::Reply& reply, const Batch& batch, std::chrono::milliseconds wait,
                  std::string& ts) {
  if (reply.status != 200) return verdict_of_status(reply.status, batch, wait);
  const Result<JsonValue> answer = JsonValue::parse(reply.body);
  const auto ok = answer && answer->is_object() ? answer->at("ok") : std::nullopt;
  if (!ok || !ok->boolean()) {
    return {.kind = Verdict::Kind::kAgain, .why = "the answer is not Slack's"};
  }
  const auto word = [&](std::string_view name) {
    const std::optional<JsonValue> value = answer->at(name);
    return std::string(value ? value->string().value_or("") : "");
  };
  if (*ok->boolean()) {
    ts = word("ts");
    return {};
  }
  const std::string error = plain(word("error"));
  Verdict verdict{.kind = Verdict::Kind::kAgain, .wait = wait, .why = "Slack answered " + error};
  if (among(kStops, error)) verdict.kind = Verdict::Kind::kStop;
  if (among(kDead, error)) {
    verdict.kind = Verdict::Kind::kDone;
    verdict.dead.push_back({0, verdict.why});
  }
  return verdict;
}

class SlackSink final : public Sink {
 public:
  SlackSink(const SinkConfig& config, std::unique_ptr<HttpPeer> peer)
      : config_(config), bot_(is_bot(config)), peer_(std::move(peer)) {
    const SinkType& type = *find_sink_type("slack");
    channel_ = bot_ ? option(config, type, "channel") : "";
    pace_ms_ = parse_duration(option(config, type, "pace"))->count();
    window_ms_ = parse_duration(option(config, type, "window"))->count();
  }

  Task<Verdict> deliver(net::Loop& loop, std::shared_ptr<const Batch> batch) override {
    const std::int64_t until = loop.now_ms() + config_.timeout.count();
    const std::vector<SlackMessage> messages = slack_messages(*batch);
    Verdict all;
    all.taken = 0;  // what is held back was not shown to Slack
    for (std::size_t i = 0; i < messages.size(); ++i) {
      if (held_back(messages[i], loop.now_ms())) continue;
      if (i > 0 && loop.now_ms() >= until) {
        all.kind = Verdict::Kind::kAgain;  // the rest of a long batch, without a failure
        rest(all, messages, i);
        co_return all;
      }
      const Verdict verdict = co_await post(loop, messages[i]);
      if (!verdict.dead.empty() || verdict.kind == Verdict::Kind::kHalve) {
        for (const std::size_t index : messages[i].records)
          all.dead.push_back({index, verdict.why});
        continue;
      }
      if (verdict.kind == Verdict::Kind::kDone) {
        told(messages[i], loop.now_ms());
        *all.taken += messages[i].records.size();
        continue;
      }
      all.kind = verdict.kind;
      all.wait = verdict.wait;
      all.why = verdict.why;
      rest(all, messages, i);
      co_return all;
    }
    co_return all;
  }

  // Tells how many were held back in a window that is over. If that fails it is told later.
  Task<void> idle(net::Loop& loop) override {
    const std::int64_t now_ms = loop.now_ms();
    for (auto topic = topics_.begin(); topic != topics_.end();) {
      if (topic->second.until_ms > now_ms) {
        ++topic;
        continue;
      }
      if (topic->second.more > 0) {
        const SlackMessage message = slack_more(topic->second.title, topic->second.more);
        const Verdict verdict = co_await post(loop, message);
        if (verdict.kind != Verdict::Kind::kDone) co_return;
      }
      topic = topics_.erase(topic);
    }
    peer_->tidy(loop.now_ms());
  }
  void let_go() override { peer_->hang_up(); }

 private:
  struct Topic {
    std::string title;
    std::int64_t until_ms = 0;
    std::uint64_t more = 0;
  };

  static void rest(Verdict& verdict, const std::vector<SlackMessage>& messages, std::size_t from) {
    for (std::size_t i = from; i < messages.size(); ++i) {
      for (const std::size_t index : messages[i].records) verdict.again.push_back(index);
    }
    std::ranges::sort(verdict.again);
  }

  bool held_back(const SlackMessage& message, std::int64_t now_ms) {
    if (message.urgent || !message.incident.empty()) return false;
    const auto topic = topics_.find(message.topic);
    if (topic == topics_.end() || topic->second.until_ms <= now_ms) return false;
    topic->second.more += message.records.size();
    return true;
  }

  void told(const SlackMessage& message, std::int64_t now_ms) {
    if (message.urgent || !message.incident.empty()) return;
    const auto topic = topics_.find(message.topic);
    if (topic == topics_.end() && topics_.size() >= kTopicsMax) return;
    Topic& kept = topics_[message.topic];
    kept.title = message.title;
    kept.until_ms = now_ms + window_ms_;
  }

  Task<Verdict> post(net::Loop& loop, SlackMessage message) {
    const std::int64_t early_ms = next_at_ms_ - loop.now_ms();
    if (early_ms > 0) co_await loop.sleep_for(early_ms);
    const std::string thread = bot_ ? thread_of(message.incident) : "";
    net::Question question;
    question.method = "POST";
    question.url = base_of(config_) + "/";
    question.headers.emplace_back("content-type", "application/json; charset=utf-8");
    if (bot_) {
      question.url += "chat.postMessage";
      question.headers.emplace_back("authorization",
                                    "Bearer " + std::string(config_.token->reveal()));
    } else {
      question.url += secret_path(config_);
    }
    question.body = slack_body(message, channel_, thread);
    const Result<net::Reply> reply = co_await peer_->ask(loop, std::move(question));
    next_at_ms_ = loop.now_ms() + pace_ms_;
    if (!reply) co_return HttpPeer::verdict_of_error(reply.error());
    const Batch one(1);
    if (!bot_) co_return judge_hook(*reply, one, peer_->wait(*reply));
    std::string ts;
    const Verdict verdict = judge_api(*reply, one, peer_->wait(*reply), ts);
    if (!ts.empty() && thread.empty()) open_thread(message.incident, ts);
    co_return verdict;
  }

  std::string thread_of(const std::string& incident) const {
    const auto found = std::ranges::find(threads_, incident, &Thread::first);
    return incident.empty() || found == threads_.end() ? "" : found->second;
  }

  void open_thread(const std::string& incident, const std::string& ts) {
    if (incident.empty()) return;
    threads_.emplace_back(incident, ts);
    if (threads_.size() > kThreadsMax) threads_.pop_front();
  }

  using Thread = std::pair<std::string, std::string>;  // incident, ts of its first message

  const SinkConfig config_;
  const bool bot_;
  std::unique_ptr<HttpPeer> peer_;
  std::string channel_;
  std::int64_t pace_ms_ = 0, window_ms_ = 0, next_at_ms_ = 0;
  std::map<std::string, Topic> topics_;
  std::deque<Thread> threads_;  // lost at a restart: an incident then gets a second thread
};

}  // namespace

Result<void> check_slack(const SinkConfig& config) {
  const SinkType& type = *find_sink_type("slack");
  for (const std::string_view name : {"pace", "window"}) {
    const auto time = parse_duration(option(config, type, name));
    if (!time || *time > std::chrono::minutes(10)) {
      return fail(Code::kInvalid, "options." + std::string(name) + ": a duration, 0s to 10m");
    }
  }
  if (is_bot(config)) {
    if (!option(config, type, "channel").empty()) return {};
    return fail(Code::kInvalid, "options.channel: missing; a bot's token says no channel");
  }
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
           c == '-' || c == '_';
  };
  const std::string_view path = secret_path(config);
  if (path.empty() || !std::ranges::all_of(path, fits)) {
    return fail(Code::kInvalid,
                "token: a bot's token (xoxb-...), or the address of an incoming webhook");
  }
  return {};
}

Result<std::unique_ptr<Sink>> make_slack(const SinkConfig& config, const SinkParts& parts) {
  Result<std::unique_ptr<HttpPeer>> peer = HttpPeer::make(config, base_of(config), parts);
  if (!peer) return std::unexpected(std::move(peer).error());
  return std::make_unique<SlackSink>(config, std::move(*peer));
}

}  // namespace sallyport::notify
