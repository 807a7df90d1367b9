// SPDX-License-Identifier: Apache-2.0
#include "admin/open_metrics.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport::admin {
namespace {

TEST(OpenMetrics, NothingIsStillAPage) { EXPECT_EQ(OpenMetrics().text(), "# EOF\n"); }

TEST(OpenMetrics, FamiliesAreTogetherHoweverTheyAreTold) {
  OpenMetrics page;
  page.counter("sallyport_requests", "Requests.", {{"status", "200"}}, 3);
  page.gauge("sallyport_connections", "Open connections.", {}, 2);
  page.counter("sallyport_requests", "Requests.", {{"status", "401"}}, 1);
  EXPECT_EQ(page.text(),
            "# TYPE sallyport_connections gauge\n"
            "# HELP sallyport_connections Open connections.\n"
            "sallyport_connections 2\n"
            "# TYPE sallyport_requests counter\n"
            "# HELP sallyport_requests Requests.\n"
            "sallyport_requests_total{status=\"200\"} 3\n"
            "sallyport_requests_total{status=\"401\"} 1\n"
            "# EOF\n");
}

TEST(OpenMetrics, BucketsAreSummedUp) {
  OpenMetrics page;
  const double bounds[] = {0.5, 1};
  const std::uint64_t counts[] = {1, 2, 3};
  page.histogram("sallyport_latency_seconds", "Latency.", {}, {bounds, counts, 7.25});
  EXPECT_EQ(page.text(),
            "# TYPE sallyport_latency_seconds histogram\n"
            "# HELP sallyport_latency_seconds Latency.\n"
            "sallyport_latency_seconds_bucket{le=\"0.5\"} 1\n"
            "sallyport_latency_seconds_bucket{le=\"1\"} 3\n"
            "sallyport_latency_seconds_bucket{le=\"+Inf\"} 6\n"
            "sallyport_latency_seconds_sum 7.25\n"
            "sallyport_latency_seconds_count 6\n"
            "# EOF\n");
}

TEST(OpenMetrics, ABucketNamesTheRequestThatWasItsLast) {
  OpenMetrics page;
  const double bounds[] = {0.5};
  const std::uint64_t counts[] = {1, 2};
  const UtcTime at = *parse_utc("2026-01-01T00:00:00.123Z");
  const std::optional<MetricExemplar> last[] = {std::nullopt,
                                                MetricExemplar{"request_id", "req_\"1", 0.75, at}};
  page.histogram("t_seconds", "T.", {}, {bounds, counts, 1.5, last});
  EXPECT_NE(page.text().find("t_seconds_bucket{le=\"0.5\"} 1\n"
                             "t_seconds_bucket{le=\"+Inf\"} 3 # {request_id=\"req_\\\"1\"} 0.75 "
                             "1767225600.123\n"),
            std::string::npos)
      << page.text();
}

TEST(OpenMetrics, ALabelCannotForgeALine) {
  OpenMetrics page;
  page.gauge("m", "Help\nme.", {{"l", "a\"} 1\nforged 2\\\x01\xff"}}, 1);
  EXPECT_EQ(page.text(),
            "# TYPE m gauge\n# HELP m Help\\nme.\nm{l=\"a\\\"} 1\\nforged 2\\\\??\"} 1\n# EOF\n");
}

TEST(OpenMetrics, LimitsHold) {
  OpenMetrics page;
  for (std::size_t i = 0; i < kSamplesMax + 5; ++i) {
    const std::string value = std::to_string(i);
    page.counter("many", "Many.", {{"i", value}}, 1);
  }
  page.gauge("many", "Another type.", {}, 1);
  page.gauge("Bad name", "Bad.", {}, 1);
  page.gauge("long", "Long.", {{"l", std::string(kLabelBytesMax + 50, 'x')}}, 1);
  EXPECT_EQ(page.left_out(), 7u);
  EXPECT_NE(page.text().find("\"" + std::string(kLabelBytesMax, 'x') + "\""), std::string::npos);
}

}  // namespace
}  // namespace sallyport::admin
