// SPDX-License-Identifier: Apache-2.0
// `sallyport demo`: the gate, the simulated provider and some traffic in one process, told as a
// story. What it shows is what happens: every line is written after the thing it tells.
#include <fmt/format.h>

#include <ostream>

#include "base/json_reader.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/demo_house.h"
#include "cli/socket_client.h"
#include "net/http_client.h"
#include "net/sse.h"

namespace sallyport::cli {
namespace {

constexpr std::int64_t kStartMs = 10'000;
constexpr std::int64_t kLookEveryMs = 20;
constexpr std::int64_t kPatienceMs = 30'000;  // for any one answer
constexpr std::size_t kPiecesBeforeRevoking = 6;
constexpr std::size_t kShownOfKey = 14;

std::string chat_body(bool streamed) {
  return std::string(R"({"model":"sim-chunks-24","messages":[{"role":"user","content":)") +
         R"("What does a gate with two doors do?"}],"stream":)" + (streamed ? "true}" : "false}");
}

// A member below members and first items: "choices 0 message content".
std::string text_at(const std::string& json, std::initializer_list<std::string_view> path) {
  Result<JsonValue> value = JsonValue::parse(json);
  for (const std::string_view step : path) {
    if (!value) return "";
    if (step == "0") {
      const std::vector<JsonValue> items = value->items();
      if (items.empty()) return "";
      value = items.front();
      continue;
    }
    const auto member = value->at(step);
    if (!member) return "";
    value = *member;
  }
  return value ? std::string(value->string().value_or("")) : "";
}

class Story {
 public:
  Story(DemoHouse& house, std::ostream& out) : house_(house), out_(out) {}

  // False: something did not happen as it should; what, was told.
  bool tell() {
    loop_.spawn(run(*this));
    loop_.run();
    return told_;
  }

 private:
  static Task<void> run(Story& story) {
    story.told_ = co_await story.chapters();
    story.loop_.stop();
  }

  void say(std::string_view line) { out_ << line << std::endl; }
  bool went_wrong(std::string_view what) {
    say(fmt::format("    this went wrong: {}", what));
    return false;
  }

  Task<bool> chapters() {
    const bool open = co_await wait_for_gate();
    if (!open) co_return false;
    say(fmt::format("1. The gate is open at {}; behind it stands a simulated provider.",
                    house_.base_url()));
    if (!make_key()) co_return false;
    const bool called = co_await one_call();
    if (!called) co_return false;
    say("4. The same as a stream, piece by piece:");
    const bool streamed = co_await one_stream(false);
    if (!streamed) co_return false;
    const bool refused = co_await wrong_key();
    if (!refused) co_return false;
    say("6. A stream begins, and in the middle of it the key is revoked:");
    const bool cut = co_await one_stream(true);
    if (!cut) co_return false;
    const bool dead = co_await dead_key();
    co_return dead;
  }

  Task<bool> wait_for_gate() {
    const net::Deadline until = loop_.now_ms() + kStartMs;
    while (loop_.now_ms() < until && !house_.gate_ended()) {
      const net::Endpoint gate{IpAddress::v4(0x7f000001), house_.gate_port()};
      const Result<int> fd = co_await net::connect_tcp(loop_, gate, until);
      if (fd) {
        const net::Handle closes(loop_, *fd);
        co_return true;
      }
      co_await loop_.sleep_for(kLookEveryMs);
    }
    co_return went_wrong(house_.gate_ended() ? "the gate did not start: " + house_.gate_words()
                                             : "the gate did not open in time");
  }

  bool make_key() {
    const auto made = ask_socket(house_.admin_socket(), "POST", "/admin/v1/keys",
                                 R"({"name":"demo_app","life":"1h"})");
    if (!made || made->status != 201) return went_wrong("no key could be made");
    key_ = text_at(made->body, {"key"});
    say(fmt::format("2. A key is made: {}... named demo_app. It lives an hour; only a MAC is kept.",
                    key_.substr(0, kShownOfKey)));
    return true;
  }

  net::Question chat(std::string_view key) const {
    net::Question question;
    question.method = "POST";
    question.url = house_.base_url() + "/chat/completions";
    question.headers = {{"authorization", "Bearer " + std::string(key)},
                        {"content-type", "application/json"}};
    question.body = chat_body(false);
    question.timeout_ms = kPatienceMs;
    return question;
  }

  Task<bool> one_call() {
    net::Question question = chat(key_);
    const Result<net::Reply> reply =
        co_await net::ask(loop_, resolver_, nullptr, std::move(question));
    if (!reply || reply->status != 200) co_return went_wrong("the call did not pass");
    say("3. A call passes. The provider saw its own key, never the client's. It answered:");
    say("     " + text_at(reply->body, {"choices", "0", "message", "content"}));
    co_return true;
  }

  Task<bool> wrong_key() {
    net::Question question = chat("sk-sp1-notakey");
    const Result<net::Reply> reply =
        co_await net::ask(loop_, resolver_, nullptr, std::move(question));
    if (!reply || reply->status != 401) co_return went_wrong("a wrong key was not refused");
    say(fmt::format("5. A wrong key: {} \"{}\" Nothing went to the provider.", reply->status,
                    text_at(reply->body, {"error", "message"})));
    co_return true;
  }

  Task<bool> dead_key() {
    net::Question question = chat(key_);
    const Result<net::Reply> reply =
        co_await net::ask(loop_, resolver_, nullptr, std::move(question));
    if (!reply || reply->status != 401) co_return went_wrong("a revoked key was not refused");
    say(fmt::format("7. The next call with that key: {}. A thief is not told why.", reply->status));
    co_return true;
  }

  Task<bool> one_stream(bool revoke) {
    const net::Deadline until = loop_.now_ms() + kPatienceMs;
    const net::Endpoint gate{IpAddress::v4(0x7f000001), house_.gate_port()};
    const Result<int> fd = co_await net::connect_tcp(loop_, gate, until);
    if (!fd) co_return went_wrong("the gate does not accept");
    net::ClientConnection connection(net::plain_stream(loop_, *fd), net::ClientTimeouts());
    const std::string body = chat_body(true);
    std::string head = fmt::format(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {}\r\n"
        "content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        key_, body.size());
    net::BytesBody sends(body);
    const Result<void> sent = co_await connection.send(std::move(head), &sends, false);
    if (!sent) co_return went_wrong("the request did not go out");
    const Result<net::ResponseMeta> meta = co_await connection.read_head("POST");
    if (!meta || meta->status != 200) co_return went_wrong("the stream did not begin");
    const bool as_told = co_await read_stream(connection.body(), revoke);
    co_return as_told;
  }

  Task<bool> read_stream(net::BodySource& body, bool revoke) {
    net::SseSplitter splitter;
    std::size_t pieces = 0;
    std::int64_t revoked_at = 0;
    std::string ended;
    out_ << "     ";
    for (bool more = true; more;) {
      const Result<std::string_view> bytes = co_await body.pull();
      more = bytes && !bytes->empty();
      if (!more) break;
      splitter.feed(*bytes);
      net::SseEvent event;
      while (splitter.next(event)) {
        const std::string data(event.data);
        out_ << text_at(data, {"choices", "0", "delta", "content"}) << std::flush;
        if (data.contains("\"error\"")) ended = text_at(data, {"error", "message"});
        if (data == "[DONE]") ended = "[DONE]";
        ++pieces;
      }
      if (revoke && revoked_at == 0 && pieces >= kPiecesBeforeRevoking) {
        const auto done =
            ask_socket(house_.admin_socket(), "POST", "/admin/v1/keys/demo_app/revoke", "{}");
        if (!done || done->status != 200) co_return went_wrong("the key could not be revoked");
        loop_.refresh_now();
        revoked_at = loop_.now_ms();
        out_ << " [revoked]" << std::flush;
      }
    }
    out_ << std::endl;
    if (!revoke) co_return ended == "[DONE]" || went_wrong("the stream has no end");
    if (ended.empty() || ended == "[DONE]") co_return went_wrong("the stream was not cut");
    say(fmt::format("     cut after {} ms: \"{}\"", loop_.now_ms() - revoked_at, ended));
    co_return true;
  }

  DemoHouse& house_;
  std::ostream& out_;
  net::Resolver resolver_;
  net::Loop loop_;
  std::string key_;
  bool told_ = false;
};

int show_journal(const Invocation& call, const DemoHouse& house) {
  const Programs none;
  Invocation query{.config_file = house.config_file(),
                   .json = call.json,
                   .values = {},
                   .out = call.out,
                   .err = call.err};
  query.values["oldest-first"] = {};
  if (!call.json) query.values["table"] = {};
  const int printed = audit_query(query, none);
  if (printed != kOk || call.json) return printed;
  query.values.clear();
  return audit_verify(query, none);
}

}  // namespace

int demonstrate(const Invocation& call, Program serve) {
  std::ostream& story =
      call.json ? call.err : call.out;       // with --json, stdout has the journal alone
  log::configure(log::Level::kWarn, false);  // the story tells what the operator's log would
  auto house = DemoHouse::open(serve);
  if (!house) return complain(call, house.error());
  story << "Sallyport, a gate with two doors: nothing passes straight through.\n" << std::endl;
  const bool told = Story(**house, story).tell();
  if (!told) return kFailed;
  (*house)->stop_gate();
  story << "\n8. What the journal says, one line a call (sallyport audit query), and that it is "
           "whole:\n"
        << std::endl;
  const int shown = show_journal(call, **house);
  if (shown != kOk) return shown;
  story << "\nNow with a provider:  OPENAI_API_KEY=... sallyport serve --quickstart" << std::endl;
  return kOk;
}

}  // namespace sallyport::cli
