// SPDX-License-Identifier: Apache-2.0
#include "admin/sessions.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "base/random.h"
#include "base/text.h"

namespace sallyport::admin {
namespace {

constexpr std::size_t kCookieChars = 43;  // base62: 256 bits
constexpr std::size_t kIdChars = 16;      // 64 bits of the digest: nobody finds two alike

// A look-up by digest tells nothing about the cookie by its time.
std::string digest(std::string_view cookie) {
  std::array<unsigned char, 32> out{};
  unsigned int size = 0;
  if (EVP_Digest(cookie.data(), cookie.size(), out.data(), &size, EVP_sha256(), nullptr) != 1) {
    return "";
  }
  return to_hex({reinterpret_cast<const char*>(out.data()), size});
}

}  // namespace

Secret Sessions::open(std::string who, Role role) {
  const UtcTime now = clock_.now();
  std::erase_if(sessions_, [&](const auto& entry) { return entry.second.until <= now; });
  if (sessions_.size() >= kSessionsMax) {
    sessions_.erase(std::ranges::min_element(sessions_, {},
                                             [](const auto& entry) { return entry.second.until; }));
  }
  std::string cookie = random_base62(kCookieChars);
  sessions_[digest(cookie)] = {std::move(who), role, now + kLife};
  Secret out(cookie);
  explicit_bzero(cookie.data(), cookie.size());
  return out;
}

std::optional<Sessions::Found> Sessions::find(std::string_view cookie) const {
  if (cookie.size() != kCookieChars) return std::nullopt;
  const auto at = sessions_.find(digest(cookie));
  if (at == sessions_.end() || at->second.until <= clock_.now()) return std::nullopt;
  return Found{at->first, at->second};
}

std::vector<Sessions::Listed> Sessions::list() const {
  std::vector<Listed> out;
  for (const auto& [handle, session] : sessions_) {
    if (session.until > clock_.now()) out.push_back({handle.substr(0, kIdChars), session});
  }
  std::ranges::sort(out, {}, [](const Listed& one) { return std::tie(one.session.who, one.id); });
  return out;
}

std::vector<Sessions::Listed> Sessions::end(std::string_view id, std::string_view who) {
  std::vector<Listed> ended;
  std::erase_if(sessions_, [&](const auto& entry) {
    const auto& [handle, session] = entry;
    const bool meant = id.empty() ? session.who == who : handle.substr(0, kIdChars) == id;
    if (meant && session.until > clock_.now()) {
      ended.push_back({handle.substr(0, kIdChars), session});
    }
    return meant;
  });
  return ended;
}

}  // namespace sallyport::admin
