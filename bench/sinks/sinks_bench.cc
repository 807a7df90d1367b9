// SPDX-License-Identifier: Apache-2.0
// How fast each sink catches up with a log that stands still: sinks_bench DIRECTORY [RECORDS [TYPE
// ...]]. Receivers run in processes of their own, so that the CPU time shown is the gate's alone.
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "audit/journal.h"
#include "bench/audit/traffic.h"
#include "net/http_server.h"
#include "notify/sink_runner.h"

using namespace sallyport;
using Steady = std::chrono::steady_clock;

namespace {

constexpr const char* kTopic = "sallyport.audit";

std::string gunzip(const std::string& packed) {
  z_stream z{};
  inflateInit2(&z, 15 + 16);
  std::string out(packed.size() * 4, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  z.avail_in = static_cast<uInt>(packed.size());
  for (;;) {
    z.next_out = reinterpret_cast<Bytef*>(out.data()) + z.total_out;
    z.avail_out = static_cast<uInt>(out.size() - z.total_out);
    if (inflate(&z, Z_FINISH) == Z_STREAM_END || z.avail_in == 0) break;
    out.resize(out.size() * 2);
  }
  out.resize(z.total_out);
  inflateEnd(&z);
  return out;
}

// Says to each protocol that everything was taken.
class Yes final : public net::ServerHandler {
 public:
  Task<net::ServerResponse> handle(net::ServerRequest request) override {
    net::ServerResponse answer;
    answer.headers.emplace_back("content-type", "application/json");
    if (request.path == "/_bulk") {
      const std::string* encoding = request.find("content-encoding");
      const std::string body = encoding ? gunzip(request.body) : std::move(request.body);
      answer.body = R"({"took":1,"errors":false,"items":[)";
      const auto records = std::ranges::count(body, '\n') / 2;
      for (std::ptrdiff_t i = 0; i < records; ++i) {
        answer.body += i == 0 ? "" : ",";
        answer.body += R"({"create":{"_index":"logs-sallyport.audit-default","status":201}})";
      }
      answer.body += "]}";
    } else if (request.path.starts_with("/services/")) {
      answer.body = R"({"text":"Success","code":0})";
    } else if (request.path == "/api/v2/logs") {
      answer.status = 202;
      answer.body = "{}";
    } else {
      answer.body = "{}";
    }
    co_return answer;
  }
};

void be_http(int tell) {
  net::Loop loop;
  Yes yes;
  const auto listening = net::listen_tcp({*IpAddress::parse("127.0.0.1"), 0}, false);
  const std::string at = std::to_string(net::local_endpoint(*listening)->port);
  net::ServerLimits limits;
  limits.body_bytes_max = 64u << 20;
  net::HttpServer server(loop, yes, limits);
  server.serve(*listening);
  (void)!write(tell, at.data(), at.size());
  close(tell);
  loop.run();
}

void be_tcp(int tell) {
  const auto listening = net::listen_tcp({*IpAddress::parse("127.0.0.1"), 0}, false);
  const std::string at = std::to_string(net::local_endpoint(*listening)->port);
  (void)!write(tell, at.data(), at.size());
  close(tell);
  std::vector<char> bytes(1u << 20);
  for (;;) {
    const int fd = accept(*listening, nullptr, nullptr);
    if (fd < 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      continue;
    }
    while (read(fd, bytes.data(), bytes.size()) > 0) continue;
    close(fd);
  }
}

void be_kafka(int tell) {
  char text[512];
  rd_kafka_conf_t* const conf = rd_kafka_conf_new();
  rd_kafka_conf_set_log_cb(conf, [](const rd_kafka_t*, int, const char*, const char*) {});
  rd_kafka_t* const house = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
  rd_kafka_mock_cluster_t* const mock = rd_kafka_mock_cluster_new(house, 3);
  rd_kafka_mock_topic_create(mock, kTopic, 1, 3);
  const std::string at = rd_kafka_mock_cluster_bootstraps(mock);
  (void)!write(tell, at.data(), at.size());
  close(tell);
  for (;;) pause();
}

// A receiver in a process of its own; where it listens.
std::string start(const std::function<void(int)>& be) {
  int pipes[2];
  if (pipe(pipes) != 0) return "";
  if (fork() == 0) {
    close(pipes[0]);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    be(pipes[1]);
    _exit(0);
  }
  close(pipes[1]);
  std::string at;
  char bytes[256];
  for (ssize_t got; (got = read(pipes[0], bytes, sizeof bytes)) > 0;) {
    at.append(bytes, static_cast<std::size_t>(got));
  }
  close(pipes[0]);
  return at;
}

// The log; false: it could not be written.
bool fill(audit::Journal& journal, std::uint64_t records) {
  const bench::Traffic traffic(records);
  std::atomic<std::uint64_t> in_flight = 0, refused = 0;
  for (std::uint64_t row = 0; row < records; ++row) {
    while (in_flight.load() >= 1'024) std::this_thread::yield();
    ++in_flight;
    Event event;
    traffic.fill(event, row);
    event.request_id = "req_" + std::to_string(100'000'000'000'000 + row);
    journal.record(std::move(event), Durability::kWritten, [&](Result<std::uint64_t> answer) {
      if (!answer) ++refused;
      --in_flight;
    });
  }
  while (in_flight.load() > 0) std::this_thread::yield();
  return refused == 0;
}

double cpu_s() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

notify::SinkConfig entry(const std::string& name, const std::string& at) {
  notify::SinkConfig config;
  config.name = name;
  config.type = name.substr(0, name.find_first_of("-_"));
  config.url = (config.type == "syslog" ? "tcp://127.0.0.1:" : "http://127.0.0.1:") + at;
  config.token = std::make_shared<const Secret>("0123456789abcdef0123456789abcdef");
  config.allow.push_back(*Cidr::parse("127.0.0.0/8"));
  config.only = {"all"};
  config.begin = "beginning";
  // "splunk_2000": of so many records a batch.
  if (name.contains('_')) config.batch_records = std::stoul(name.substr(name.find('_') + 1));
  if (name.ends_with("-none")) config.options["compression"] = "none";
  if (config.type == "webhook") config.url += "/in";
  if (config.type == "otlp") config.options["metrics"] = "0s";
  if (config.type == "syslog") config.token = nullptr;
  if (config.type == "kafka") {
    config.url.clear();
    config.token = nullptr;
    config.options.insert({{"brokers", at}, {"topic", kTopic}, {"tls", "no"}});
  }
  return config;
}

int measure(const std::string& name, const std::string& at, const std::string& path,
            audit::FileSystem& files, const Recorder& journal, const SystemClock& clock) {
  net::Resolver resolver;
  notify::Config config;
  config.sinks.push_back(entry(name, at));
  (void)files.remove(path + "/sinks/" + name + ".cursor");
  auto sinks = notify::Sinks::make(config, path, files, journal,
                                   {.resolver = resolver,
                                    .clock = clock,
                                    .origin = "bench/audit",
                                    .host = "bench",
                                    .version = "0"});
  if (!sinks) return std::fprintf(stderr, "%s\n", sinks.error().what.c_str()), 1;
  const double cpu = cpu_s();
  const auto begun = Steady::now();
  (*sinks)->start();
  notify::SinkStatus status = (*sinks)->status()[0];
  while (status.behind > 0 && status.state != notify::SinkStatus::State::kStopped) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    status = (*sinks)->status()[0];
  }
  const double s = std::chrono::duration<double>(Steady::now() - begun).count();
  const double used = cpu_s() - cpu;
  (*sinks)->stop();
  const auto records = static_cast<double>(status.sent);
  std::printf("%-20s %9.0f records/s  %6.2f us CPU a record  %3.0f %% of a core  failed %llu  %s\n",
              name.c_str(), records / s, used / records * 1e6, used / s * 100,
              static_cast<unsigned long long>(status.attempts_failed), status.why.c_str());
  std::fflush(stdout);
  return status.behind == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "sinks_bench DIRECTORY [RECORDS [TYPE ...]]\n"), 2;
  const std::uint64_t records = argc > 2 ? std::stoull(argv[2]) : 200'000;
  std::vector<std::string> names(argv + std::min(argc, 3), argv + argc);
  if (names.empty()) {
    names = {"elasticsearch", "elasticsearch-none",
             "splunk",        "splunk-none",
             "datadog",       "datadog-none",
             "otlp",          "webhook",
             "kafka",         "syslog"};
  }
  // Before there is any thread.
  const std::string http = start(be_http), tcp = start(be_tcp), kafka = start(be_kafka);

  SystemClock clock;
  audit::PosixFileSystem files;
  audit::Config config;
  config.path = argv[1];
  const auto journal = audit::Journal::open(config, clock, files);
  if (!journal) return std::fprintf(stderr, "%s\n", journal.error().what.c_str()), 1;
  if ((*journal)->durable_seq() < records && !fill(**journal, records)) {
    return std::fprintf(stderr, "the log cannot be written\n"), 1;
  }
  int failed = 0;
  for (const std::string& name : names) {
    const std::string& at = name == "kafka" ? kafka : name == "syslog" ? tcp : http;
    failed |= measure(name, at, config.path, files, **journal, clock);
  }
  return failed;
}
