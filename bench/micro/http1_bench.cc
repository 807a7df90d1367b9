// SPDX-License-Identifier: Apache-2.0
// How long a head takes: found and parsed at once, byte by byte, and a chunked body of 16 KiB
// pieces.
//   clang++-19 -std=c++23 -O2 -Isrc bench/micro/http1_bench.cc src/net/http1_*.cc (without tests)
//     -lbenchmark_main -lbenchmark -lpthread
#include <benchmark/benchmark.h>

#include <array>
#include <string>

#include "net/http1_head.h"

namespace {

using sallyport::net::ChunkedDecoder;
using sallyport::net::HeadScanner;
using sallyport::net::RequestHead;

// What the OpenAI SDK for Node sends.
const std::string kRequest =
    "POST /v1/chat/completions HTTP/1.1\r\n"
    "Host: gate.example.com:8443\r\n"
    "Accept: application/json\r\n"
    "Content-Type: application/json\r\n"
    "User-Agent: OpenAI/JS 5.12.2\r\n"
    "X-Stainless-Retry-Count: 0\r\n"
    "X-Stainless-Lang: js\r\n"
    "X-Stainless-Package-Version: 5.12.2\r\n"
    "X-Stainless-OS: Linux\r\n"
    "X-Stainless-Arch: x64\r\n"
    "X-Stainless-Runtime: node\r\n"
    "X-Stainless-Runtime-Version: v22.11.0\r\n"
    "Authorization: Bearer sk-sp1-abcdefghijkl-abcdefghijklmnopqrstuvwxyzABCDEFghijkl\r\n"
    "Connection: keep-alive\r\n"
    "Accept-Encoding: gzip, deflate\r\n"
    "Content-Length: 1024\r\n\r\n";

void scan_and_parse(benchmark::State& state) {
  RequestHead head;
  for (auto _ : state) {
    HeadScanner scanner(64 * 1024);
    benchmark::DoNotOptimize(scanner.scan(kRequest));
    benchmark::DoNotOptimize(sallyport::net::parse_request_head(kRequest, head));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * kRequest.size()));
}
BENCHMARK(scan_and_parse);

void scan_byte_by_byte(benchmark::State& state) {
  for (auto _ : state) {
    HeadScanner scanner(64 * 1024);
    for (std::size_t i = 1; i <= kRequest.size(); ++i) {
      benchmark::DoNotOptimize(scanner.scan(std::string_view(kRequest).substr(0, i)));
    }
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * kRequest.size()));
}
BENCHMARK(scan_byte_by_byte);

void chunked(benchmark::State& state) {
  const auto piece = static_cast<std::size_t>(state.range(0));
  std::array<char, 20> room;
  std::string message;
  while (message.size() < 256 * 1024) {
    message += sallyport::net::chunk_prefix(piece, room);
    message += std::string(piece, 'x') + "\r\n";
  }
  message += sallyport::net::kLastChunk;
  for (auto _ : state) {
    ChunkedDecoder decoder;
    for (std::string_view rest = message;;) {
      const auto step = decoder.step(rest);
      rest.remove_prefix(step.consumed);
      benchmark::DoNotOptimize(step.data.data());
      if (step.state != ChunkedDecoder::Step::kMore) break;
    }
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * message.size()));
}
BENCHMARK(chunked)->Arg(64)->Arg(1024)->Arg(16384);

}  // namespace
