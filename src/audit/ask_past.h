// SPDX-License-Identifier: Apache-2.0
// How the questions about the past go over the columns.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "audit/ask.h"
#include "audit/column_scan.h"

namespace sallyport::audit {

// Finished requests of the baseline.
inline Selection past(const AskSpec& spec) {
  const UtcTime end = spec.at - spec.since;
  Selection selection{.since = end - spec.baseline, .until = end};
  selection.conditions.push_back(word_is(Column::kKind, std::string(name(Kind::kRequest))));
  return selection;
}

// A visitor for each thread, and each of them when all is seen: the first saw the oldest part.
template <class V, class Make>
Result<std::vector<std::unique_ptr<V>>> run_past(const ColumnSnapshot& snapshot,
                                                 const Selection& selection, std::size_t threads,
                                                 Make make) {
  std::vector<std::unique_ptr<V>> visitors;
  std::vector<ChunkVisitor*> pointers;
  for (std::size_t i = 0; i < threads; ++i) {
    visitors.push_back(make());
    pointers.push_back(visitors.back().get());
  }
  const auto count = scan(snapshot, selection, pointers);
  if (!count) return std::unexpected(count.error());
  return visitors;
}

}  // namespace sallyport::audit
