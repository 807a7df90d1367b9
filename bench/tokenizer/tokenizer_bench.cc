// SPDX-License-Identifier: Apache-2.0
// Counts the tokens of files, for bench/tokenizer/run: prints a line a file and encoding with the
// tokens and the nanoseconds of processor time of the fastest of ROUNDS, then the first count of
// the process and the resident memory that counting took.
//   tokenizer_bench ROUNDS FILE...
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "meter/tokenizer.h"

namespace {

using sallyport::meter::Encoding;
using sallyport::meter::Tokenizer;

// Of processor time, so that a busy machine does not count.
long long nanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
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
  const long long start = nanoseconds();
  Tokenizer::of(Encoding::kO200k).count("The first count of a process.");
  std::printf("start %lld\n", nanoseconds() - start);
  for (int i = 2; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    for (const Encoding encoding : {Encoding::kO200k, Encoding::kCl100k}) {
      const long before = resident_kib();
      long long best = 0;
      unsigned long long tokens = 0;
      for (int round = 0; round < rounds; ++round) {
        const long long begin = nanoseconds();
        tokens = Tokenizer::of(encoding).count(text);
        const long long took = nanoseconds() - begin;
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
