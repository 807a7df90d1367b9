// SPDX-License-Identifier: Apache-2.0
#include "notify/sink_table.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "notify/record_format.h"
#include "notify/sink_manual.h"

namespace sallyport::notify {
namespace {

TEST(SinkTable, EveryRowSaysWhatItIs) {
  std::set<std::string_view> names;
  for (const SinkType& type : sink_types()) {
    SCOPED_TRACE(type.name);
    EXPECT_TRUE(names.insert(type.name).second);
    EXPECT_TRUE(type.meaning.ends_with('.'));
    EXPECT_NE(type.make, nullptr);
    SinkConfig config;
    config.name = "one";
    config.type = type.name;
    EXPECT_FALSE(effective_only(config, type).empty());
    for (const SinkOption& option : type.options) {
      EXPECT_TRUE(option.meaning.ends_with('.')) << option.name;
    }
  }
}

TEST(SinkTable, ThePageIsFresh) {
  const std::string path = std::string(SALLYPORT_SOURCE_DIR) + "/docs/sinks.md";
  std::stringstream in;
  in << std::ifstream(path).rdbuf();
  std::string page = in.str();
  const std::size_t begin = page.find(kManualBegin);
  const std::size_t end = page.find(kManualEnd);
  ASSERT_TRUE(begin != std::string::npos && end != std::string::npos);
  const std::size_t from = begin + kManualBegin.size();
  if (std::getenv("SALLYPORT_GOLDEN_WRITE")) {
    page.replace(from, end - from, sinks_manual());
    std::ofstream(path) << page;
    return;
  }
  EXPECT_EQ(page.substr(from, end - from), sinks_manual())
      << "write it anew with SALLYPORT_GOLDEN_WRITE=1 notify_test";
}

struct GoesCase {
  std::vector<std::string> only;
  Kind kind;
  std::optional<int> status;
  bool goes;
};

TEST(SinkTable, OnlyChooses) {
  const GoesCase cases[] = {
      {{"all"}, Kind::kIntent, {}, true},        {{"refused"}, Kind::kRequest, 401, true},
      {{"refused"}, Kind::kRequest, 200, false}, {{"refused"}, Kind::kRequest, {}, false},
      {{"refused"}, Kind::kAdmin, 403, false},   {{"admin", "action"}, Kind::kAction, {}, true},
      {{"failed"}, Kind::kRequest, 503, true},   {{"failed"}, Kind::kRequest, 403, false},
      {{"admin"}, Kind::kAction, {}, false},     {{"request"}, Kind::kRequest, {}, true},
  };
  for (const GoesCase& test : cases) {
    Event event;
    event.kind = test.kind;
    event.status = test.status;
    EXPECT_EQ(goes(test.only, event), test.goes) << test.only[0] << " " << name(test.kind);
  }
}

TEST(RecordFormat, JsonIsTheLineWithTheIdInFront) {
  Outgoing record{7, "gw1:7", R"({"timestamp_utc":null,"seq":7,"crc":"00000000"})", {}};
  std::string out;
  record_formats()[0].append(out, record);
  EXPECT_EQ(out, R"({"id":"gw1:7","timestamp_utc":null,"seq":7,"crc":"00000000"})");
}

}  // namespace
}  // namespace sallyport::notify
