// SPDX-License-Identifier: Apache-2.0
#include "notify/compression.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include "notify/format_for_test.h"
#include "notify/http_peer.h"
#include "notify/http_receiver_for_test.h"

namespace sallyport::notify {
namespace {

// What zlib reads out of it; nothing when it is not exactly one gzip member.
std::optional<std::string> gunzip(std::string_view packed, std::size_t bytes_max) {
  z_stream z{};
  if (inflateInit2(&z, 15 + 16) != Z_OK) return std::nullopt;
  std::string out(bytes_max, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  z.avail_in = static_cast<uInt>(packed.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  const int state = inflate(&z, Z_FINISH);
  out.resize(z.total_out);
  const bool all = state == Z_STREAM_END && z.avail_in == 0;
  inflateEnd(&z);
  if (!all) return std::nullopt;
  return out;
}

TEST(Compression, WhatGoesInComesOut) {
  std::string records;
  for (const Outgoing& record : batch_for_test(500)) records += record.line + "\n";
  std::string noise(100'000, '\0');  // cannot become smaller
  std::uint32_t state = 1;
  for (char& c : noise) c = static_cast<char>((state = state * 1'664'525 + 1'013'904'223) >> 24);
  for (const std::string& text : {std::string(), std::string("x"), records, noise}) {
    const Result<std::string> packed = gzip(text);
    ASSERT_TRUE(packed);
    EXPECT_EQ(gunzip(*packed, text.size() + 1), text);
  }
  EXPECT_LT(gzip(records)->size() * 8, records.size()) << "records are much alike";
}

struct BodyCase {
  const char* why;
  const char* type;
  const char* compression;  // of the entry; "": nothing is said
  std::size_t bytes;
  bool packed;
};

TEST(Compression, ABodyGoesAsTheEntrySays) {
  const BodyCase cases[] = {
      {"gzip is what receivers expect", "elasticsearch", "", 100'000, true},
      {"gzip", "splunk", "gzip", 100'000, true},
      {"none", "splunk", "none", 100'000, false},
      {"what fits one packet goes as it is", "splunk", "gzip", 1'000, false},
      {"Datadog", "datadog", "", 100'000, true},
      {"OTLP", "otlp", "", 100'000, true},
      {"a webhook's signature is over the body as it is", "webhook", "", 100'000, false},
      {"BigQuery does not say that it takes it", "bigquery", "", 100'000, false},
  };
  HttpReceiverForTest receiver([](const net::ServerRequest&) { return net::ServerResponse(); });
  net::Resolver resolver;
  const SystemClock clock;
  for (const BodyCase& test : cases) {
    SinkConfig config = entry_for_test(test.type, receiver.url(), "t");
    if (*test.compression) config.options["compression"] = test.compression;
    net::Loop loop;
    auto peer = HttpPeer::make(config, config.url, {resolver, clock, "gw1", "gw1", "1"});
    ASSERT_TRUE(peer);
    net::Question question;
    question.method = "POST";
    question.url = config.url;
    question.body = std::string(test.bytes, 'x');
    ASSERT_TRUE(run_for_test(loop, (*peer)->ask(loop, std::move(question)))) << test.why;
    const net::ServerRequest asked = receiver.requests().back();
    const std::string* encoding = nullptr;
    for (const auto& [name, value] : asked.headers) {
      if (name == "content-encoding") encoding = &value;
    }
    ASSERT_EQ(encoding != nullptr, test.packed) << test.why;
    if (test.packed) {
      EXPECT_EQ(*encoding, "gzip");
      EXPECT_EQ(gunzip(asked.body, test.bytes + 1), std::string(test.bytes, 'x')) << test.why;
    } else {
      EXPECT_EQ(asked.body, std::string(test.bytes, 'x')) << test.why;
    }
  }
}

TEST(Compression, OnlyWhatReceiversKnow) {
  for (const char* type : {"elasticsearch", "splunk", "datadog", "otlp"}) {
    SinkConfig config = entry_for_test(type, "https://siem.example", "t");
    config.options["compression"] = "zstd";
    const Result<void> checked = check_sink(config);
    ASSERT_FALSE(checked) << type;
    EXPECT_EQ(checked.error().what, "options.compression: gzip or none");
  }
}

}  // namespace
}  // namespace sallyport::notify
