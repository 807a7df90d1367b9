// SPDX-License-Identifier: Apache-2.0
#include "notify/kafka.h"

#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

#include "base/log.h"
#include "net/offload.h"
#include "notify/address_check.h"

namespace sallyport::notify {
namespace {

constexpr std::size_t kTextBytes = 512;  // of the library's own words for what is wrong
constexpr int kPollMs = 50;              // so soon a stop is heard
constexpr std::size_t kTopicBytesMax = 249;
constexpr std::int64_t kReportLateMs = 5'000;  // after the messages' own time limit

const SinkType& type() { return *find_sink_type("kafka"); }

struct Producers {
  void operator()(rd_kafka_t* it) const {
    rd_kafka_destroy_flags(it, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
  }
  void operator()(rd_kafka_conf_t* it) const { rd_kafka_conf_destroy(it); }
  void operator()(rd_kafka_headers_t* it) const { rd_kafka_headers_destroy(it); }
};
using Configuration = std::unique_ptr<rd_kafka_conf_t, Producers>;

struct Setting {
  const char* name;
  std::string value;
};

std::vector<Setting> settings(const SinkConfig& config) {
  const bool tls = option(config, type(), "tls") == "yes";
  const bool named = !config.user.empty();
  std::vector<Setting> all = {
      {"bootstrap.servers", std::string(option(config, type(), "brokers"))},
      {"client.id", "sallyport"},
      {"enable.idempotence", "true"},  // means acks=all too
      {"compression.codec", std::string(option(config, type(), "compression"))},
      {"linger.ms", "5"},
      {"reconnect.backoff.max.ms", "500"},
      {"message.timeout.ms", std::to_string(config.timeout.count())},
      {"security.protocol",
       named ? (tls ? "sasl_ssl" : "sasl_plaintext") : (tls ? "ssl" : "plaintext")},
  };
  if (tls && config.ca_file) all.push_back({"ssl.ca.location", *config.ca_file});
  if (named) {
    all.push_back({"sasl.mechanism", std::string(option(config, type(), "mechanism"))});
    all.push_back({"sasl.username", config.user});
  }
  return all;
}

// The waits of one batch: what each of its messages was answered.
struct Reports {
  std::vector<std::optional<rd_kafka_resp_err_t>> errors;  // by index; none: no report yet
  std::size_t open = 0;
};

std::optional<IpAddress> address_of(const sockaddr* at) {
  if (at->sa_family == AF_INET) {
    return IpAddress::v4(ntohl(reinterpret_cast<const sockaddr_in*>(at)->sin_addr.s_addr));
  }
  if (at->sa_family != AF_INET6) return std::nullopt;
  std::array<std::uint8_t, 16> bytes;
  const auto& six = reinterpret_cast<const sockaddr_in6*>(at)->sin6_addr;
  std::copy_n(six.s6_addr, bytes.size(), bytes.begin());
  return IpAddress::v6(bytes);
}

// What the thread beside the loop works on; lives as long as either of the two needs it.
class Producer {
 public:
  Producer(const SinkConfig& config, const SinkParts& parts, const RecordFormat& format)
      : config_(config),
        origin_(parts.origin),
        topic_(option(config, type(), "topic")),
        may_reach_(address_check(config.allow, option(config, type(), "tls") == "yes")),
        format_(format) {}

  void stop() { stopping_ = true; }  // any thread

  // Blocks until every message is reported, at most about the sink's timeout.
  Verdict deliver(const Batch& batch) {
    if (!producer_) {
      const Result<void> made = make();
      if (!made) return {.kind = Verdict::Kind::kStop, .why = made.error().what};
    }
    Reports reports;
    reports.errors.resize(batch.size());
    for (std::size_t i = 0; i < batch.size() && !stopping_; ++i) produce(batch[i], i, reports);
    const auto until = std::chrono::steady_clock::now() + config_.timeout +
                       std::chrono::milliseconds(kReportLateMs);
    while (reports.open > 0 && !stopping_ && std::chrono::steady_clock::now() < until) {
      rd_kafka_poll(producer_.get(), kPollMs);
    }
    // Nothing may report into a batch that is gone, or arrive late and out of order.
    const bool unfinished = reports.open > 0;
    if (unfinished) {
      rd_kafka_purge(producer_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
      while (reports.open > 0) rd_kafka_poll(producer_.get(), kPollMs);
    }
    waiting_ = nullptr;
    Verdict verdict = judge(reports);
    char text[kTextBytes];
    const auto fatal = rd_kafka_fatal_error(producer_.get(), text, sizeof text);
    if (fatal != RD_KAFKA_RESP_ERR_NO_ERROR || unfinished) producer_.reset();  // from the cursor
    return verdict;
  }

 private:
  Result<void> make() {
    Configuration conf(rd_kafka_conf_new());
    char text[kTextBytes];
    for (const Setting& one : settings(config_)) {
      if (rd_kafka_conf_set(conf.get(), one.name, one.value.c_str(), text, sizeof text) !=
          RD_KAFKA_CONF_OK) {
        return fail(Code::kInvalid, std::string(one.name) + ": " + text);
      }
    }
    if (config_.token && !config_.user.empty()) {
      std::string password(config_.token->reveal());
      const auto set =
          rd_kafka_conf_set(conf.get(), "sasl.password", password.c_str(), text, sizeof text);
      wipe(password);
      if (set != RD_KAFKA_CONF_OK) return fail(Code::kInvalid, "sasl.password is refused");
    }
    rd_kafka_conf_set_opaque(conf.get(), this);
    rd_kafka_conf_set_dr_msg_cb(conf.get(), reported);
    rd_kafka_conf_set_connect_cb(conf.get(), connect_checked);
    rd_kafka_conf_set_error_cb(conf.get(), failed);
    rd_kafka_conf_set_log_cb(conf.get(), [](const rd_kafka_t*, int, const char*, const char*) {});
    producer_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, conf.get(), text, sizeof text));
    if (!producer_) return fail(Code::kInvalid, std::string("the producer cannot begin: ") + text);
    (void)conf.release();  // the producer's now
    return {};
  }

  void produce(const Outgoing& record, std::size_t index, Reports& reports) {
    line_.clear();
    format_.append(line_, record);
    while (!stopping_) {
      std::unique_ptr<rd_kafka_headers_t, Producers> headers(rd_kafka_headers_new(2));
      rd_kafka_header_add(headers.get(), "id", -1, record.id.data(),
                          static_cast<ssize_t>(record.id.size()));
      rd_kafka_header_add(headers.get(), "content-type", -1, "application/json", -1);
      waiting_ = &reports;
      const rd_kafka_resp_err_t error = rd_kafka_producev(
          producer_.get(), RD_KAFKA_V_TOPIC(topic_.c_str()),
          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(origin_.data(), origin_.size()),
          RD_KAFKA_V_VALUE(line_.data(), line_.size()),
          RD_KAFKA_V_TIMESTAMP(record.event.timestamp_utc.time_since_epoch().count()),
          RD_KAFKA_V_HEADERS(headers.get()), RD_KAFKA_V_OPAQUE(reinterpret_cast<void*>(index)),
          RD_KAFKA_V_END);
      if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)headers.release();
        ++reports.open;
        return;
      }
      if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        reports.errors[index] = error;
        return;
      }
      rd_kafka_poll(producer_.get(), kPollMs);
    }
  }

  Verdict judge(const Reports& reports) {
    Verdict verdict;
    for (std::size_t i = 0; i < reports.errors.size(); ++i) {
      const rd_kafka_resp_err_t error =
          reports.errors[i].value_or(RD_KAFKA_RESP_ERR__MSG_TIMED_OUT);
      switch (error) {
        case RD_KAFKA_RESP_ERR_NO_ERROR:
          continue;
        case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        case RD_KAFKA_RESP_ERR_INVALID_RECORD:
        case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
          verdict.dead.push_back({i, rd_kafka_err2str(error)});
          continue;
        case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
          verdict.kind = Verdict::Kind::kStop;
          break;
        default:
          if (verdict.kind != Verdict::Kind::kStop) verdict.kind = Verdict::Kind::kAgain;
      }
      verdict.again.push_back(i);
      if (verdict.why.empty()) verdict.why = rd_kafka_err2str(error);
    }
    if (verdict.kind != Verdict::Kind::kDone && !trouble_.empty()) verdict.why += ": " + trouble_;
    trouble_.clear();
    return verdict;
  }

  static void reported(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
    Reports* const waiting = static_cast<Producer*>(opaque)->waiting_;
    const auto index = reinterpret_cast<std::size_t>(message->_private);
    if (waiting == nullptr || index >= waiting->errors.size()) return;
    waiting->errors[index] = message->err;
    --waiting->open;
  }

  static void failed(rd_kafka_t*, int error, const char*, void* opaque) {
    static_cast<Producer*>(opaque)->trouble_ =
        rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(error));
  }

  // On the library's threads: the very address that is connected to is checked.
  static int connect_checked(int fd, const sockaddr* at, int size, const char*, void* opaque) {
    const auto& house = *static_cast<const Producer*>(opaque);
    const std::optional<IpAddress> address = address_of(at);
    if (!address || !house.may_reach_(*address)) return EACCES;
    const int connected = ::connect(fd, at, static_cast<socklen_t>(size));
    return connected == 0 || errno == EINPROGRESS ? 0 : errno;  // the library waits for it
  }

  const SinkConfig config_;
  const std::string origin_, topic_;
  const net::AddressCheck may_reach_;
  const RecordFormat& format_;
  std::atomic<bool> stopping_{false};
  std::string line_, trouble_;
  Reports* waiting_ = nullptr;
  std::unique_ptr<rd_kafka_t, Producers> producer_;  // last: its threads call back into all else
};

class KafkaSink final : public Sink {
 public:
  explicit KafkaSink(std::shared_ptr<Producer> producer)
      : producer_(std::move(producer)), beside_(1) {}
  ~KafkaSink() override { producer_->stop(); }

  Task<Verdict> deliver(net::Loop& loop, std::shared_ptr<const Batch> batch) override {
    auto verdict = std::make_shared<Verdict>();
    std::function<void()> work = [producer = producer_, batch, verdict] {
      *verdict = producer->deliver(*batch);
    };
    co_await beside_.run(loop, std::move(work));
    co_return std::move(*verdict);
  }

 private:
  const std::shared_ptr<Producer> producer_;
  net::Offload beside_;  // one thread: one batch at a time
};

bool among(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

Result<void> check_brokers(const SinkConfig& config, bool tls) {
  std::string_view rest = option(config, type(), "brokers");
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const Result<net::Url> url = net::parse_url("https://" + std::string(rest.substr(0, comma)));
    if (!url || !url->path.empty()) {
      return fail(Code::kInvalid, "options.brokers: host:port, several with commas");
    }
    const Result<void> host = check_host(url->host, config.allow, tls);
    if (!host) return fail(Code::kInvalid, "options.brokers: " + host.error().what);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return {};
}

}  // namespace

Result<void> check_kafka(const SinkConfig& config) {
  const std::string_view tls = option(config, type(), "tls");
  if (!among(tls, {"yes", "no"})) return fail(Code::kInvalid, "options.tls: yes or no");
  if (!among(option(config, type(), "mechanism"), {"SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"})) {
    return fail(Code::kInvalid, "options.mechanism: SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN");
  }
  if (!among(option(config, type(), "compression"), {"zstd", "lz4", "gzip", "none"})) {
    return fail(Code::kInvalid, "options.compression: zstd, lz4, gzip or none");
  }
  const std::string_view topic = option(config, type(), "topic");
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  if (topic.empty() || topic.size() > kTopicBytesMax || !std::ranges::all_of(topic, plain)) {
    return fail(Code::kInvalid, "options.topic: a-z A-Z 0-9 . _ -");
  }
  if (!config.user.empty() && (!config.token || config.token->empty())) {
    return fail(Code::kInvalid, "token: needed with a user");
  }
  if (config.user.empty() && config.token && !config.token->empty()) {
    return fail(Code::kInvalid, "user: needed with a token");
  }
  const Result<const RecordFormat*> format = record_format(config, type());
  if (!format) return std::unexpected(format.error());
  return check_brokers(config, tls == "yes");
}

Result<std::unique_ptr<Sink>> make_kafka(const SinkConfig& config, const SinkParts& parts) {
  const Result<void> checked = check_kafka(config);
  if (!checked) return std::unexpected(checked.error());
  const RecordFormat& format = **record_format(config, type());
  return std::make_unique<KafkaSink>(std::make_shared<Producer>(config, parts, format));
}

}  // namespace sallyport::notify
