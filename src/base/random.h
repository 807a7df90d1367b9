// SPDX-License-Identifier: Apache-2.0
// Randomness from the operating system. Tests pass their own source where they need a known value.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>

namespace sallyport {

inline constexpr char kBase62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

void fill_random(
    std::span<unsigned char> out);  // getrandom(2); ends the process if the kernel refuses
std::string random_base62(std::size_t length);  // by rejection: no modulo bias

// "req_" + 24 base62: fresh per request, buffered per thread (no system call each).
std::string make_request_id();

}  // namespace sallyport
