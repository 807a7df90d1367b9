// SPDX-License-Identifier: Apache-2.0
// Stand-ins for the tests of this room: settings, a recorder.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "event/ports/recorder.h"
#include "event/ports/setting_store.h"

namespace sallyport::admin {

class SettingsInMemory final : public SettingStore {
 public:
  Result<std::optional<std::string>> get(std::string_view name) override {
    if (broken) return fail(Code::kUnavailable, "broken");
    const auto at = values.find(std::string(name));
    if (at == values.end()) return std::nullopt;
    return at->second;
  }
  Result<void> put(std::string_view name, std::string_view value) override {
    if (broken) return fail(Code::kUnavailable, "broken");
    values[std::string(name)] = value;
    return {};
  }
  Result<bool> put_new(std::string_view name, std::string_view value) override {
    if (broken) return fail(Code::kUnavailable, "broken");
    return values.emplace(std::string(name), std::string(value)).second;
  }
  Result<bool> replace(std::string_view name, const std::optional<std::string>& before,
                       std::string_view value) override {
    if (broken) return fail(Code::kUnavailable, "broken");
    if (meanwhile) std::exchange(meanwhile, nullptr)();
    const auto at = values.find(std::string(name));
    const std::optional<std::string> held =
        at == values.end() ? std::nullopt : std::optional(at->second);
    if (held != before) return false;
    values[std::string(name)] = value;
    return true;
  }

  std::map<std::string, std::string> values;
  bool broken = false;
  std::function<void()> meanwhile;  // done once, between reading and writing: another was quicker
};

class RecorderInMemory final : public Recorder {
 public:
  void record(Event event, Durability, Done done) override {
    const std::lock_guard lock(mutex_);
    if (broken_ || loses_) {
      if (done) done(fail(Code::kUnavailable, "the journal cannot write"));
      return;
    }
    events_.push_back(std::move(event));
    if (done) done(static_cast<std::uint64_t>(events_.size()));
  }
  bool accepting() const override {
    const std::lock_guard lock(mutex_);
    return !broken_;
  }
  void breaks(bool now) {
    const std::lock_guard lock(mutex_);
    broken_ = now;
  }
  // Takes records, and then cannot write them.
  void loses(bool now) {
    const std::lock_guard lock(mutex_);
    loses_ = now;
  }
  std::vector<Event> events() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }

 private:
  mutable std::mutex mutex_;
  bool broken_ = false, loses_ = false;
  std::vector<Event> events_;
};

}  // namespace sallyport::admin
