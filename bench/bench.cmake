# SPDX-License-Identifier: Apache-2.0
# Benchmarks of single parts, each a program of its own: cmake -DSALLYPORT_BENCH=ON, then
# `ninja keys_bench`. No test runs them: what they measure is the machine as much as the code.
if(NOT SALLYPORT_BENCH)
  return()
endif()

add_executable(keys_bench bench/micro/keys_bench.cc)
target_link_libraries(keys_bench PRIVATE keys store)
add_executable(journal_bench bench/micro/journal_bench.cc)
target_link_libraries(journal_bench PRIVATE audit)
add_executable(columns_bench bench/audit/columns_bench.cc)
target_include_directories(columns_bench PRIVATE ${CMAKE_SOURCE_DIR})
target_link_libraries(columns_bench PRIVATE audit)
add_executable(sinks_bench bench/sinks/sinks_bench.cc)
target_include_directories(sinks_bench PRIVATE ${CMAKE_SOURCE_DIR})
target_link_libraries(sinks_bench PRIVATE notify)
add_executable(tokenizer_bench bench/tokenizer/tokenizer_bench.cc)
target_link_libraries(tokenizer_bench PRIVATE meter)

find_library(GOOGLE_BENCHMARK benchmark)
if(GOOGLE_BENCHMARK)
  add_executable(http1_bench bench/micro/http1_bench.cc)
  target_link_libraries(http1_bench PRIVATE net benchmark_main ${GOOGLE_BENCHMARK})
endif()
