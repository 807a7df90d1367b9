// SPDX-License-Identifier: Apache-2.0
// Columns of many records, and how long the four questions and some sums take over them.
//   columns_bench generate DIR ROWS JSON_ROWS   column files of all rows, JSON of the last ones
//   columns_bench ask DIR [drop]                drop: the page cache forgets the files first
//   columns_bench rebuild DIR                   column files of the JSON that is there
//   columns_bench sqlite FILE ROWS              the same rows and sums in SQLite, with indexes
//   columns_bench tsv ROWS                      the rows as text, for other databases
#include <fcntl.h>
#include <sqlite3.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "audit/aggregate.h"
#include "audit/ask.h"
#include "audit/column_builder.h"
#include "audit/line.h"
#include "audit/reader.h"
#include "audit/segment.h"
#include "bench/audit/traffic.h"

using namespace sallyport;
using namespace sallyport::audit;
using Steady = std::chrono::steady_clock;

namespace {

double ms_since(Steady::time_point begun) {
  return std::chrono::duration<double, std::milli>(Steady::now() - begun).count();
}

// Of all threads: beside others on the machine it tells more than the wall's.
double cpu_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1000 + static_cast<double>(now.tv_nsec) / 1e6;
}

long rss_anon_kb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) return std::strtol(line.c_str() + 8, nullptr, 10);
  }
  return 0;
}

void write_columns(const bench::Traffic& traffic, const std::string& directory, std::uint64_t from,
                   std::uint64_t end) {
  Event event;
  while (from < end) {
    ColumnWriter writer(from + 1);
    while (from < end && !writer.full()) {
      traffic.fill(event, from++);
      writer.append(event);
    }
    std::ofstream(directory + "/" + column_file_name(writer.first_seq()), std::ios::binary)
        << with_sums(writer.encode());
  }
}

constexpr std::size_t kSegmentBytes = 64u << 20;  // as the journal has them

void write_segments(const bench::Traffic& traffic, const std::string& journal, std::uint64_t from,
                    std::uint64_t end) {
  Event event;
  std::string line;
  while (from < end) {
    std::ofstream out(segment_directory(journal) + "/" + segment_name(from + 1), std::ios::binary);
    for (std::size_t bytes = 0; from < end && bytes < kSegmentBytes; ++from) {
      traffic.fill(event, from);
      event.request_id = "req_" + std::to_string(from);
      line.clear();
      append_event_open(line, event);
      close_line(line, 0, {.seq = from + 1, .synced = {}});
      out << line << '\n';
      bytes += line.size() + 1;
    }
  }
}

int generate(const std::string& journal, std::uint64_t rows, std::uint64_t json_rows) {
  const auto begun = Steady::now();
  const std::string directory = column_directory(journal);
  std::filesystem::create_directories(directory);
  std::filesystem::create_directories(segment_directory(journal));
  const bench::Traffic traffic(rows);
  // The first file begins at 1, so the second thread begins at a file's border.
  const std::uint64_t half = rows / kFileRowsMax / 2 * kFileRowsMax;
  {
    const std::jthread other([&] { write_columns(traffic, directory, 0, half); });
    write_columns(traffic, directory, half, rows);
  }
  const std::uint64_t json_from = rows - std::min(rows, json_rows);
  if (json_from > 0) write_segments(traffic, journal, 0, 1);  // where the log begins
  write_segments(traffic, journal, json_from, rows);
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    bytes += entry.file_size();
  }
  std::printf("%llu rows in %.0f s, columns take %.2f bytes a row\n",
              static_cast<unsigned long long>(rows), ms_since(begun) / 1000,
              static_cast<double>(bytes) / static_cast<double>(rows));
  return 0;
}

void drop_cache(const std::string& journal) {
  for (const auto& entry : std::filesystem::directory_iterator(column_directory(journal))) {
    const int fd = ::open(entry.path().c_str(), O_RDONLY);
    ::fsync(fd);
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ::close(fd);
  }
}

struct Asked {
  std::string name;
  std::function<Result<void>(const ColumnSnapshot&)> act;
};

std::vector<Asked> questions() {
  std::vector<Asked> all;
  for (const Question question :
       {Question::kKeys, Question::kIps, Question::kCost, Question::kInjection}) {
    all.push_back({"ask " + std::string(name(question)), [question](const ColumnSnapshot& now) {
                     const auto answer =
                         ask(now, {.questions = {question}, .at = bench::Traffic::end()});
                     return answer ? Result<void>() : std::unexpected(answer.error());
                   }});
  }
  all.push_back({"ask, all four", [](const ColumnSnapshot& now) {
                   const auto answer = ask(now, {.at = bench::Traffic::end()});
                   return answer ? Result<void>() : std::unexpected(answer.error());
                 }});
  all.push_back({"ask, all, of a day", [](const ColumnSnapshot& now) {
                   const auto answer =
                       ask(now, {.at = bench::Traffic::end(), .since = std::chrono::hours(24)});
                   return answer ? Result<void>() : std::unexpected(answer.error());
                 }});
  const auto sums = [&](const char* name, AggregateSpec spec) {
    all.push_back({name, [spec](const ColumnSnapshot& now) {
                     const auto answer = aggregate(now, spec);
                     return answer ? Result<void>() : std::unexpected(answer.error());
                   }});
  };
  sums("sums by key", {.group_by = {Column::kKey}});
  sums("sums by hour", {.bucket = std::chrono::hours(1)});
  sums("keys per address",
       {.group_by = {Column::kIp}, .measures = {*parse_measure("distinct:api_key_id")}});
  AggregateSpec one{.measures = usual_measures()};
  one.selection.conditions = {*parse_condition("key=user_4242")};
  one.selection.since = bench::Traffic::end() - std::chrono::hours(24);
  sums("one key, one day", one);
  return all;
}

int ask_all(const std::string& journal, bool drop) {
  PosixFileSystem files;
  long anon = 0;
  for (const Asked& asked : questions()) {
    if (drop) drop_cache(journal);
    const auto begun = Steady::now();
    ColumnOptions options;
    options.write = false;
    // The measured folder has the JSON of a part only: no gap is to be filled from it.
    auto builder = ColumnBuilder::open(files, journal, options);
    if (!builder) return std::fprintf(stderr, "%s\n", builder.error().what.c_str()), 1;
    const auto now = (*builder)->snapshot();
    if (!now) return std::fprintf(stderr, "%s\n", now.error().what.c_str()), 1;
    const double opened = ms_since(begun);
    std::string times;
    for (int i = 0; i < (drop ? 1 : 4); ++i) {
      const auto from = Steady::now();
      const double cpu = cpu_ms();
      const auto done = asked.act(*now);
      if (!done) return std::fprintf(stderr, "%s\n", done.error().what.c_str()), 1;
      times += std::to_string(static_cast<long>(ms_since(from))) + " (cpu " +
               std::to_string(static_cast<long>(cpu_ms() - cpu)) + ") ";
      anon = std::max(anon, rss_anon_kb());
    }
    std::printf("%-18s open %5.0f ms, then ms: %s  rows %zu  RssAnon %ld MB\n", asked.name.c_str(),
                opened, times.c_str(), now->rows(), rss_anon_kb() / 1024);
    std::fflush(stdout);
  }
  std::printf("RssAnon at most %ld MB (after each answer)\n", anon / 1024);
  return 0;
}

// What an update costs that changes the files' version, and what following the log costs.
int rebuild(const std::string& journal) {
  std::filesystem::remove_all(column_directory(journal));
  PosixFileSystem files;
  const auto reader = Reader::open(files, journal);
  if (!reader) return std::fprintf(stderr, "%s\n", reader.error().what.c_str()), 1;
  auto builder = ColumnBuilder::open(files, journal);
  if (!builder) return std::fprintf(stderr, "%s\n", builder.error().what.c_str()), 1;
  const auto from = Steady::now();
  const double cpu = cpu_ms();
  const auto done = (*builder)->catch_up(reader->end_seq() - 1);
  if (!done) return std::fprintf(stderr, "%s\n", done.error().what.c_str()), 1;
  const auto counters = (*builder)->counters();
  std::printf("%llu records in %.0f ms (cpu %.0f), RssAnon %ld MB\n",
              static_cast<unsigned long long>(counters.rows), ms_since(from), cpu_ms() - cpu,
              rss_anon_kb() / 1024);
  return 0;
}

// The heart of the four questions, as in packaging/clickhouse/questions.sql; `run` gives the time.
void ask_sqlite(const std::function<double(const char*)>& run) {
  const std::string from =
      std::to_string(bench::Traffic::end().time_since_epoch().count() - 300'000);
  const std::array<std::pair<const char*, std::string>, 4> asked = {{
      {"ask keys", "SELECT key, geo, asn, count(*) n FROM r WHERE ts >= " + from +
                       " AND (key, geo, asn) NOT IN (SELECT key, geo, asn FROM r WHERE ts < " +
                       from + " AND status BETWEEN 200 AND 299) GROUP BY 1, 2, 3 ORDER BY n DESC"},
      {"ask ips", "SELECT ip, count(*) n FROM r WHERE ts >= " + from +
                      " AND status IN (401, 403) GROUP BY ip ORDER BY n DESC LIMIT 10"},
      {"ask cost",
       "SELECT w.key, spent, dearest FROM (SELECT key, sum(cost) spent FROM r WHERE ts >= " + from +
           " GROUP BY key) w LEFT JOIN (SELECT key, max(c) dearest FROM (SELECT key, sum(cost) c "
           "FROM r WHERE ts < " +
           from +
           " GROUP BY key, ts/3600000) GROUP BY key) p ON p.key = w.key ORDER BY spent DESC"},
      {"ask injection", "SELECT key, count(*) n FROM r WHERE ts >= " + from +
                            " AND verdict IN ('alert', 'block') GROUP BY key ORDER BY n DESC"},
  }};
  for (const auto& [name, sql] : asked) {
    std::printf("%-18s %8.0f ms\n", name, run(sql.c_str()));
    std::fflush(stdout);
  }
}

// key, ip, geo, asn, status, time, cost, tokens, verdict: what the sums need.
int sqlite(const std::string& path, std::uint64_t rows) {
  std::remove(path.c_str());
  sqlite3* db = nullptr;
  if (sqlite3_open(path.c_str(), &db) != SQLITE_OK) return 1;
  const auto run = [&](const char* sql) {
    const auto begun = Steady::now();
    char* wrong = nullptr;
    if (sqlite3_exec(db, sql, [](void*, int, char**, char**) { return 0; }, nullptr, &wrong)) {
      std::fprintf(stderr, "%s\n", wrong);
    }
    return ms_since(begun);
  };
  run("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-200000;"
      "CREATE TABLE r(seq INTEGER PRIMARY KEY, ts INT, key TEXT, ip TEXT, geo TEXT, asn INT,"
      "status INT, cost INT, tin INT, tout INT, verdict TEXT); BEGIN");
  sqlite3_stmt* insert = nullptr;
  sqlite3_prepare_v2(db, "INSERT INTO r VALUES(?,?,?,?,?,?,?,?,?,?,?)", -1, &insert, nullptr);
  const bench::Traffic traffic(rows);
  Event e;
  const auto begun = Steady::now();
  for (std::uint64_t row = 0; row < rows; ++row) {
    traffic.fill(e, row);
    int at = 0;
    const auto number = [&](std::int64_t n) { sqlite3_bind_int64(insert, ++at, n); };
    const auto text = [&](const std::string& t) {
      sqlite3_bind_text(insert, ++at, t.data(), static_cast<int>(t.size()), SQLITE_TRANSIENT);
    };
    number(static_cast<std::int64_t>(row + 1));
    number(e.timestamp_utc.time_since_epoch().count());
    text(*e.api_key_id);
    text(e.ip);
    text(*e.geo);
    number(*e.asn);
    number(*e.status);
    number(e.cost_usd ? e.cost_usd->nano : 0);
    number(*e.tokens_input);
    number(*e.tokens_output);
    text(e.injection->verdict);
    sqlite3_step(insert);
    sqlite3_reset(insert);
  }
  sqlite3_finalize(insert);
  run("COMMIT; CREATE INDEX k ON r(key, ts); CREATE INDEX t ON r(ts)");
  std::printf("sqlite: %llu rows loaded in %.0f s, %.1f bytes a row\n",
              static_cast<unsigned long long>(rows), ms_since(begun) / 1000,
              static_cast<double>(std::filesystem::file_size(path)) / static_cast<double>(rows));
  std::printf("sums by key        %8.0f ms\n",
              run("SELECT key, count(*), sum(tin), sum(tout), sum(cost) FROM r GROUP BY key"));
  std::printf("sums by hour       %8.0f ms\n",
              run("SELECT ts/3600000, count(*), sum(tin), sum(tout), sum(cost) FROM r GROUP BY 1"));
  std::printf("keys per address   %8.0f ms\n",
              run("SELECT ip, count(DISTINCT key) FROM r GROUP BY ip"));
  std::printf("one key, one day   %8.0f ms\n",
              run("SELECT count(*), sum(tin), sum(tout), sum(cost) FROM r WHERE key='user_4242' "
                  "AND ts >= (SELECT max(ts) FROM r) - 86400000"));
  ask_sqlite(run);
  sqlite3_close(db);
  return 0;
}

int tsv(std::uint64_t rows) {
  const bench::Traffic traffic(rows);
  Event e;
  for (std::uint64_t row = 0; row < rows; ++row) {
    traffic.fill(e, row);
    std::printf("%llu\t%lld\t%s\t%s\t%s\t%lld\t%d\t%lld\t%lld\t%lld\t%s\n",
                static_cast<unsigned long long>(row + 1),
                static_cast<long long>(e.timestamp_utc.time_since_epoch().count()),
                e.api_key_id->c_str(), e.ip.c_str(), e.geo->c_str(), static_cast<long long>(*e.asn),
                *e.status, static_cast<long long>(e.cost_usd ? e.cost_usd->nano : 0),
                static_cast<long long>(*e.tokens_input), static_cast<long long>(*e.tokens_output),
                e.injection->verdict.c_str());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  const auto number = [&](int at) { return std::strtoull(argv[at], nullptr, 10); };
  if (what == "generate" && argc == 5) return generate(argv[2], number(3), number(4));
  if (what == "ask" && argc >= 3) return ask_all(argv[2], argc > 3);
  if (what == "rebuild" && argc == 3) return rebuild(argv[2]);
  if (what == "sqlite" && argc == 4) return sqlite(argv[2], number(3));
  if (what == "tsv" && argc == 3) return tsv(number(2));
  std::fprintf(stderr,
               "columns_bench generate DIR ROWS JSON_ROWS | ask DIR [drop] | rebuild DIR | "
               "sqlite FILE ROWS | tsv ROWS\n");
  return 2;
}
