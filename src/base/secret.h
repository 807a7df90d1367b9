// SPDX-License-Identifier: Apache-2.0
// Bytes that must not leak: a key, a token, a pepper. There is one way out, `reveal()`, so that
// every use can be found by name; it does not print, does not copy, and wipes itself.
#pragma once

#include <openssl/crypto.h>
#include <string.h>

#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view bytes) : bytes_(bytes.begin(), bytes.end()) {}
  Secret(Secret&&) noexcept = default;  // a vector hands over its pointer: no second copy stays
  Secret& operator=(Secret&& other) noexcept {
    wipe();
    bytes_ = std::move(other.bytes_);
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { wipe(); }

  std::string_view reveal() const { return {bytes_.data(), bytes_.size()}; }  // the one way out
  bool empty() const { return bytes_.empty(); }
  Secret clone() const { return Secret(reveal()); }  // a second owner, on purpose

  // Constant time in the length of the shorter one; lengths are not secret.
  friend bool operator==(const Secret& a, const Secret& b) {
    return a.bytes_.size() == b.bytes_.size() &&
           CRYPTO_memcmp(a.bytes_.data(), b.bytes_.data(), a.bytes_.size()) == 0;
  }

 private:
  void wipe() {
    if (!bytes_.empty()) explicit_bzero(bytes_.data(), bytes_.size());
  }
  std::vector<char> bytes_;
};
std::ostream& operator<<(std::ostream&, const Secret&) = delete;

// For a text that held a secret on its way: reserve it large enough before, or what it outgrew
// stays behind.
inline void wipe(std::string& text) {
  explicit_bzero(text.data(), text.size());
  text.clear();
}

}  // namespace sallyport
