// SPDX-License-Identifier: Apache-2.0
#include "net/webhook_signature.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <optional>

#include "base/text.h"

namespace sallyport::net {
namespace {

constexpr std::string_view kMark = "whsec_";
constexpr std::size_t kSecretBytesMin = 24;
constexpr std::size_t kMacBytes = 32;

}  // namespace

Result<std::string> webhook_signature(const Secret& secret, std::string_view id,
                                      std::int64_t timestamp_s, std::string_view body) {
  if (id.empty() || id.contains('.')) return fail(Code::kInvalid, "not a message id");
  const std::string_view given = secret.reveal();
  Secret key;
  if (given.starts_with(kMark)) {
    const std::optional<std::string> bytes = base64_decode(given.substr(kMark.size()));
    if (!bytes) return fail(Code::kInvalid, "behind whsec_ stands no base64");
    key = Secret(*bytes);
  } else {
    key = Secret(given);
  }
  if (key.reveal().size() < kSecretBytesMin) {
    return fail(Code::kInvalid, "a webhook is signed with 24 bytes or more");
  }
  const std::string head = std::string(id) + "." + std::to_string(timestamp_s) + ".";
  std::string content = head;
  content += body;
  std::array<unsigned char, kMacBytes> mac;
  unsigned size = 0;
  const bool done = HMAC(EVP_sha256(), key.reveal().data(), static_cast<int>(key.reveal().size()),
                         reinterpret_cast<const unsigned char*>(content.data()), content.size(),
                         mac.data(), &size) != nullptr;
  explicit_bzero(content.data(), content.size());
  if (!done || size != mac.size()) return fail(Code::kUnavailable, "OpenSSL failed at HMAC");
  return "v1," + base64_encode({reinterpret_cast<const char*>(mac.data()), mac.size()});
}

}  // namespace sallyport::net
