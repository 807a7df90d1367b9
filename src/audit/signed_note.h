// SPDX-License-Identifier: Apache-2.0
// Signed notes (C2SP signed-note.md): a text and Ed25519 signatures under it, each with the name of
// its key. Checkpoints of the log are such notes, and cosignatures of witnesses are lines of them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/secret.h"

namespace sallyport::audit {

inline constexpr std::size_t kNoteBytesMax = 1u << 20;
inline constexpr std::size_t kNoteSignaturesMax = 128;

// What a signature means; the byte stands before the public key in a verifier key.
enum class SignatureType : std::uint8_t {
  kEd25519 = 1,  // over the text
  kCosignature =
      4,  // over a time and the text: a witness saw this log and nothing that contradicts
};

// The public half. Written "name+8 hex digits+base64(type, public key)".
struct VerifierKey {
  std::string name;
  std::uint32_t id = 0;  // the first four bytes of SHA-256(name, LF, type, public key)
  SignatureType type = SignatureType::kEd25519;
  std::string public_key;  // 32 bytes

  // kInvalid: not of this form, an unknown type, or the id is not that of the key.
  static Result<VerifierKey> parse(std::string_view text);
  static VerifierKey of(std::string name, SignatureType type, std::string public_key);
  std::string text() const;
};

// The private half: an Ed25519 seed of 32 bytes.
class SigningKey {
 public:
  // kInvalid: the seed is not 32 bytes, or the name is empty or has a space or a plus.
  static Result<SigningKey> make(std::string name, std::shared_ptr<const Secret> seed);

  const VerifierKey& verifier() const { return verifier_; }
  // Ed25519 is deterministic: the same text gives the same line.
  std::string sign(std::string_view text) const;  // a whole line with its newline

 private:
  SigningKey() = default;
  std::shared_ptr<const Secret> seed_;
  VerifierKey verifier_;
};

struct NoteSignature {
  std::string name;
  std::uint32_t id = 0;
  std::string bytes;  // after the id
};

struct Note {
  std::string text;  // with its last newline
  std::vector<NoteSignature> signatures;

  // Checks the form alone. kInvalid says what is wrong with it.
  static Result<Note> parse(std::string_view whole);
};

// One signature line, "— name base64" without the newline.
Result<NoteSignature> parse_signature_line(std::string_view line);
std::string signature_line(std::string_view name, std::uint32_t id, std::string_view bytes);

struct Verified {
  std::string text;
  std::vector<VerifierKey> by;
  std::vector<UtcTime> cosigned_at;  // of each cosignature among them, in order
};

// The text, when at least one of `keys` signed it and none of their signatures is wrong. Signatures
// of other keys are passed over. kInvalid: malformed; kDenied: unsigned, or a wrong signature.
Result<Verified> verify_note(std::string_view whole, const std::vector<VerifierKey>& keys);

// Both of these keys signed it, under its log's name, and neither signature is wrong.
bool signed_by_both(std::string_view whole, const VerifierKey& one, const VerifierKey& other);

// What a witness signs for `text` at that time.
std::string cosigned_message(std::string_view text, UtcTime at);

}  // namespace sallyport::audit
