// SPDX-License-Identifier: Apache-2.0
#include "notify/bigquery_token.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <utility>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/text.h"

namespace sallyport::notify {
namespace {

constexpr int kKeyBitsMin = 2048;

struct Free {
  void operator()(EVP_PKEY* it) const { EVP_PKEY_free(it); }
  void operator()(EVP_MD_CTX* it) const { EVP_MD_CTX_free(it); }
  void operator()(BIO* it) const { BIO_free(it); }
};

class Account final : public ServiceAccount {
 public:
  using Key = std::unique_ptr<EVP_PKEY, Free>;
  Account(Key key, std::string email, std::string key_id, std::string project)
      : key_(std::move(key)),
        email_(std::move(email)),
        key_id_(std::move(key_id)),
        project_(std::move(project)) {}

  const std::string& project() const override { return project_; }

  Result<std::string> token(const std::string& audience, UtcTime now) override {
    // A clock that was set back makes a token of the future: a new one then too.
    if (!token_.empty() && now >= made_at_ && now - made_at_ < kRenew) return token_;
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    std::string head, claims;
    JsonWriter(head)
        .begin_object()
        .field("alg", "RS256")
        .field("typ", "JWT")
        .field("kid", key_id_)
        .end_object();
    JsonWriter(claims)
        .begin_object()
        .field("iss", email_)
        .field("sub", email_)
        .field("aud", audience)
        .field("iat", static_cast<std::int64_t>(seconds))
        .field("exp", static_cast<std::int64_t>(seconds + kLife.count()))
        .end_object();
    std::string text = base64url_encode(head) + "." + base64url_encode(claims);
    Result<std::string> signature = sign(text);
    if (!signature) return signature;
    token_ = text + "." + base64url_encode(*signature);
    made_at_ = now;
    return token_;
  }

  void forget() override { wipe(token_); }

 private:
  Result<std::string> sign(std::string_view text) const {
    const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    std::size_t size = 0;
    if (!context ||
        EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) != 1 ||
        EVP_DigestSign(context.get(), nullptr, &size, bytes, text.size()) != 1) {
      return fail(Code::kInvalid, "the service account's key does not sign");
    }
    std::string signature(size, '\0');
    if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                       bytes, text.size()) != 1) {
      return fail(Code::kInvalid, "the service account's key does not sign");
    }
    signature.resize(size);
    return signature;
  }

  const Key key_;
  const std::string email_, key_id_, project_;
  std::string token_;
  UtcTime made_at_{};
};

std::string text_at(const JsonValue& object, std::string_view name) {
  const std::optional<JsonValue> value = object.at(name);
  return std::string(value ? value->string().value_or("") : "");
}

}  // namespace

Result<std::unique_ptr<ServiceAccount>> ServiceAccount::parse(const Secret& file) {
  const Result<JsonValue> value = JsonValue::parse(file.reveal());
  if (!value || !value->is_object()) {
    return fail(Code::kInvalid, "token: not the JSON of a service account");
  }
  std::string pem = text_at(*value, "private_key");
  const std::string email = text_at(*value, "client_email");
  const std::string key_id = text_at(*value, "private_key_id");
  const std::unique_ptr<BIO, Free> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  // A pass phrase would be asked for on the terminal: an empty one instead.
  Account::Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, const_cast<char*>("")));
  wipe(pem);
  if (email.empty() || key_id.empty()) {
    return fail(Code::kInvalid, "token: client_email or private_key_id is missing");
  }
  if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA ||
      EVP_PKEY_get_bits(key.get()) < kKeyBitsMin) {
    return fail(Code::kInvalid, "token: private_key is no RSA key of 2048 bits or more");
  }
  return std::make_unique<Account>(std::move(key), email, key_id, text_at(*value, "project_id"));
}

}  // namespace sallyport::notify
