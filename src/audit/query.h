// SPDX-License-Identifier: Apache-2.0
// Questions to the log. An intent without outcome is part of every answer: it may have cost money
// and nobody knows how it ended. An intent that has its outcome is only shown when intents are
// asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/condition.h"
#include "audit/file_system.h"
#include "audit/reader.h"
#include "base/clock.h"
#include "base/result.h"
#include "event/event.h"
#include "event/ports/sealer.h"

namespace sallyport::audit {

struct QuerySpec {
  std::string journal;                    // Config::path
  std::optional<std::string> key{};       // api_key_id, kid or claimed_kid, whole
  std::optional<std::string> kid{};       // the credential alone, shown or claimed
  std::optional<std::string> ip{};        // any spelling of the address, or a range (CIDR)
  std::optional<std::string> status{};    // "200", "4xx", or "open" for intents without outcome
  std::optional<std::string> endpoint{};  // begins so; with or without the method
  std::optional<std::string> model{};     // whole, or a beginning that ends in '*'
  std::optional<Kind> kind{};
  std::optional<std::string> request_id{};
  std::vector<Condition> conditions{};  // all of them hold
  Period period{};                      // since included, until excluded
  std::size_t limit = 100;              // 0: all
  Order order = Order::kNewestFirst;
  // Opens what lies sealed, before it is compared and given; null: it is given as it lies. Outlives
  // the query.
  Sealer* sealer = nullptr;
};

struct QueryAnswer {
  std::uint64_t matched = 0;
  std::uint64_t read = 0;     // records looked at
  bool more = false;          // the limit ended the search; there may be more
  std::uint64_t end_seq = 1;  // of the record after the last one that the log held then
};

// Each match with the line as it stands in the log (without newline; lives until `each` returns);
// one with sealed fields is written anew once they are open, with its seq and without a crc.
// Stops early when `each` returns false. kInvalid: the question is wrong. kNotFound: no journal.
// kCorrupt: the log is damaged; everything readable was given before.
using EachMatch = std::function<bool(const Event& event, std::string_view line)>;
Result<QueryAnswer> query(FileSystem& files, const QuerySpec& spec, const EachMatch& each);
Result<QueryAnswer> query(const QuerySpec& spec, const EachMatch& each);  // on the real disk

}  // namespace sallyport::audit
