// SPDX-License-Identifier: Apache-2.0
// Proofs that a stranger can check offline and for ever: that a record is in the log, and that one
// checkpoint extends another.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "audit/checkpoint.h"
#include "audit/file_system.h"
#include "audit/signed_note.h"
#include "base/result.h"

namespace sallyport::audit {

struct RecordProof {
  std::uint64_t seq = 0;
  std::string record;  // the bytes that are proved: the line without its newline
  std::string proof;   // a .tlog-proof file
};

// Under the newest checkpoint. It has been checked against the record and the log's own keys.
// kNotFound: no such record, or it was pruned; kUnavailable: it is not signed yet; kCorrupt: the
// log does not give a valid proof (`verify` tells where it is damaged).
Result<RecordProof> prove_record(FileSystem& files, const std::string& journal, std::uint64_t seq);

// The seqs of the records of a request, the oldest first: its intent and its outcome. Reads from
// the newest back; kNotFound: no record has this id.
Result<std::vector<std::uint64_t>> find_request(FileSystem& files, const std::string& journal,
                                                std::string_view request_id);

// kInvalid: malformed; kDenied says what does not hold. `seq` of the record on success.
Result<std::uint64_t> check_proof(std::string_view proof_file, std::string_view record,
                                  const std::vector<VerifierKey>& keys);

struct ConsistencyProof {
  std::string old_note, new_note;  // the checkpoints that were kept
  Proof proof;
};
// That the checkpoint of `new_size` extends that of `old_size`; both were signed once. It has been
// checked. kNotFound: there was no checkpoint of this size.
Result<ConsistencyProof> prove_extension(FileSystem& files, const std::string& journal,
                                         std::uint64_t old_size, std::uint64_t new_size);

std::vector<std::string> proof_lines(const Proof& proof);  // base64

}  // namespace sallyport::audit
