// SPDX-License-Identifier: Apache-2.0
#include "audit/signed_note.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <memory>

#include "base/text.h"

namespace sallyport::audit {
namespace {

constexpr std::string_view kDash = "\xE2\x80\x94 ";  // U+2014 and a space begin a signature line
constexpr std::size_t kSeedBytes = 32;
constexpr std::size_t kPublicKeyBytes = 32;
constexpr std::size_t kSignatureBytes = 64;
constexpr std::size_t kTimeBytes = 8;
constexpr std::size_t kIdBytes = 4;
constexpr std::size_t kNameBytesMax = 256;

struct Free {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, Free>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Free>;

const unsigned char* raw(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

std::string big_endian(std::uint64_t value, std::size_t bytes) {
  std::string out(bytes, '\0');
  for (std::size_t i = bytes; i-- > 0; value >>= 8) out[i] = static_cast<char>(value & 0xff);
  return out;
}

std::uint64_t from_big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

bool good_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax && std::ranges::none_of(name, [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == '+' || c == '\x7f';
  });
}

bool verify_ed25519(std::string_view public_key, std::string_view message,
                    std::string_view signature) {
  const Key key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, raw(public_key), public_key.size()));
  const DigestContext context(EVP_MD_CTX_new());
  return key && context && signature.size() == kSignatureBytes &&
         EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), raw(signature), signature.size(), raw(message),
                          message.size()) == 1;
}

// Valid UTF-8 without control characters but LF.
bool good_text(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x80) {
      if ((c < ' ' && c != '\n') || c == 0x7f) return false;
      ++i;
      continue;
    }
    const int more = c >= 0xc2 && c < 0xe0   ? 1
                     : c >= 0xe0 && c < 0xf0 ? 2
                     : c >= 0xf0 && c < 0xf5 ? 3
                                             : 0;
    if (more == 0 || i + static_cast<std::size_t>(more) >= text.size()) return false;
    for (int k = 1; k <= more; ++k) {
      if ((static_cast<unsigned char>(text[i + static_cast<std::size_t>(k)]) & 0xc0) != 0x80)
        return false;
    }
    const auto next = static_cast<unsigned char>(text[i + 1]);
    const bool overlong = (c == 0xe0 && next < 0xa0) || (c == 0xf0 && next < 0x90);
    const bool beyond = (c == 0xed && next > 0x9f) || (c == 0xf4 && next > 0x8f);
    if (overlong || beyond) return false;
    i += static_cast<std::size_t>(more) + 1;
  }
  return true;
}

std::uint32_t key_id(std::string_view name, SignatureType type, std::string_view public_key) {
  std::string input(name);
  input += '\n';
  input += static_cast<char>(type);
  input += public_key;
  std::array<unsigned char, 32> hash{};
  if (EVP_Q_digest(nullptr, "SHA256", nullptr, input.data(), input.size(), hash.data(), nullptr) !=
      1) {
    std::abort();  // no memory
  }
  return static_cast<std::uint32_t>(
      from_big_endian({reinterpret_cast<const char*>(hash.data()), kIdBytes}));
}

// Does this signature of a known key hold? Fills in the time of a cosignature.
bool holds(const VerifierKey& key, std::string_view text, std::string_view bytes, UtcTime& at) {
  if (key.type == SignatureType::kEd25519) return verify_ed25519(key.public_key, text, bytes);
  if (bytes.size() != kTimeBytes + kSignatureBytes) return false;
  const std::uint64_t seconds = from_big_endian(bytes.substr(0, kTimeBytes));
  if (seconds > 253'402'300'799) return false;  // beyond the year 9999
  at = UtcTime(std::chrono::seconds(seconds));
  return verify_ed25519(key.public_key, cosigned_message(text, at), bytes.substr(kTimeBytes));
}

}  // namespace

VerifierKey VerifierKey::of(std::string name, SignatureType type, std::string public_key) {
  VerifierKey key;
  key.id = key_id(name, type, public_key);
  key.name = std::move(name);
  key.type = type;
  key.public_key = std::move(public_key);
  return key;
}

Result<VerifierKey> VerifierKey::parse(std::string_view text) {
  const auto wrong = [](const char* what) {
    return fail(Code::kInvalid, std::string("not a verifier key (name+id+key): ") + what);
  };
  const std::size_t first = text.find('+');
  const std::size_t second = first == std::string_view::npos ? first : text.find('+', first + 1);
  if (second == std::string_view::npos) return wrong("it has three parts with a plus between");
  const std::string_view name = text.substr(0, first);
  const auto id = from_hex(text.substr(first + 1, second - first - 1));
  const auto bytes = base64_decode(text.substr(second + 1));
  if (!good_name(name)) return wrong("the name");
  if (!id || id->size() != kIdBytes) return wrong("the id is 8 hexadecimal digits");
  if (!bytes || bytes->size() != 1 + kPublicKeyBytes) return wrong("the key is base64 of 33 bytes");
  const auto type = static_cast<SignatureType>((*bytes)[0]);
  if (type != SignatureType::kEd25519 && type != SignatureType::kCosignature) {
    return wrong("the algorithm is neither Ed25519 nor an Ed25519 cosignature");
  }
  VerifierKey key = of(std::string(name), type, bytes->substr(1));
  if (key.id != from_big_endian(*id)) return wrong("the id is not that of the key");
  return key;
}

std::string VerifierKey::text() const {
  std::string bytes(1, static_cast<char>(type));
  bytes += public_key;
  return name + '+' + to_hex(big_endian(id, kIdBytes)) + '+' + base64_encode(bytes);
}

Result<SigningKey> SigningKey::make(std::string name, std::shared_ptr<const Secret> seed) {
  if (!good_name(name)) {
    return fail(Code::kInvalid, "the name of a signing key has no space and no plus");
  }
  if (!seed || seed->reveal().size() != kSeedBytes) {
    return fail(Code::kInvalid, "an Ed25519 seed has 32 bytes");
  }
  const Key key(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, raw(seed->reveal()), kSeedBytes));
  std::string public_key(kPublicKeyBytes, '\0');
  std::size_t size = public_key.size();
  if (!key || EVP_PKEY_get_raw_public_key(
                  key.get(), reinterpret_cast<unsigned char*>(public_key.data()), &size) != 1) {
    return fail(Code::kUnavailable, "OpenSSL cannot use the signing key");
  }
  SigningKey signing;
  signing.seed_ = std::move(seed);
  signing.verifier_ = VerifierKey::of(std::move(name), SignatureType::kEd25519, public_key);
  return signing;
}

std::string SigningKey::sign(std::string_view text) const {
  const Key key(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, raw(seed_->reveal()), kSeedBytes));
  const DigestContext context(EVP_MD_CTX_new());
  std::string signature(kSignatureBytes, '\0');
  std::size_t size = signature.size();
  if (!key || !context ||
      EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     raw(text), text.size()) != 1) {
    std::abort();  // no memory: a log must not go on with a signature that is none
  }
  return signature_line(verifier_.name, verifier_.id, signature) + '\n';
}

std::string signature_line(std::string_view name, std::uint32_t id, std::string_view bytes) {
  return std::string(kDash) + std::string(name) + ' ' +
         base64_encode(big_endian(id, kIdBytes) + std::string(bytes));
}

Result<NoteSignature> parse_signature_line(std::string_view line) {
  const auto wrong = [] { return fail(Code::kInvalid, "a signature line is malformed"); };
  if (!line.starts_with(kDash)) return wrong();
  line.remove_prefix(kDash.size());
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return wrong();
  const auto bytes = base64_decode(line.substr(space + 1));
  if (!good_name(line.substr(0, space)) || !bytes || bytes->size() <= kIdBytes) return wrong();
  return NoteSignature{
      .name = std::string(line.substr(0, space)),
      .id =
          static_cast<std::uint32_t>(from_big_endian(std::string_view(*bytes).substr(0, kIdBytes))),
      .bytes = bytes->substr(kIdBytes),
  };
}

Result<Note> Note::parse(std::string_view whole) {
  const auto wrong = [](const char* what) {
    return fail(Code::kInvalid, std::string("not a signed note: ") + what);
  };
  if (whole.size() > kNoteBytesMax) return wrong("too long");
  if (!good_text(whole)) return wrong("a control character or malformed UTF-8");
  if (!whole.ends_with('\n')) return wrong("the last line does not end");
  const std::size_t blank = whole.rfind("\n\n");  // the last one: the text may have empty lines
  if (blank == std::string_view::npos) return wrong("no empty line before the signatures");
  Note note;
  note.text = whole.substr(0, blank + 1);
  std::string_view lines = whole.substr(blank + 2);
  if (lines.empty()) return wrong("no signature");
  while (!lines.empty()) {
    const std::size_t end = lines.find('\n');
    Result<NoteSignature> signature = parse_signature_line(lines.substr(0, end));
    if (!signature) return std::unexpected(std::move(signature.error()));
    if (note.signatures.size() == kNoteSignaturesMax) return wrong("too many signatures");
    note.signatures.push_back(std::move(*signature));
    lines.remove_prefix(end + 1);
  }
  return note;
}

Result<Verified> verify_note(std::string_view whole, const std::vector<VerifierKey>& keys) {
  Result<Note> note = Note::parse(whole);
  if (!note) return std::unexpected(std::move(note.error()));
  Verified verified{.text = std::move(note->text), .by = {}, .cosigned_at = {}};
  for (const NoteSignature& signature : note->signatures) {
    const auto key = std::ranges::find_if(keys, [&](const VerifierKey& k) {
      return k.id == signature.id && k.name == signature.name;
    });
    if (key == keys.end()) continue;  // of somebody we do not know
    if (std::ranges::any_of(verified.by, [&](const VerifierKey& k) {
          return k.id == key->id && k.name == key->name;
        })) {
      continue;
    }
    UtcTime at{};
    if (!holds(*key, verified.text, signature.bytes, at)) {
      return fail(Code::kDenied, "the signature of " + key->name + " is wrong");
    }
    verified.by.push_back(*key);
    if (key->type == SignatureType::kCosignature) verified.cosigned_at.push_back(at);
  }
  if (verified.by.empty()) return fail(Code::kDenied, "no signature of a known key");
  return verified;
}

bool signed_by_both(std::string_view whole, const VerifierKey& one, const VerifierKey& other) {
  const auto verified = verify_note(whole, {one, other});
  if (!verified || one.text() == other.text()) return false;
  const auto by = [&](const VerifierKey& key) {
    return verified->text.starts_with(key.name + "\n") &&
           std::ranges::find(verified->by, key.text(), &VerifierKey::text) != verified->by.end();
  };
  return by(one) && by(other);
}

std::string cosigned_message(std::string_view text, UtcTime at) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(at.time_since_epoch()).count();
  return "cosignature/v1\ntime " + std::to_string(seconds) + "\n" + std::string(text);
}

}  // namespace sallyport::audit
