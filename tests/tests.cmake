# SPDX-License-Identifier: Apache-2.0
# The tests that are not C++: ctest cases of their own, so that one command and one closing line
# cover everything. Labels: unit (a room's own tests), gate (through the whole program, one at a
# time, since they measure time), release_only (too slow, or without meaning, under a sanitizer),
# one_thread (rooms that never cross threads: TSan has nothing to see there).
set(SALLYPORT_NODE ${CMAKE_SOURCE_DIR}/.deps/bin/node)

foreach(room ${ROOMS})
  if(TARGET ${room}_test)
    set_tests_properties(${room} PROPERTIES LABELS unit TIMEOUT 120)
  endif()
endforeach()
foreach(room event geo policy config)
  if(TARGET ${room}_test)
    set_tests_properties(${room} PROPERTIES LABELS "unit;one_thread")
  endif()
endforeach()

# sallyport_script_test(NAME LABELS FILE ARGUMENTS...): a script of the checkout, run from its root.
function(sallyport_script_test name labels file)
  if(NOT EXISTS ${CMAKE_SOURCE_DIR}/${file})
    return()
  endif()
  add_test(NAME ${name} COMMAND ${ARGN} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS "${labels}" TIMEOUT 600)
  if(labels MATCHES "gate")
    set_tests_properties(${name} PROPERTIES RESOURCE_LOCK gate)
  endif()
endfunction()

sallyport_script_test(tidy release_only tools/tidy ${CMAKE_SOURCE_DIR}/tools/tidy)
sallyport_script_test(tidy_proof release_only tools/tidy_test.py
                      python3 ${CMAKE_SOURCE_DIR}/tools/tidy_test.py)
sallyport_script_test(compile_fail release_only tests/compile_fail/run.py
                      python3 ${CMAKE_SOURCE_DIR}/tests/compile_fail/run.py
                      --compiler ${CMAKE_CXX_COMPILER})

if(TARGET sallyport)
  set(program $<TARGET_FILE:sallyport>)
  sallyport_script_test(e2e gate tests/e2e/run.sh
                        ${CMAKE_COMMAND} -E env SALLYPORT_BIN=${program}
                        NODE=${SALLYPORT_NODE} ${CMAKE_SOURCE_DIR}/tests/e2e/run.sh)
  set_tests_properties(e2e PROPERTIES TIMEOUT 1200)  # a test that hangs is ended by run.sh
  sallyport_script_test(sinks gate tests/sinks/run.sh
                        ${CMAKE_COMMAND} -E env SALLYPORT_BIN=${program}
                        SALLYPORT_SANITIZE=${SALLYPORT_SANITIZE}
                        NODE=${SALLYPORT_NODE} ${CMAKE_SOURCE_DIR}/tests/sinks/run.sh sinks otlp)
  sallyport_script_test(sinks_real "gate;release_only" tests/sinks/run.sh
                        ${CMAKE_COMMAND} -E env SALLYPORT_BIN=${program}
                        NODE=${SALLYPORT_NODE} ${CMAKE_SOURCE_DIR}/tests/sinks/run.sh
                        real_servers shipped_files)
  sallyport_script_test(hostile gate tests/hostile/run.py
                        python3 ${CMAKE_SOURCE_DIR}/tests/hostile/run.py --sallyport ${program})
  sallyport_script_test(hostile_proof release_only tests/hostile/run.py
                        python3 ${CMAKE_SOURCE_DIR}/tests/hostile/run.py --prove)
  sallyport_script_test(kill9 "gate;release_only" tests/kill9/run.py
                        python3 ${CMAKE_SOURCE_DIR}/tests/kill9/run.py --sallyport ${program}
                        --rounds 50)
  sallyport_script_test(kill9_proof "gate;release_only" tests/kill9/run.py
                        python3 ${CMAKE_SOURCE_DIR}/tests/kill9/run.py --sallyport ${program}
                        --rounds 3 --prove)
  sallyport_script_test(budget "gate;release_only" tests/budget/run.py
                        python3 ${CMAKE_SOURCE_DIR}/tests/budget/run.py --sallyport ${program})
  sallyport_script_test(disk_full "gate;release_only" tests/disk_full/run.py
                        python3 ${CMAKE_SOURCE_DIR}/tests/disk_full/run.py --sallyport ${program})
  set_tests_properties(disk_full PROPERTIES SKIP_RETURN_CODE 77)
  sallyport_script_test(stranger release_only tests/stranger/run.py
                        python3 ${CMAKE_SOURCE_DIR}/tests/stranger/run.py --sallyport ${program})
  set_tests_properties(stranger PROPERTIES SKIP_RETURN_CODE 77)  # no Go here
  sallyport_script_test(clickhouse "gate;release_only" tests/clickhouse/run.py
                        python3 ${CMAKE_SOURCE_DIR}/tests/clickhouse/run.py --sallyport ${program})
  set_tests_properties(clickhouse PROPERTIES SKIP_RETURN_CODE 77)  # no ClickHouse here
  sallyport_script_test(derived_tokens release_only tests/derived_tokens/run.py
                        python3 ${CMAKE_SOURCE_DIR}/tests/derived_tokens/run.py
                        --sallyport ${program} --node ${SALLYPORT_NODE})
  sallyport_script_test(syscalls "gate;release_only" tests/e2e/syscalls_test.py
                        python3 ${CMAKE_SOURCE_DIR}/tests/e2e/syscalls_test.py
                        --sallyport ${program})
  set_tests_properties(syscalls PROPERTIES SKIP_RETURN_CODE 77)  # no ptrace here
endif()

# Our tokens beside those of the npm package tiktoken, id by id.
add_executable(encode_lines tests/tokens/encode_lines.cc)
target_link_libraries(encode_lines PRIVATE meter)
sallyport_script_test(tokens release_only tests/tokens/compare.mjs
                      ${SALLYPORT_NODE} ${CMAKE_SOURCE_DIR}/tests/tokens/compare.mjs
                      $<TARGET_FILE:encode_lines>)

# Logs with planted attacks, and the score of what was found in them.
include(${CMAKE_SOURCE_DIR}/tools/traffic/traffic.cmake)
