// SPDX-License-Identifier: Apache-2.0
// Signed notes, checkpoints, proof files and histories of keys on any bytes: what is accepted is
// bounded and has one spelling, and nothing verifies that nobody signed.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "audit/checkpoint.h"
#include "audit/last_signed.h"
#include "audit/log_keys.h"
#include "audit/prove.h"
#include "audit/signed_note.h"

namespace {

using namespace sallyport;
using namespace sallyport::audit;

void require(bool condition) {
  if (!condition) std::abort();
}

void check_note(std::string_view text, const VerifierKey& key) {
  const auto note = Note::parse(text);
  if (!note) return;
  require(text.size() <= kNoteBytesMax && note->signatures.size() <= kNoteSignaturesMax);
  require(!note->signatures.empty() && text.starts_with(note->text));
  std::string again = note->text + "\n";
  for (const NoteSignature& s : note->signatures) {
    again += signature_line(s.name, s.id, s.bytes) + "\n";
  }
  require(again == text);
  require(!verify_note(text, {key}));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // No point of the curve that anybody has the other half of.
  static const VerifierKey key =
      VerifierKey::of("log.example.com/audit", SignatureType::kEd25519, std::string(32, '\x02'));
  check_note(text, key);
  if (const auto checkpoint = Checkpoint::parse(text)) require(checkpoint->text() == text);
  if (const auto file = ProofFile::parse(text)) {
    require(file->proof.size() <= kProofHashesMax);
    const auto again = ProofFile::parse(file->text());
    require(again && again->text() == file->text());
    require(!check_proof(text, "record", {key}));
  }
  if (const auto history = KeyHistory::parse(text)) require(history->text() == text);
  if (const auto state = SignedState::parse(text)) require(state->text() == text);
  if (const auto parsed = VerifierKey::parse(text)) {
    require(parsed->text().size() == text.size());
  }
  return 0;
}
