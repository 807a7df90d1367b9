// SPDX-License-Identifier: Apache-2.0
#include "provider/identity_key.h"

#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/json_writer.h"
#include "base/random.h"
#include "base/text.h"

namespace sallyport::provider {
namespace {

constexpr int kBits = 2048;
constexpr std::size_t kFileBytesMax = 64 * 1024;

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;
struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Bio = std::unique_ptr<BIO, FreeBio>;
struct FreeNumber {
  void operator()(BIGNUM* number) const { BN_free(number); }
};
struct FreeDigest {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

std::unexpected<Error> wrong(const std::string& path, const std::string& what) {
  return fail(Code::kInvalid, path + ": " + what);
}

// A passphrase would be asked for on the terminal; there is none to give.
int no_passphrase(char*, int, int, void*) { return -1; }

Result<Key> read_key(const std::string& path, int fd) {
  struct stat info{};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return wrong(path, "not a file");
  if ((info.st_mode & 077) != 0) return wrong(path, "others may read it; chmod 600");
  if (static_cast<std::size_t>(info.st_size) > kFileBytesMax) return wrong(path, "too large");
  std::string text(static_cast<std::size_t>(info.st_size), '\0');
  const ssize_t got = ::read(fd, text.data(), text.size());
  const Bio bio(BIO_new_mem_buf(text.data(), static_cast<int>(got < 0 ? 0 : got)));
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  explicit_bzero(text.data(), text.size());
  if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA) {
    return wrong(path, "not an RSA private key in PEM without a passphrase");
  }
  if (EVP_PKEY_get_bits(key.get()) < kBits) return wrong(path, "shorter than 2,048 bits");
  return key;
}

// Written whole or not there: a half key would stop the next start.
Result<Key> make_key(const std::string& path) {
  Key key(EVP_RSA_gen(kBits));
  const Bio bio(BIO_new(BIO_s_mem()));
  if (!key || PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                            nullptr) != 1) {
    return fail(Code::kUnavailable, "OpenSSL cannot make a key");
  }
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  const std::string half = path + ".new";
  ::unlink(half.c_str());
  const int fd = ::open(half.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  const bool written =
      fd >= 0 && ::write(fd, text, static_cast<std::size_t>(size)) == size && ::fsync(fd) == 0;
  const int error = errno;
  if (fd >= 0) ::close(fd);
  OPENSSL_cleanse(text, static_cast<std::size_t>(size));
  // link() does not replace: of two processes that start at one time both use the first one's key.
  if (!written || (::link(half.c_str(), path.c_str()) != 0 && errno != EEXIST)) {
    ::unlink(half.c_str());
    return fail(Code::kUnavailable, path + ": " + std::strerror(written ? errno : error));
  }
  ::unlink(half.c_str());
  return key;
}

std::string number_of(const EVP_PKEY* key, const char* name) {
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &raw) != 1) return {};
  const std::unique_ptr<BIGNUM, FreeNumber> number(raw);
  std::string bytes(static_cast<std::size_t>(BN_num_bytes(number.get())), '\0');
  BN_bn2bin(number.get(), reinterpret_cast<unsigned char*>(bytes.data()));
  return base64url_encode(bytes);
}

class RsaIdentityKey final : public IdentityKey {
 public:
  explicit RsaIdentityKey(Key key)
      : key_(std::move(key)),
        modulus_(number_of(key_.get(), OSSL_PKEY_PARAM_RSA_N)),
        exponent_(number_of(key_.get(), OSSL_PKEY_PARAM_RSA_E)) {
    const std::string canonical =
        R"({"e":")" + exponent_ + R"(","kty":"RSA","n":")" + modulus_ + "\"}";
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256(reinterpret_cast<const unsigned char*>(canonical.data()), canonical.size(), digest);
    kid_ = base64url_encode({reinterpret_cast<const char*>(digest), sizeof digest});
  }

  std::string kid() const override { return kid_; }

  std::string jwk() const override {
    std::string out;
    JsonWriter json(out);
    json.begin_object();
    json.field("kty", "RSA").field("use", "sig").field("alg", "RS256").field("kid", kid_);
    json.field("n", modulus_).field("e", exponent_).end_object();
    return out;
  }

  Result<std::string> sign(const IdentityClaims& claims) const override {
    std::string header, payload;
    JsonWriter(header)
        .begin_object()
        .field("alg", "RS256")
        .field("typ", "JWT")
        .field("kid", kid_)
        .end_object();
    const auto from = std::chrono::floor<std::chrono::seconds>(claims.issued_at);
    const std::int64_t iat = from.time_since_epoch().count();
    JsonWriter(payload)
        .begin_object()
        .field("iss", claims.issuer)
        .field("aud", claims.audience)
        .field("sub", claims.subject)
        .field("iat", iat)
        .field("exp", static_cast<std::int64_t>(iat + claims.life.count()))
        .field("jti", random_base62(22))
        .end_object();
    const std::string text = base64url_encode(header) + "." + base64url_encode(payload);
    const std::unique_ptr<EVP_MD_CTX, FreeDigest> context(EVP_MD_CTX_new());
    std::string signature(static_cast<std::size_t>(EVP_PKEY_get_size(key_.get())), '\0');
    std::size_t size = signature.size();
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    if (EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) != 1 ||
        EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                       bytes, text.size()) != 1) {
      return fail(Code::kUnavailable, "OpenSSL cannot sign");
    }
    signature.resize(size);
    return text + "." + base64url_encode(signature);
  }

 private:
  Key key_;
  std::string modulus_, exponent_, kid_;
};

}  // namespace

std::string jwks_of(const std::set<std::string>& keys) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("keys").begin_array();
  for (const std::string& key : keys) json.raw(key);
  json.end_array().end_object();
  return out;
}

std::string IdentityKey::jwks() const { return jwks_of({jwk()}); }

Result<std::shared_ptr<const IdentityKey>> IdentityKey::open(const std::string& path) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
      Result<Key> key = read_key(path, fd);
      ::close(fd);
      if (!key) return std::unexpected(key.error());
      return std::make_shared<const RsaIdentityKey>(std::move(*key));
    }
    if (errno != ENOENT) return fail(Code::kUnavailable, path + ": " + std::strerror(errno));
    Result<Key> made = make_key(path);  // and read it back: another process may have been first
    if (!made) return std::unexpected(made.error());
  }
  return fail(Code::kUnavailable, path + ": it was made and is not there");
}

}  // namespace sallyport::provider
