// SPDX-License-Identifier: Apache-2.0
// Seals personal fields of records: ip, geo, network. In the log such a field is
// "sealed:1:<id of the subject's secret>:<day>:<base64url>", bound to the field's name. The subject
// is the record's api_key_id, of an administrator's act the administrator; records without either
// share a subject.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "event/ports/sealer.h"
#include "vault/subject_keys.h"

namespace sallyport::vault {

// What audit.seal.fields may name.
std::vector<std::string_view> sealable_fields();

class FieldSealer final : public Sealer {
 public:
  // `fields`: of sealable_fields(); none: nothing is sealed any more, but what is can be opened.
  // `keys` outlives it.
  FieldSealer(const std::vector<std::string>& fields, SubjectKeys& keys);

  void seal(Event& event) override;
  void open(Event& event) override;

  // Fields that were withheld because no key could be had; any thread.
  std::uint64_t withheld() const { return withheld_.load(std::memory_order_relaxed); }

 private:
  std::string sealed(std::string_view field, const std::string& text, const Event& event);
  std::string opened(std::string_view field, const std::string& text);

  std::vector<std::string> fields_;
  SubjectKeys& keys_;
  std::atomic<std::uint64_t> withheld_{0};
};

}  // namespace sallyport::vault
