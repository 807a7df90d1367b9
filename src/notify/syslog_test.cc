// SPDX-License-Identifier: Apache-2.0
// What is said to a syslog server, octet by octet, and what happens when it goes away.
#include "notify/syslog.h"

#include <gtest/gtest.h>

#include <charconv>
#include <future>

#include "net/raw_peer_for_test.h"
#include "notify/format_for_test.h"

namespace sallyport::notify {
namespace {

SyslogWords words() {
  SyslogWords words;
  words.host = "gw1";
  words.version = "0.1.0";
  return words;
}

// The messages of a stream that counts octets; nothing when it does not.
std::optional<std::vector<std::string>> unframed(std::string_view stream) {
  std::vector<std::string> messages;
  while (!stream.empty()) {
    std::size_t length = 0;
    const auto [end, error] = std::from_chars(stream.data(), stream.data() + stream.size(), length);
    const auto digits = static_cast<std::size_t>(end - stream.data());
    if (error != std::errc() || stream[0] == '0' || digits >= stream.size() || *end != ' ') {
      return std::nullopt;
    }
    stream.remove_prefix(digits + 1);
    if (stream.size() < length) return std::nullopt;
    messages.emplace_back(stream.substr(0, length));
    stream.remove_prefix(length);
  }
  return messages;
}

TEST(Syslog, AMessage) {
  const Outgoing record = record_for_test(4711);
  std::string out;
  append_syslog(out, record, words());
  const std::string message =
      "<108>1 2026-01-01T00:00:00.123Z gw1 sallyport - request [sallyport@32473 "
      "id=\"gw1.example/audit:4711\" seq=\"4711\" key=\"user_42\" status=\"401\"] "
      "{\"id\":\"gw1.example/audit:4711\"," +
      record.line.substr(1);
  EXPECT_EQ(out, std::to_string(message.size()) + " " + message);
}

TEST(Syslog, Cef) {
  SyslogWords cef = words();
  cef.cef = true;
  cef.facility = 16;
  std::string out;
  append_syslog(out, record_for_test(1), cef);
  EXPECT_NE(out.find("<132>1 "), std::string::npos) << out;
  EXPECT_NE(out.find("] CEF:0|Sallyport|Gateway|0.1.0|"), std::string::npos) << out;
}

TEST(Syslog, NothingFromOutsideEndsTheData) {
  Outgoing record = record_for_test(1);
  record.event.api_key_id = "a\"]\\\n";
  std::string out;
  append_syslog(out, record, words());
  EXPECT_NE(out.find(R"(key="a\"\]\\?")"), std::string::npos) << out;
  EXPECT_EQ(out.find('\n'), std::string::npos);
  EXPECT_EQ(syslog_name("a b\nc", 255), "a_b_c");
  EXPECT_EQ(syslog_name("", 255), "-");
  EXPECT_EQ(syslog_name("abcdef", 3), "abc");
}

TEST(Syslog, WhatIsTooLongSaysItsId) {
  Outgoing record = record_for_test(1);
  record.line = "{\"x\":\"" + std::string(9'000, 'x') + "\"}";
  std::string out;
  append_syslog(out, record, words());
  EXPECT_LT(out.size(), 400u);
  EXPECT_TRUE(out.ends_with(R"(] {"id":"gw1.example/audit:1","cut_bytes":9035})")) << out;
}

struct ConfigCase {
  const char* why;
  const char* url;
  std::map<std::string, std::string> options;
  bool good;
};

TEST(Syslog, WhatMayStand) {
  const ConfigCase cases[] = {
      {"plain text to an allowed network", "tcp://127.0.0.1:601", {}, true},
      {"a name over TLS", "tls://log.example:6514", {}, true},
      {"plain text to a private network that is not allowed", "tcp://10.0.0.1:601", {}, false},
      {"no port", "tls://log.example", {}, false},
      {"IPv6 without a port", "tls://[::1]", {}, false},
      {"no scheme", "log.example:6514", {}, false},
      {"a path", "tls://log.example:6514/x", {}, false},
      {"UDP is lossy", "udp://log.example:514", {}, false},
      {"cef", "tls://log.example:6514", {{"format", "cef"}}, true},
      {"another format", "tls://log.example:6514", {{"format", "xml"}}, false},
      {"a facility beyond the last", "tls://log.example:6514", {{"facility", "24"}}, false},
      {"too short messages", "tls://log.example:6514", {{"message_bytes", "100"}}, false},
      {"a number that is none", "tls://log.example:6514", {{"enterprise", "x"}}, false},
      {"a window beyond its limit", "tls://log.example:6514", {{"resend", "1h"}}, false},
  };
  for (const ConfigCase& test : cases) {
    SinkConfig config = entry_for_test("syslog", test.url, "");
    config.token = nullptr;
    config.options = test.options;
    const Result<void> checked = check_sink(config);
    EXPECT_EQ(checked.has_value(), test.good)
        << test.why << (checked ? "" : ": " + checked.error().what);
  }
}

// One sink on a loop of its own, called from the test's thread.
class Caller {
 public:
  explicit Caller(std::uint16_t port, std::map<std::string, std::string> options = {}) {
    SinkConfig config = entry_for_test("syslog", "tcp://127.0.0.1:" + std::to_string(port), "");
    config.timeout = std::chrono::seconds(5);
    config.options = std::move(options);
    sink_ = std::move(*make_syslog(config, {
                                               resolver_,
                                               clock_,
                                               "gw1",
                                               "gw1",
                                               "1",
                                           }));
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~Caller() {
    std::promise<void> gone;
    loop_.post([&] {
      sink_.reset();
      gone.set_value();
    });
    gone.get_future().wait();
    loop_.stop();
    thread_.join();
    loop_.drop_tasks();
  }
  std::string deliver(std::uint64_t seq) {
    std::promise<std::string> done;
    auto batch = std::make_shared<Batch>();
    batch->push_back(record_for_test(seq));
    loop_.post([&] { loop_.spawn(call(loop_, *sink_, batch, done)); });
    return done.get_future().get();
  }
  void idle() {
    std::promise<void> done;
    loop_.post([&] { loop_.spawn(rest(loop_, *sink_, done)); });
    done.get_future().get();
  }

 private:
  static Task<void> call(net::Loop& loop, Sink& sink, std::shared_ptr<const Batch> batch,
                         std::promise<std::string>& done) {
    const Verdict verdict = co_await sink.deliver(loop, std::move(batch));
    done.set_value(short_of(verdict));
  }
  static Task<void> rest(net::Loop& loop, Sink& sink, std::promise<void>& done) {
    co_await sink.idle(loop);
    done.set_value();
  }
  net::Loop loop_;
  net::Resolver resolver_;
  SystemClock clock_;
  std::unique_ptr<Sink> sink_;
  std::thread thread_;
};

std::string seqs(const std::string& stream) {
  const auto messages = unframed(stream);
  if (!messages) return "not framed: " + stream;
  std::string all;
  for (const std::string& message : *messages) {
    const std::size_t at = message.find("seq=\"") + 5;
    all += (all.empty() ? "" : " ") + message.substr(at, message.find('"', at) - at);
  }
  return all;
}

// Reads until it has `messages`, then acts.
std::string take(net::RawPeer::Link& link, std::size_t messages) {
  std::string stream;
  while (true) {
    const auto whole = unframed(stream);
    if (whole && whole->size() >= messages) return stream;
    const std::string piece = link.read_some();
    if (piece.empty()) return stream;
    stream += piece;
  }
}

TEST(Syslog, OneConnectionForAll) {
  std::promise<std::string> got;
  net::RawPeer peer({[&](auto& link) { got.set_value(link.read_all()); }});
  {
    Caller caller(peer.port());
    for (std::uint64_t seq = 1; seq <= 3; ++seq) EXPECT_EQ(caller.deliver(seq), "done");
  }
  EXPECT_EQ(seqs(got.get_future().get()), "1 2 3");
}

TEST(Syslog, WhatMayBeLostGoesAgain) {
  std::promise<std::string> first, second;
  net::RawPeer peer({[&](auto& link) {
                       first.set_value(take(link, 2));
                       link.finish();  // it may have thrown away what it read
                     },
                     [&](auto& link) { second.set_value(link.read_all()); }});
  {
    Caller caller(peer.port());
    EXPECT_EQ(caller.deliver(1), "done");
    EXPECT_EQ(caller.deliver(2), "done");
    EXPECT_EQ(seqs(first.get_future().get()), "1 2");
    while (peer.accepted() < 2) caller.idle();
    EXPECT_EQ(caller.deliver(3), "done");
  }
  EXPECT_EQ(seqs(second.get_future().get()), "1 2 3");
}

TEST(Syslog, AWindowOfNothingSendsNothingAgain) {
  std::promise<std::string> second;
  std::promise<void> cut;
  net::RawPeer peer({[&](auto& link) {
                       take(link, 1);
                       link.reset();
                       cut.set_value();
                     },
                     [&](auto& link) { second.set_value(link.read_all()); }});
  {
    Caller caller(peer.port(), {{"resend", "0s"}});
    EXPECT_EQ(caller.deliver(1), "done");
    cut.get_future().wait();
    std::string verdict = "again";
    while (verdict != "done" || peer.accepted() < 2) verdict = caller.deliver(2);
  }
  const std::string got = seqs(second.get_future().get());
  EXPECT_EQ(got.find('1'), std::string::npos) << got;
  EXPECT_EQ(got[0], '2');
}

TEST(Syslog, NobodyThere) {
  std::uint16_t port = 0;
  {
    net::RawPeer peer({});
    port = peer.port();
  }
  Caller caller(port);
  EXPECT_EQ(caller.deliver(1), "again");
}

}  // namespace
}  // namespace sallyport::notify
