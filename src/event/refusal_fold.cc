// SPDX-License-Identifier: Apache-2.0
#include "event/refusal_fold.h"

#include <algorithm>
#include <utility>

namespace sallyport {
namespace {

IpAddress subscriber(const IpAddress& source) {
  if (source.is_v4()) return source;
  std::array<std::uint8_t, 16> bytes = source.bytes();
  std::fill(bytes.begin() + 8, bytes.end(), std::uint8_t{0});
  return IpAddress::v6(bytes);
}

}  // namespace

// A window that still holds counts stays until they were taken; nothing is dropped.
void RefusalFold::begin_window(std::int64_t now_ms) {
  if (held_ || now_ms - window_start_ms_ < kWindowMs) return;
  sources_.clear();
  singles_ = 0;
  window_start_ms_ = now_ms;
}

bool RefusalFold::fold(const IpAddress& source, const Event& event, std::int64_t now_ms) {
  begin_window(now_ms);
  IpAddress key = subscriber(source);
  if (sources_.size() >= kSourcesMax && !sources_.contains(key)) key = IpAddress();
  Source& from = sources_[key];
  if (from.singles < kSinglesPerSource && singles_ < kSingles) {
    ++from.singles;
    ++singles_;
    return false;
  }
  ++from.counted;
  from.latest = event;
  held_ = true;
  return true;
}

std::vector<Event> RefusalFold::take_due() {
  std::vector<Event> due;
  for (auto& [key, source] : sources_) {
    if (source.counted == 0) continue;
    source.latest.repeated = source.counted;
    if (key == IpAddress()) source.latest.ip = key.text();
    due.push_back(std::move(source.latest));
  }
  sources_.clear();
  singles_ = 0;
  window_start_ms_ += kWindowMs;
  held_ = false;
  return due;
}

}  // namespace sallyport
