// SPDX-License-Identifier: Apache-2.0
// Counts the tokens of files, for bench/tokenizer/run: prints a line a file and encoding with the
// tokens and the nanoseconds of the fastest of ROUNDS, then the first count of the process and the
// resident memory that counting took.
//   tokenizer_bench ROUNDS FILE...
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "meter/tokenizer.h"

namespace {

using Clock = std::chrono::steady_clock;
using sallyport::meter::Encoding;
using sallyport::meter::Tokenizer;

long long nanoseconds_since(Clock::time_point begin) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin).count();
}

long resident_kib() {
  std::ifstream file("/proc/self/statm");
  long size = 0, resident = 0;
  file >> size >> resident;
  return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 1;
  const Clock::time_point start = Clock::now();
  Tokenizer::of(Encoding::kO200k).count("The first count of a process.");
  std::printf("start %lld\n", nanoseconds_since(start));
  for (int i = 2; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    for (const Encoding encoding : {Encoding::kO200k, Encoding::kCl100k}) {
      const long before = resident_kib();
      long long best = 0;
      unsigned long long tokens = 0;
      for (int round = 0; round < rounds; ++round) {
        const Clock::time_point begin = Clock::now();
        tokens = Tokenizer::of(encoding).count(text);
        const long long took = nanoseconds_since(begin);
        if (round == 0 || took < best) best = took;
      }
      std::printf("count %s %s %zu %llu %lld\n", argv[i],
                  encoding == Encoding::kO200k ? "o200k_base" : "cl100k_base", text.size(), tokens,
                  best);
      std::printf("grew %ld\n", resident_kib() - before);
    }
  }
  return 0;
}
