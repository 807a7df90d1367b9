// SPDX-License-Identifier: Apache-2.0
// BigQuery: the token, the rows, what answers mean, and the files that are shipped for the table.
#include "notify/bigquery.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/text.h"
#include "notify/bigquery_row.h"
#include "notify/format_for_test.h"

namespace sallyport::notify {
namespace {

const UtcTime kNow = *parse_utc("2026-01-01T00:00:05Z");

EVP_PKEY* rsa(unsigned bits) {
  struct Free {
    void operator()(EVP_PKEY* it) const { EVP_PKEY_free(it); }
  };
  static std::map<unsigned, std::unique_ptr<EVP_PKEY, Free>> made;  // slow to make
  std::unique_ptr<EVP_PKEY, Free>& key = made[bits];
  if (!key) key.reset(EVP_RSA_gen(bits));
  return key.get();
}

std::string account_json(EVP_PKEY* key) {
  BIO* const bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(bio, &bytes);
  std::string out;
  JsonWriter(out)
      .begin_object()
      .field("type", "service_account")
      .field("project_id", "house-1")
      .field("private_key_id", "k1")
      .field("private_key", std::string_view(bytes, static_cast<std::size_t>(size)))
      .field("client_email", "gate@house-1.iam.gserviceaccount.com")
      .end_object();
  BIO_free(bio);
  return out;
}

SinkConfig entry() {
  SinkConfig config = entry_for_test("bigquery", "", account_json(rsa(2048)));
  config.options = {{"dataset", "sallyport"}};
  return config;
}

bool verifies(EVP_PKEY* key, std::string_view token) {
  const std::size_t dot = token.rfind('.');
  const auto signature = base64url_decode(token.substr(dot + 1));
  const std::string_view text = token.substr(0, dot);
  EVP_MD_CTX* const context = EVP_MD_CTX_new();
  EVP_DigestVerifyInit(context, nullptr, EVP_sha256(), nullptr, key);
  const bool good =
      signature &&
      EVP_DigestVerify(context, reinterpret_cast<const unsigned char*>(signature->data()),
                       signature->size(), reinterpret_cast<const unsigned char*>(text.data()),
                       text.size()) == 1;
  EVP_MD_CTX_free(context);
  return good;
}

JsonValue part(const std::string& token, int index) {
  const std::size_t first = token.find('.');
  const std::string text =
      index == 0 ? token.substr(0, first) : token.substr(first + 1, token.rfind('.') - first - 1);
  return *JsonValue::parse(*base64url_decode(text));
}

TEST(BigQueryToken, IsSignedByTheAccountItself) {
  const auto account = ServiceAccount::parse(Secret(account_json(rsa(2048))));
  ASSERT_TRUE(account) << account.error().what;
  EXPECT_EQ((*account)->project(), "house-1");
  const std::string token = *(*account)->token("https://bigquery.googleapis.com/", kNow);
  EXPECT_TRUE(verifies(rsa(2048), token));
  EXPECT_EQ(token.find('='), std::string::npos);
  EXPECT_EQ(part(token, 0).at("alg")->string(), "RS256");
  EXPECT_EQ(part(token, 0).at("kid")->string(), "k1");
  const JsonValue claims = part(token, 1);
  EXPECT_EQ(claims.at("iss")->string(), "gate@house-1.iam.gserviceaccount.com");
  EXPECT_EQ(claims.at("sub")->string(), claims.at("iss")->string());
  EXPECT_EQ(claims.at("aud")->string(), "https://bigquery.googleapis.com/");
  EXPECT_EQ(*claims.at("exp")->integer() - *claims.at("iat")->integer(), 3600);
}

TEST(BigQueryToken, IsRenewedInTime) {
  const auto account = ServiceAccount::parse(Secret(account_json(rsa(2048))));
  const auto at = [&](int seconds) {
    return *(*account)->token("a", kNow + std::chrono::seconds(seconds));
  };
  const std::string first = at(0);
  EXPECT_EQ(at(2'999), first);
  EXPECT_NE(at(3'000), first);
  const std::string second = at(3'001);
  EXPECT_NE(at(-10), second) << "the clock was set back";
  (*account)->forget();
  EXPECT_NE(at(3'002), second);
}

TEST(BigQueryToken, WhatIsNoServiceAccount) {
  const std::string good = account_json(rsa(2048));
  std::string nameless = good;
  nameless.replace(nameless.find("client_email"), 12, "client_other");
  EVP_PKEY* const curve = EVP_EC_gen("P-256");
  const std::string cases[] = {
      "", "{}", "x", nameless, account_json(rsa(1024)), account_json(curve)};
  for (const std::string& file : cases) {
    const auto account = ServiceAccount::parse(Secret(file));
    ASSERT_FALSE(account);
    EXPECT_EQ(account.error().code, Code::kInvalid);
    EXPECT_EQ(account.error().what.find("PRIVATE"), std::string::npos);
  }
  EVP_PKEY_free(curve);
}

TEST(BigQuery, ARow) {
  const auto format = bigquery_format(entry());
  ASSERT_TRUE(format) << format.error().what;
  const Batch batch = batch_for_test(2);
  const auto question = (*format)->encode(batch, kNow);
  ASSERT_TRUE(question);
  EXPECT_EQ(question->url,
            "https://bigquery.googleapis.com/bigquery/v2/projects/house-1/datasets/sallyport/"
            "tables/audit/insertAll");
  EXPECT_TRUE(header_of(*question, "authorization")->starts_with("Bearer ey"));
  const JsonValue body = *JsonValue::parse(question->body);
  EXPECT_EQ(body.at("skipInvalidRows")->boolean(), true);
  EXPECT_EQ(body.at("ignoreUnknownValues")->boolean(), false);
  ASSERT_EQ(body.at("rows")->items().size(), 2u);
  const JsonValue row = body.at("rows")->items()[0];
  EXPECT_EQ(row.at("insertId")->string(), "gw1.example/audit:1");
  const JsonValue json = *row.at("json");
  EXPECT_EQ(json.at("seq")->string(), "1");
  EXPECT_EQ(json.at("status")->string(), "401");
  EXPECT_EQ(json.at("timestamp_utc")->string(), "2026-01-01T00:00:00.123Z");
  EXPECT_EQ(json.at("record")->string(), batch[0].line);
  EXPECT_FALSE(json.at("model"));
}

TEST(BigQuery, EveryMemberOfARowIsAColumnOfItsType) {
  Outgoing record = record_for_test(1);
  Event& event = record.event;
  event.model = "m";
  event.latency_ms = event.ttft_ms = event.tokens_input = event.tokens_output = 1;
  event.tokens_cached = event.asn = event.repeated = 1;
  event.cost_usd = NanoUsd{1};
  event.stream = true;
  event.kid = event.claimed_kid = event.layer = event.geo = event.network = "x";
  event.upstream = event.provider_key_id = event.action = event.actor = "x";
  event.upstream_status = 200;
  event.request_id = "x";
  event.pii["email"] = 2;
  event.injection = Injection{0.5, "alert", {}, "user"};
  std::string out;
  append_bigquery_row(out, record);
  const JsonValue row = *JsonValue::parse(out);
  EXPECT_EQ(row.members().size(), bigquery_columns().size());
  for (const BigQueryColumn& column : bigquery_columns()) {
    const auto value = row.at(column.name);
    ASSERT_TRUE(value) << column.name;
    const bool text = value->string().has_value();
    const bool good = column.type == "BOOL"      ? value->boolean().has_value()
                      : column.type == "FLOAT64" ? value->number().has_value()
                      : column.type == "INT64"   ? text && parse_uint(*value->string())
                                                 : text;
    EXPECT_TRUE(good) << column.name << " " << column.type;
  }
}

TEST(BigQuery, WhatAnAnswerMeans) {
  const JudgeCase cases[] = {
      {"taken", 2, 200, R"({"kind":"bigquery#tableDataInsertAllResponse"})", "done"},
      {"a bad row", 3, 200,
       R"({"insertErrors":[{"index":1,"errors":[{"reason":"invalid","location":"seq"}]}]})",
       "done dead 1"},
      {"the first row may have no index", 2, 200,
       R"({"insertErrors":[{"errors":[{"reason":"invalid"}]}]})", "done dead 0"},
      {"stopped by another", 2, 200,
       R"({"insertErrors":[{"index":0,"errors":[{"reason":"stopped"}]},)"
       R"({"index":1,"errors":[{"reason":"invalid"}]}]})",
       "again 0 dead 1"},
      {"a backend's error", 2, 200,
       R"({"insertErrors":[{"index":1,"errors":[{"reason":"backendError"}]}]})", "again 1"},
      {"a row that was not sent", 2, 200,
       R"({"insertErrors":[{"index":7,"errors":[{"reason":"invalid"}]}]})", "again"},
      {"a login page", 2, 200, "<html>", "again"},
      {"quota", 2, 403, R"({"error":{"errors":[{"reason":"quotaExceeded"}]}})", "again"},
      {"rate", 2, 403, R"({"error":{"errors":[{"reason":"rateLimitExceeded"}]}})", "again"},
      {"no right", 2, 403, R"({"error":{"errors":[{"reason":"accessDenied"}]}})", "stop"},
      {"cannot be read", 2, 400, "", "halve"},
      {"too large", 2, 413, "", "halve"},
      {"busy", 2, 503, "", "again"},
      {"too many", 2, 429, "", "again"},
  };
  for (const JudgeCase& test : cases) {
    const auto format = bigquery_format(entry());
    const Verdict verdict = (*format)->judge({test.status, {}, test.body},
                                             batch_for_test(test.batch), std::chrono::seconds(7));
    EXPECT_EQ(short_of(verdict), test.verdict) << test.why << ": " << verdict.why;
  }
}

TEST(BigQuery, ARefusedTokenIsMadeAnewOnce) {
  const auto format = bigquery_format(entry());
  const Batch batch = batch_for_test(1);
  const auto judged = [&](int status, int second) {
    EXPECT_TRUE((*format)->encode(batch, kNow + std::chrono::seconds(second)));
    return short_of((*format)->judge({status, {}, "{}"}, batch, {}));
  };
  EXPECT_EQ(judged(401, 0), "again");
  EXPECT_EQ(judged(401, 1), "stop");
  EXPECT_EQ(judged(200, 2), "done");
  EXPECT_EQ(judged(401, 3), "again");
}

TEST(BigQuery, ANewTableIsWaitedForAndAMissingOneIsNot) {
  const auto format = bigquery_format(entry());
  const Batch batch = batch_for_test(1);
  const auto judged = [&](int second) {
    EXPECT_TRUE((*format)->encode(batch, kNow + std::chrono::seconds(second)));
    return short_of((*format)->judge({404, {}, ""}, batch, {}));
  };
  EXPECT_EQ(judged(0), "again");
  EXPECT_EQ(judged(299), "again");
  EXPECT_EQ(judged(300), "stop");
}

std::string file_text(const std::string& path) {
  std::stringstream in;
  in << std::ifstream(std::string(SALLYPORT_SOURCE_DIR) + "/packaging/" + path).rdbuf();
  return in.str();
}

TEST(BigQuery, TheShippedSchemaIsTheTableOfColumns) {
  const std::string path = std::string(SALLYPORT_SOURCE_DIR) + "/packaging/bigquery/schema.json";
  if (std::getenv("SALLYPORT_GOLDEN_WRITE")) std::ofstream(path) << bigquery_schema();
  EXPECT_EQ(file_text("bigquery/schema.json"), bigquery_schema());
}

// What a LookML text says wrong; empty: nothing that this small reader sees.
std::string wrong_with_lookml(const std::string& text, const std::set<std::string>& columns) {
  int depth = 0;
  for (const char c : text) {
    depth += c == '{' ? 1 : c == '}' ? -1 : 0;
    if (depth < 0) return "a brace too many";
  }
  if (depth != 0) return "braces";
  std::stringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const bool sql =
        line.find("sql:") != std::string::npos || line.find("sql_") != std::string::npos;
    if (sql != (line.find(" ;;") != std::string::npos)) return "an expression's end: " + line;
    for (std::size_t at = 0; (at = line.find("${TABLE}.", at)) != std::string::npos;) {
      at += 9;
      const std::string name =
          line.substr(at, line.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789", at) - at);
      if (!columns.contains(name)) return "no column " + name;
    }
  }
  return "";
}

TEST(BigQuery, TheShippedLookMlNamesOnlyColumns) {
  std::set<std::string> columns;
  for (const BigQueryColumn& column : bigquery_columns()) columns.emplace(column.name);
  for (const char* path : {"looker/audit.view.lkml", "looker/sallyport.model.lkml"}) {
    const std::string text = file_text(path);
    ASSERT_FALSE(text.empty()) << path;
    EXPECT_EQ(wrong_with_lookml(text, columns), "") << path;
  }
  EXPECT_NE(file_text("looker/audit.view.lkml").find("${TABLE}."), std::string::npos);
  EXPECT_NE(wrong_with_lookml("view: a { dimension: b { sql: ${TABLE}.nothing ;; } }", columns),
            "");
  EXPECT_NE(wrong_with_lookml("view: a { dimension: b { sql: ${TABLE}.seq } }", columns), "");
  EXPECT_NE(wrong_with_lookml("view: a { { }", columns), "");
}

// Every field that the dashboard asks for is one of the view.
TEST(BigQuery, TheShippedDashboardNamesOnlyFields) {
  const std::string view = file_text("looker/audit.view.lkml");
  const std::string dashboard = file_text("looker/sallyport.dashboard.lookml");
  std::size_t named = 0;
  for (std::size_t at = 0; (at = dashboard.find("audit.", at)) != std::string::npos; ++named) {
    at += 6;
    std::string name = dashboard.substr(
        at, dashboard.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789", at) - at);
    // A time's field is its group's name and a frame of it.
    for (const char* frame : {"_minute", "_hour", "_date", "_week", "_month", "_raw"}) {
      if (name == std::string("ts") + frame) name = "ts";
    }
    EXPECT_NE(view.find(": " + name + " {"), std::string::npos) << name;
  }
  EXPECT_GT(named, 5u);
}

}  // namespace
}  // namespace sallyport::notify
