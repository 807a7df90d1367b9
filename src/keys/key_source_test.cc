// SPDX-License-Identifier: Apache-2.0
// Sources of keys against servers that do what a script says, and files.
#include "keys/key_source.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "keys/signer_for_test.h"
#include "net/raw_peer_for_test.h"

namespace sallyport::keys {
namespace {

using std::string;

string jwks(const string& kid) {
  static const SignerForTest key = SignerForTest::p256();
  return "{\"keys\":[" + key.jwk(kid) + "]}";
}
string http_answer(const string& body, const string& status = "200 OK", const string& more = "") {
  return "HTTP/1.1 " + status + "\r\ncontent-length: " + std::to_string(body.size()) + "\r\n" +
         more + "\r\n" + body;
}
net::RawPeer::Script answering(string bytes) {
  return [bytes](net::RawPeer::Link& link) {
    link.read_request();
    link.send(bytes);
  };
}

class KeySourceTest : public testing::Test {
 protected:
  ~KeySourceTest() override { offload_.stop(); }

  std::unique_ptr<KeySource> make(KeySource::Place place) {
    auto made = KeySource::make(std::move(place), {resolver_, offload_, clock_});
    EXPECT_TRUE(made) << (made ? "" : made.error().what);
    return made ? std::move(*made) : nullptr;
  }
  static KeySource::Place at(const net::RawPeer& peer, const string& path = "/jwks") {
    KeySource::Place place;
    place.url = "http://127.0.0.1:" + std::to_string(peer.port()) + path;
    return place;
  }
  // Empty: kUnavailable. Else whether the kid is known.
  static Task<void> find_into(net::Loop& loop, KeySource& source, string kid,
                              std::optional<bool>& known) {
    auto set = co_await source.find(loop, kid);
    if (set) known = (*set)->knows(kid);
  }
  static std::optional<bool> find(KeySource& source, const string& kid) {
    net::Loop loop;
    std::optional<bool> known;
    net::run_on(loop, find_into(loop, source, kid, known));
    return known;
  }
  static void refresh(KeySource& source) {
    net::Loop loop;
    net::run_on(loop, source.refresh_if_due(loop));
  }

  ManualClock clock_{UtcTime(std::chrono::seconds(1'800'000'000))};
  net::Resolver resolver_;
  net::Offload offload_{1};
};

constexpr std::chrono::seconds kMinute{60};

TEST_F(KeySourceTest, AnUnknownKeyIsAskedForAtMostOnceAMinute) {
  net::RawPeer peer({answering(http_answer(jwks("old"))), answering(http_answer(jwks("new")))});
  const auto source = make(at(peer));
  EXPECT_EQ(source->current(), nullptr);
  EXPECT_EQ(find(*source, "old"), true);
  EXPECT_EQ(find(*source, "old"), true);
  EXPECT_EQ(find(*source, "new"), false) << "a minute has not passed";
  EXPECT_EQ(peer.accepted(), 1U);
  clock_.advance(kMinute);
  EXPECT_EQ(find(*source, "new"), true);
  EXPECT_EQ(peer.accepted(), 2U);
  EXPECT_EQ(find(*source, "old"), false) << "a new set takes the place of the old one";
}

TEST_F(KeySourceTest, AKeyThatCameJustAfterAFetchIsAskedForAtOnce) {
  net::RawPeer peer({answering(http_answer(jwks("old"))), answering(http_answer(jwks("new")))});
  const auto source = make(at(peer));
  refresh(*source);
  EXPECT_EQ(find(*source, "old"), true);
  EXPECT_EQ(find(*source, "new"), true);
  EXPECT_EQ(find(*source, "newer"), false) << "once a minute";
  refresh(*source);
  EXPECT_EQ(peer.accepted(), 2U);
}

TEST_F(KeySourceTest, TheOldSetServesWhileTheSourceIsSilentAndThenNoMore) {
  net::RawPeer peer({answering(http_answer(jwks("k"))), answering(http_answer("{}")),
                     answering(http_answer("x", "500 Broken")), answering("")});
  const auto source = make(at(peer));
  refresh(*source);
  EXPECT_EQ(find(*source, "k"), true);
  refresh(*source);
  EXPECT_EQ(peer.accepted(), 1U) << "not due";
  for (std::size_t fetches = 2; fetches <= 4; ++fetches) {
    clock_.advance(10 * kMinute);
    refresh(*source);
    EXPECT_EQ(peer.accepted(), fetches);
    EXPECT_EQ(find(*source, "k"), true) << "it serves on";
  }
  clock_.advance(std::chrono::hours(24));
  EXPECT_EQ(source->current(), nullptr);
  EXPECT_EQ(find(*source, "k"), std::nullopt) << "too old to be believed";
}

TEST_F(KeySourceTest, WhatIsNoAnswer) {
  const string good = jwks("k");
  const struct {
    const char* why;
    string answer;
  } kCases[] = {
      {"a redirect", http_answer("", "302 Found", "location: http://127.0.0.1:1/\r\n")},
      {"not found", http_answer(good, "404 Not Found")},
      {"not JSON", http_answer("<html>")},
      {"too large", http_answer(good + string(kKeySetBytesMax, ' '))},
      {"cut off", http_answer(good).substr(0, 100)},
      {"nothing", ""},
  };
  for (const auto& c : kCases) {
    net::RawPeer peer({answering(c.answer)});
    const auto source = make(at(peer));
    EXPECT_EQ(find(*source, "k"), std::nullopt) << c.why;
    EXPECT_EQ(find(*source, "k"), std::nullopt) << c.why;
    EXPECT_EQ(peer.accepted(), 1U) << c.why << ": a source that fails is not hammered";
  }
}

TEST_F(KeySourceTest, DiscoveryStaysOnTheIssuersHost) {
  const auto run = [&](const auto& document_of, const char* why, std::optional<bool> known) {
    string document;
    net::RawPeer peer({[&](net::RawPeer::Link& link) {
                         EXPECT_TRUE(link.read_request().starts_with(
                             "GET /id/.well-known/openid-configuration HTTP/1.1\r\n"));
                         link.send(http_answer(document));
                       },
                       answering(http_answer(jwks("k")))});
    const string home = "http://127.0.0.1:" + std::to_string(peer.port());
    document = document_of(home);
    KeySource::Place place;
    place.issuer = home + "/id";
    const auto source = make(place);
    EXPECT_EQ(find(*source, "k"), known) << why;
    EXPECT_EQ(peer.accepted(), known ? 2U : 1U) << why;
  };
  const auto doc = [](const string& issuer, const string& uri) {
    return R"({"issuer":")" + issuer + R"(","jwks_uri":")" + uri + "\"}";
  };
  run([&](const string& home) { return doc(home + "/id", home + "/keys"); }, "good", true);
  run([&](const string& home) { return doc(home, home + "/keys"); }, "another issuer", {});
  run([&](const string& home) { return doc(home + "/id", "http://localhost:1/keys"); },
      "another host", {});
  run([&](const string& home) { return doc(home + "/id", "http://127.0.0.1:1/keys"); },
      "another port", {});
  run([&](const string& home) { return doc(home + "/id", "https" + home.substr(4) + "/keys"); },
      "another scheme", {});
  run([&](const string& home) { return R"({"issuer":")" + home + "/id\"}"; }, "no place", {});
  run([&](const string&) { return string("[]"); }, "no document", {});
}

TEST_F(KeySourceTest, AFileIsReadAgain) {
  const string path = testing::TempDir() + "jwks-" + std::to_string(::getpid());
  std::ofstream(path) << jwks("a");
  KeySource::Place place;
  place.file = path;
  const auto source = make(place);
  EXPECT_EQ(find(*source, "a"), true);
  std::ofstream(path) << jwks("b");
  clock_.advance(kMinute);
  EXPECT_EQ(find(*source, "b"), true);
  std::remove(path.c_str());
  clock_.advance(10 * kMinute);
  refresh(*source);
  EXPECT_EQ(find(*source, "b"), true) << "a file that is gone is a source that is silent";
}

TEST_F(KeySourceTest, KeysComeOverHttpsOnly) {
  const struct {
    const char* url;
    bool good;
  } kCases[] = {
      {"https://id.example/jwks", true},    {"http://id.example/jwks", false},
      {"http://127.0.0.1:8080/jwks", true}, {"http://localhost/jwks", true},
      {"http://[::1]/jwks", true},          {"http://127.0.0.1.example/jwks", false},
      {"http://10.0.0.1/jwks", false},      {"file:///etc/passwd", false},
      {"https://a@id.example/jwks", false},
  };
  for (const auto& c : kCases) {
    KeySource::Place place;
    place.url = c.url;
    EXPECT_EQ(KeySource::make(place, {resolver_, offload_, clock_}).has_value(), c.good) << c.url;
  }
  EXPECT_FALSE(KeySource::make({}, {resolver_, offload_, clock_})) << "no place at all";
}

TEST_F(KeySourceTest, OnePlaceIsFetchedForAll) {
  KeySources sources({resolver_, offload_, clock_});
  KeySource::Place place;
  place.file = "/nonexistent/a";
  const auto first = sources.add(place);
  EXPECT_EQ(*sources.add(place), *first);
  place.format = KeySource::Format::kGithub;
  EXPECT_NE(*sources.add(place), *first) << "read in another way it is another source";
}

}  // namespace
}  // namespace sallyport::keys
