// SPDX-License-Identifier: Apache-2.0
// Kafka against librdkafka's cluster for tests: three brokers that lose each other and answer with
// errors. Nothing is lost, nothing is out of order, and what is repeated has the same id.
#include "notify/kafka.h"

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <set>

#include "net/raw_peer_for_test.h"
#include "notify/format_for_test.h"

namespace sallyport::notify {
namespace {

constexpr const char* kTopic = "sallyport.audit";
constexpr int kProduce = 0;  // Kafka's number of that request

class Cluster {
 public:
  Cluster() {
    char text[512];
    rd_kafka_conf_t* const conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, [](const rd_kafka_t*, int, const char*, const char*) {});
    house_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    mock_ = rd_kafka_mock_cluster_new(house_, 3);
    rd_kafka_mock_topic_create(mock_, kTopic, 1, 3);
    rd_kafka_mock_partition_set_leader(mock_, kTopic, 0, 1);
  }
  ~Cluster() {
    rd_kafka_mock_cluster_destroy(mock_);
    rd_kafka_destroy(house_);
  }
  Cluster(const Cluster&) = delete;

  rd_kafka_mock_cluster_t* mock() { return mock_; }
  void all(bool up) {
    for (int broker = 1; broker <= 3; ++broker) {
      if (up) rd_kafka_mock_broker_set_up(mock_, broker);
      if (!up) rd_kafka_mock_broker_set_down(mock_, broker);
    }
  }
  SinkConfig config(int timeout_ms = 20'000) {
    SinkConfig config = entry_for_test("kafka", "", "");
    config.token = nullptr;
    config.timeout = std::chrono::milliseconds(timeout_ms);
    config.options = {
        {"brokers", rd_kafka_mock_cluster_bootstraps(mock_)}, {"topic", kTopic}, {"tls", "no"}};
    return config;
  }

  // The ids of what lies in the topic, in its order; checks headers and key on the way.
  std::vector<std::string> ids(std::size_t wanted) {
    rd_kafka_conf_t* const conf = rd_kafka_conf_new();
    char text[512];
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(mock_), text,
                      sizeof text);
    rd_kafka_conf_set(conf, "group.id", "test", text, sizeof text);
    rd_kafka_conf_set_log_cb(conf, [](const rd_kafka_t*, int, const char*, const char*) {});
    rd_kafka_t* const consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    rd_kafka_topic_partition_list_t* const list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, kTopic, 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    std::vector<std::string> all;
    std::set<std::string> seen;
    for (int patience = 0; patience < 200 && seen.size() < wanted;) {
      rd_kafka_message_t* const message = rd_kafka_consumer_poll(consumer, 50);
      if (message == nullptr || message->err != 0) {
        ++patience;
      } else {
        rd_kafka_headers_t* headers = nullptr;
        const void* value = nullptr;
        std::size_t size = 0;
        EXPECT_EQ(rd_kafka_message_headers(message, &headers), 0);
        EXPECT_EQ(rd_kafka_header_get_last(headers, "id", &value, &size), 0);
        all.emplace_back(static_cast<const char*>(value), size);
        seen.insert(all.back());
        const std::string_view line(static_cast<const char*>(message->payload), message->len);
        EXPECT_TRUE(line.starts_with("{\"id\":\"" + all.back() + "\","));
        EXPECT_EQ(std::string_view(static_cast<const char*>(message->key), message->key_len),
                  "gw1.example/audit");
      }
      if (message != nullptr) rd_kafka_message_destroy(message);
    }
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    return all;
  }

 private:
  rd_kafka_t* house_ = nullptr;
  rd_kafka_mock_cluster_t* mock_ = nullptr;
};

// As SinkWorker does: what is to go again goes again, at most `attempts` times.
Task<void> send(net::Loop& loop, Sink& sink, Batch batch, int attempts, std::string& said) {
  for (int i = 0; i < attempts && !batch.empty(); ++i) {
    auto now = std::make_shared<const Batch>(batch);
    const Verdict verdict = co_await sink.deliver(loop, now);
    said += (said.empty() ? "" : "; ") + short_of(verdict);
    Batch rest;
    for (const std::size_t index : verdict.again) rest.push_back(batch[index]);
    batch = std::move(rest);
  }
}

class Sender {
 public:
  explicit Sender(const SinkConfig& config) {
    const Result<void> checked = check_sink(config);
    EXPECT_TRUE(checked) << (checked ? "" : checked.error().what);
    sink_ = std::move(*make_kafka(config, {resolver_, clock_, "gw1.example/audit", "gw1", "1"}));
  }
  std::string deliver(Batch batch, int attempts = 1) {
    std::string said;
    net::Loop loop;
    net::run_on(loop, send(loop, *sink_, std::move(batch), attempts, said));
    return said;
  }

 private:
  net::Resolver resolver_;
  SystemClock clock_;
  std::unique_ptr<Sink> sink_;
};

std::vector<std::string> ids_of(std::size_t count) {
  std::vector<std::string> all;
  for (std::size_t i = 1; i <= count; ++i) all.push_back("gw1.example/audit:" + std::to_string(i));
  return all;
}

// In order, each at least once: a repeated one only behind itself or what came after it.
void expect_whole(const std::vector<std::string>& got, std::size_t count) {
  std::vector<std::string> first;
  std::set<std::string> seen;
  for (const std::string& id : got) {
    if (seen.insert(id).second) first.push_back(id);
  }
  EXPECT_EQ(first, ids_of(count));
}

// From the first to the last; the ids go on where they were.
Batch batch_of(std::size_t first, std::size_t last) {
  Batch batch = batch_for_test(last);
  batch.erase(batch.begin(), batch.begin() + static_cast<std::ptrdiff_t>(first - 1));
  return batch;
}

// librdkafka's own threads are not instrumented: TSan ends the process in one of them.
#if __has_feature(thread_sanitizer)
constexpr bool kThreadSanitizer = true;
#else
constexpr bool kThreadSanitizer = false;
#endif
constexpr const char* kWhyNot = "librdkafka is not instrumented";

TEST(Kafka, AllInOrderAndOnceAlsoThroughErrorsOfTheCluster) {
  if (kThreadSanitizer) GTEST_SKIP() << kWhyNot;
  Cluster cluster;
  Sender sender(cluster.config());
  EXPECT_EQ(sender.deliver(batch_of(1, 500)), "done");
  rd_kafka_mock_push_request_errors(
      cluster.mock(), kProduce, 3, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
      RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);
  EXPECT_EQ(sender.deliver(batch_of(501, 1'000)), "done");
  expect_whole(cluster.ids(1'000), 1'000);
}

TEST(Kafka, ALostBrokerIsReplaced) {
  if (kThreadSanitizer) GTEST_SKIP() << kWhyNot;
  Cluster cluster;
  Sender sender(cluster.config());
  EXPECT_EQ(sender.deliver(batch_for_test(10)), "done");
  rd_kafka_mock_broker_set_down(cluster.mock(), 1);
  rd_kafka_mock_partition_set_leader(cluster.mock(), kTopic, 0, 2);
  EXPECT_TRUE(sender.deliver(batch_of(11, 50), 5).ends_with("done"));
  expect_whole(cluster.ids(50), 50);
}

TEST(Kafka, NoClusterForAWhile) {
  if (kThreadSanitizer) GTEST_SKIP() << kWhyNot;
  Cluster cluster;
  Sender sender(cluster.config(700));
  cluster.all(false);
  EXPECT_EQ(sender.deliver(batch_for_test(3)), "again 0,1,2");
  cluster.all(true);
  EXPECT_TRUE(sender.deliver(batch_for_test(3), 10).ends_with("done"));
  expect_whole(cluster.ids(3), 3);
}

TEST(Kafka, AStopDoesNotWaitForTheCluster) {
  if (kThreadSanitizer) GTEST_SKIP() << kWhyNot;
  Cluster cluster;
  const SinkConfig config = cluster.config(600'000);
  cluster.all(false);
  net::Resolver resolver;
  const SystemClock clock;
  auto sink = std::move(*make_kafka(config, {resolver, clock, "gw1.example/audit", "gw1", "1"}));
  const auto from = std::chrono::steady_clock::now();
  {
    std::string said;
    net::Loop loop;
    loop.spawn(send(loop, *sink, batch_for_test(3), 1, said));
    loop.post([&loop] { loop.stop(); });  // the delivery is under way by then
    loop.run();
    loop.drop_tasks();
    sink.reset();
    EXPECT_EQ(said, "");
  }
  EXPECT_LT(std::chrono::steady_clock::now() - from, std::chrono::seconds(20));
}

TEST(Kafka, WhatIsTooLargeIsDeadAndTheRestGoes) {
  if (kThreadSanitizer) GTEST_SKIP() << kWhyNot;
  Cluster cluster;
  Sender sender(cluster.config());
  Batch batch = batch_for_test(3);
  batch[1].line = "{\"x\":\"" + std::string(2'000'000, 'x') + "\"}";
  EXPECT_EQ(sender.deliver(std::move(batch)), "done dead 1");
  const std::vector<std::string> two = {"gw1.example/audit:1", "gw1.example/audit:3"};
  EXPECT_EQ(cluster.ids(2), two);
}

TEST(Kafka, NoAddressThatIsNotAllowed) {
  if (kThreadSanitizer) GTEST_SKIP() << kWhyNot;
  Cluster cluster;
  SinkConfig config = cluster.config(700);
  std::string brokers = config.options["brokers"];
  for (std::size_t at = 0; (at = brokers.find("127.0.0.1", at)) != std::string::npos;) {
    brokers.replace(at, 9, "localhost");
  }
  config.options["brokers"] = brokers;
  config.allow = {*Cidr::parse("10.0.0.0/8")};
  Sender sender(config);
  EXPECT_EQ(sender.deliver(batch_for_test(1)), "again 0");
}

struct ConfigCase {
  const char* why;
  const char* user;
  const char* token;
  std::map<std::string, std::string> options;
  bool good;
};

TEST(Kafka, WhatMayStand) {
  const ConfigCase cases[] = {
      {"brokers by name over TLS", "", "", {{"brokers", "a.example:9093,b.example:9093"}}, true},
      {"no brokers", "", "", {}, false},
      {"a broker that is none", "", "", {{"brokers", "a b"}}, false},
      {"a private broker", "", "", {{"brokers", "10.0.0.1:9093"}}, false},
      {"user and password", "u", "p", {{"brokers", "a.example:9093"}}, true},
      {"a user alone", "u", "", {{"brokers", "a.example:9093"}}, false},
      {"a password alone", "", "p", {{"brokers", "a.example:9093"}}, false},
      {"another mechanism", "", "", {{"brokers", "a.example"}, {"mechanism", "GSSAPI"}}, false},
      {"another codec", "", "", {{"brokers", "a.example"}, {"compression", "x"}}, false},
      {"a bad topic", "", "", {{"brokers", "a.example"}, {"topic", "a b"}}, false},
      {"tls is yes or no", "", "", {{"brokers", "a.example"}, {"tls", "maybe"}}, false},
      {"ocsf", "", "", {{"brokers", "a.example"}, {"format", "ocsf"}}, true},
  };
  for (const ConfigCase& test : cases) {
    SinkConfig config = entry_for_test("kafka", "", test.token);
    config.user = test.user;
    config.options = test.options;
    EXPECT_EQ(check_sink(config).has_value(), test.good) << test.why;
  }
}

}  // namespace
}  // namespace sallyport::notify
