# SPDX-License-Identifier: Apache-2.0
# The token table of meter/: packed from the npm package tiktoken when sallyport is built, and put
# into the program as it is (.incbin), so that it needs neither time nor memory at the start.
set(token_package ${CMAKE_SOURCE_DIR}/tools/token_ranks/node_modules/tiktoken)
set(token_encoders ${token_package}/encoders)
foreach(encoder o200k_base cl100k_base)
  if(NOT EXISTS ${token_encoders}/${encoder}.json)
    message(FATAL_ERROR "The token ranks are missing (tools/token_ranks/node_modules/tiktoken). "
                        "`tools/deps run` installs them from npm.")
  endif()
endforeach()

add_executable(pack_ranks tools/token_ranks/pack_ranks.cc)
target_compile_options(pack_ranks PRIVATE -O2)
target_link_libraries(pack_ranks PRIVATE OpenSSL::Crypto ${SIMDJSON})

set(token_table ${CMAKE_BINARY_DIR}/token_table.bin)
add_custom_command(
  OUTPUT ${token_table}
  COMMAND pack_ranks ${token_encoders} ${CMAKE_SOURCE_DIR}/tools/token_ranks/kinds.txt
          ${token_table}
  DEPENDS pack_ranks ${token_encoders}/o200k_base.json ${token_encoders}/cl100k_base.json
          ${CMAKE_SOURCE_DIR}/tools/token_ranks/kinds.txt
  COMMENT "Packing the token table"
  VERBATIM)

enable_language(ASM)
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/token_table.S CONTENT [[
.section .rodata
.globl sallyport_token_table
.hidden sallyport_token_table
.balign 64
sallyport_token_table:
.incbin "token_table.bin"
.section .note.GNU-stack,"",%progbits
]])
set_source_files_properties(${CMAKE_BINARY_DIR}/token_table.S PROPERTIES
  OBJECT_DEPENDS ${token_table}
  COMPILE_OPTIONS "-I${CMAKE_BINARY_DIR};-Wno-unused-command-line-argument")
target_sources(meter PRIVATE ${CMAKE_BINARY_DIR}/token_table.S)
