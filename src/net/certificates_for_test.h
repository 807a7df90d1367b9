// SPDX-License-Identifier: Apache-2.0
// For tests only: authorities and certificates made on the spot, so that none can expire in the
// repository.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <memory>
#include <string>

namespace sallyport::net {

struct OpenSslDelete {
  void operator()(X509* it) const { X509_free(it); }
  void operator()(EVP_PKEY* it) const { EVP_PKEY_free(it); }
  void operator()(BIO* it) const { BIO_free(it); }
};

struct Certificate {
  std::unique_ptr<X509, OpenSslDelete> x509;
  std::unique_ptr<EVP_PKEY, OpenSslDelete> key;

  std::string pem() const {
    const auto bio = memory();
    PEM_write_bio_X509(bio.get(), x509.get());
    return text(bio.get());
  }
  // With a pass phrase the key is encrypted.
  std::string key_pem(const char* pass_phrase = nullptr) const {
    const auto bio = memory();
    const EVP_CIPHER* const cipher = pass_phrase ? EVP_aes_256_cbc() : nullptr;
    PEM_write_bio_PrivateKey(bio.get(), key.get(), cipher, nullptr, 0, nullptr,
                             const_cast<char*>(pass_phrase));
    return text(bio.get());
  }

 private:
  static std::unique_ptr<BIO, OpenSslDelete> memory() {
    return std::unique_ptr<BIO, OpenSslDelete>(BIO_new(BIO_s_mem()));
  }
  static std::string text(BIO* bio) {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(bio, &bytes);
    return {bytes, static_cast<std::size_t>(size)};
  }
};

struct CertificateWish {
  std::string common_name = "test";
  std::string alternative_names =
      {};  // as OpenSSL writes them: "DNS:a.test,IP:127.0.0.1"; empty: none
  bool authority = false;
  long from_s = -3600;  // relative to now
  long until_s = 3600;
};

inline void add_extension(X509* to, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (extension == nullptr) std::abort();
  X509_add_ext(to, extension, -1);
  X509_EXTENSION_free(extension);
}

// Signed by `issuer`, or by itself.
inline Certificate make_certificate(const CertificateWish& wish, const Certificate* issuer) {
  Certificate made;
  made.key.reset(EVP_EC_gen("P-256"));
  made.x509.reset(X509_new());
  X509* const x509 = made.x509.get();
  static long serial = 1;
  X509_set_version(x509, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(x509), serial++);
  X509_gmtime_adj(X509_getm_notBefore(x509), wish.from_s);
  X509_gmtime_adj(X509_getm_notAfter(x509), wish.until_s);
  X509_set_pubkey(x509, made.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(wish.common_name.c_str()), -1,
                             -1, 0);
  X509* const signer = issuer ? issuer->x509.get() : x509;
  X509_set_issuer_name(x509, X509_get_subject_name(signer));
  add_extension(x509, signer, NID_basic_constraints,
                wish.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  if (!wish.alternative_names.empty()) {
    add_extension(x509, signer, NID_subject_alt_name, wish.alternative_names);
  }
  EVP_PKEY* const key = issuer ? issuer->key.get() : made.key.get();
  if (X509_sign(x509, key, EVP_sha256()) == 0) std::abort();
  return made;
}

}  // namespace sallyport::net
