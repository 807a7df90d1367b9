// SPDX-License-Identifier: Apache-2.0
// What a viewer may ask of the record over the admin listener, and how wrong questions are refused.
#include "admin/audit_routes.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "audit/line.h"
#include "audit/segment.h"
#include "event/event.h"
#include "net/loop.h"

namespace sallyport::admin {
namespace {

// A log of three requests on a real disk.
class AuditRoutesTest : public ::testing::Test {
 protected:
  AuditRoutesTest() : clock_(*parse_utc("2026-11-24T14:05:00Z")) {
    folder_ = std::filesystem::temp_directory_path() / "audit-routes-XXXXXX";
    EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
    std::filesystem::create_directories(audit::segment_directory(folder_));
    std::ofstream out(audit::segment_directory(folder_) + "/" + audit::segment_name(1));
    for (int i = 1; i <= 3; ++i) {
      Event event;
      event.timestamp_utc = clock_.now() - std::chrono::seconds(10 - i);
      event.api_key_id = i == 3 ? "other" : "=app";
      event.ip = "192.0.2.1";
      event.status = i == 2 ? 429 : 200;
      event.tokens_input = i;
      std::string line;
      append_event_open(line, event);
      audit::close_line(line, 0, {.seq = static_cast<std::uint64_t>(i), .synced = {}});
      out << line << "\n";
    }
    out.close();
    columns_ = std::move(*audit::ColumnBuilder::open(files_, folder_));
    EXPECT_TRUE(columns_->catch_up(3));
  }
  ~AuditRoutesTest() override {
    questions_.stop();
    std::filesystem::remove_all(folder_);
  }

  static Task<void> answer(net::Loop& loop, Task<net::ServerResponse> asked,
                           net::ServerResponse& out) {
    out = co_await std::move(asked);
    loop.stop();
  }
  net::ServerResponse get(std::string path, std::string query) {
    net::Loop loop;  // a loop that was stopped does not run again
    Routes routes;
    add_audit_routes(routes, {.columns = *columns_,
                              .clock = clock_,
                              .loop = loop,
                              .questions = questions_,
                              .budgets = {}});
    auto match = routes.find("GET", path);
    EXPECT_TRUE(match) << path;
    EXPECT_EQ(match->route->least, Role::kViewer);
    AdminRequest request;
    request.http.method = "GET";
    request.http.query = std::move(query);
    net::ServerResponse out;
    loop.spawn(answer(loop, match->route->handle(std::move(request)), out));
    loop.run();
    return out;
  }

  std::string folder_;
  ManualClock clock_;
  audit::PosixFileSystem files_;
  net::Offload questions_{1};
  std::unique_ptr<audit::ColumnBuilder> columns_;
};

TEST_F(AuditRoutesTest, TheFourQuestionsAsJsonAndAsText) {
  const auto all = get("/admin/v1/audit/ask", "");
  EXPECT_EQ(all.status, 200) << all.body;
  for (const char* member : {"\"keys\":", "\"ips\":", "\"cost\":", "\"injection\":",
                             "\"judgement\":\"usual\"", "\"holds_up_to_seq\":3"}) {
    EXPECT_NE(all.body.find(member), std::string::npos) << member << "\n" << all.body;
  }
  const auto one = get("/admin/v1/audit/ask", "question=cost&since=1h&format=text");
  EXPECT_EQ(one.status, 200);
  EXPECT_NE(one.body.find("Cost:"), std::string::npos) << one.body;
  EXPECT_EQ(one.body.find("Keys:"), std::string::npos) << one.body;
}

TEST_F(AuditRoutesTest, SumsAsJsonAndAsCsv) {
  const auto json = get("/admin/v1/audit/sums",
                        "group_by=key&measure=count,sum:tokens_input&where=status%3D200&top=1");
  EXPECT_EQ(json.status, 200) << json.body;
  EXPECT_NE(json.body.find("\"groups\":2"), std::string::npos) << json.body;
  const auto csv = get("/admin/v1/audit/sums", "group_by=key&measure=count&format=csv");
  EXPECT_EQ(csv.body, "api_key_id,count\r\n\"'=app\",2\r\nother,1\r\n");
}

TEST_F(AuditRoutesTest, WrongQuestionsAreRefused) {
  for (const char* wrong : {"question=all", "since=yesterday", "since=0s", "baseline=400d",
                            "at=never", "colour=red", "format=xml", "since=5m&since=6m"}) {
    EXPECT_EQ(get("/admin/v1/audit/ask", wrong).status, 400) << wrong;
  }
  for (const char* wrong : {"where=nothing", "where=ip%3Dx", "group_by=colour", "measure=median",
                            "group_by=cost_usd", "bucket=1ms", "top=0", "intents=maybe"}) {
    EXPECT_EQ(get("/admin/v1/audit/sums", wrong).status, 400) << wrong;
  }
}

}  // namespace
}  // namespace sallyport::admin
