// SPDX-License-Identifier: Apache-2.0
// For tests: a disk in memory that fails as real ones do. It keeps apart what the process sees (the
// page cache) and what a power cut leaves. A failed sync marks its pages clean without having
// written them, as Linux does, so that a second sync "succeeds" and the data is lost.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "audit/file_system.h"

namespace sallyport::audit {

class MemoryDisk final : public FileSystem {
 public:
  enum class Operation { kWrite, kSync, kTruncate, kCreate, kOpen, kRename, kSyncDirectory, kRead };
  enum class Fault { kNone, kRefuse, kShort };  // kRefuse: ENOSPC or EIO; of a write, half is done
  using Plan = std::function<Fault(Operation, const std::string& path)>;

  explicit MemoryDisk(std::uint64_t seed = 1) : random_(seed) {}

  void set_plan(Plan plan) {
    const std::lock_guard lock(mutex_);
    plan_ = std::move(plan);
  }
  std::uint64_t take_faults() {
    const std::lock_guard lock(mutex_);
    return std::exchange(faults_, 0);
  }
  std::uint64_t syncs() const {
    const std::lock_guard lock(mutex_);
    return syncs_;
  }
  // From now on nothing reaches the disk: the process is about to be "killed".
  void freeze() {
    const std::lock_guard lock(mutex_);
    frozen_ = true;
  }
  void thaw() {
    const std::lock_guard lock(mutex_);
    frozen_ = false;
    plan_ = nullptr;
  }
  // Only what was synced is sure to be there; of the rest any part may be. Call before thaw.
  void cut_power() {
    const std::lock_guard lock(mutex_);
    names_ = durable_names_;
    const std::size_t applied =
        pending_names_.empty() ? 0 : random_() % (pending_names_.size() + 1);
    for (std::size_t i = 0; i < applied; ++i) names_ = pending_names_[i];
    pending_names_.clear();
    durable_names_ = names_;
    for (auto& [path, node] : names_) lose_pages(*node);
  }
  std::string bytes(const std::string& path) const {
    const std::lock_guard lock(mutex_);
    const auto found = names_.find(path);
    return found == names_.end() ? std::string() : found->second->cached;
  }
  void put(const std::string& path, std::string bytes) {
    const std::lock_guard lock(mutex_);
    auto node = std::make_shared<Node>();
    node->cached = node->durable = std::move(bytes);
    names_[path] = durable_names_[path] = node;
  }

  Result<void> make_directory(const std::string&) override { return {}; }
  Result<std::vector<std::string>> list(const std::string& directory) override {
    const std::lock_guard lock(mutex_);
    std::set<std::string> names;  // a folder is there as long as something is in it
    for (const auto& [path, node] : names_) {
      if (!path.starts_with(directory + "/")) continue;
      const std::string below = path.substr(directory.size() + 1);
      names.insert(below.substr(0, below.find('/')));
    }
    return std::vector<std::string>(names.begin(), names.end());
  }
  Result<std::string> read(const std::string& path, std::size_t bytes_max) override {
    return read_at(path, 0, bytes_max);
  }
  Result<std::string> read_at(const std::string& path, std::uint64_t offset,
                              std::size_t bytes_max) override {
    const std::lock_guard lock(mutex_);
    if (fault(Operation::kRead, path) != Fault::kNone) return broken("read");
    const auto found = names_.find(path);
    if (found == names_.end()) return fail(Code::kNotFound, "no such file");
    const std::string& bytes = found->second->cached;
    return bytes.substr(std::min<std::uint64_t>(offset, bytes.size()), bytes_max);
  }
  Result<std::unique_ptr<SegmentFile>> create(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (fault(Operation::kCreate, path) != Fault::kNone) return broken("create");
    names_[path] = std::make_shared<Node>();
    note_names();
    return std::make_unique<File>(*this, names_[path], path);
  }
  Result<std::unique_ptr<SegmentFile>> open(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (fault(Operation::kOpen, path) != Fault::kNone) return broken("open");
    const auto found = names_.find(path);
    if (found == names_.end()) return fail(Code::kNotFound, "no such file");
    return std::make_unique<File>(*this, found->second, path);
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    const std::lock_guard lock(mutex_);
    if (fault(Operation::kRename, to) != Fault::kNone) return broken("rename");
    names_[to] = names_[from];
    names_.erase(from);
    note_names();
    return {};
  }
  Result<void> remove(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (frozen_) return broken("remove");
    names_.erase(path);
    note_names();
    return {};
  }
  Result<void> remove_directory(const std::string&) override { return {}; }
  Result<std::uint64_t> size(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    const auto found = names_.find(path);
    if (found == names_.end()) return fail(Code::kNotFound, "no such file");
    return found->second->cached.size();
  }
  Result<void> sync_directory(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (fault(Operation::kSyncDirectory, path) != Fault::kNone) return broken("sync directory");
    durable_names_ = names_;
    pending_names_.clear();
    return {};
  }
  Result<std::unique_ptr<Lock>> lock(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (!locked_.insert(path).second) {
      return fail(Code::kDenied, "another process writes this journal");
    }
    return std::make_unique<Held>(*this, path);
  }

 private:
  static constexpr std::size_t kPage = 256;  // small, so that one batch covers several

  struct Node {
    std::string cached;
    std::string durable;
    std::set<std::size_t> dirty;
    bool size_changed = false;
  };
  using Names = std::map<std::string, std::shared_ptr<Node>>;

  class Held final : public Lock {
   public:
    Held(MemoryDisk& disk, std::string path) : disk_(disk), path_(std::move(path)) {}
    ~Held() override {
      const std::lock_guard lock(disk_.mutex_);
      disk_.locked_.erase(path_);
    }

   private:
    MemoryDisk& disk_;
    std::string path_;
  };

  class File final : public SegmentFile {
   public:
    File(MemoryDisk& disk, std::shared_ptr<Node> node, std::string path)
        : disk_(disk), node_(std::move(node)), path_(std::move(path)) {}
    Result<std::size_t> write(std::uint64_t offset, std::string_view bytes) override {
      const std::lock_guard lock(disk_.mutex_);
      const Fault fault = disk_.fault(Operation::kWrite, path_);
      if (disk_.frozen_) return broken("write");
      std::size_t count = bytes.size();
      if (fault != Fault::kNone && count > 0) count = disk_.random_() % count;
      if (fault == Fault::kShort && count == 0) count = 1;
      disk_.store(*node_, offset, bytes.substr(0, count));
      if (fault == Fault::kRefuse) return broken("write");
      return count;
    }
    Result<void> sync() override {
      const std::lock_guard lock(disk_.mutex_);
      ++disk_.syncs_;
      const bool lost = disk_.fault(Operation::kSync, path_) != Fault::kNone;
      if (disk_.frozen_) return broken("sync");
      disk_.flush(*node_, lost);
      if (lost) return broken("sync");
      return {};
    }
    Result<void> truncate(std::uint64_t size) override {
      const std::lock_guard lock(disk_.mutex_);
      if (disk_.fault(Operation::kTruncate, path_) != Fault::kNone) return broken("truncate");
      node_->cached.resize(size);
      node_->size_changed = true;
      return {};
    }

   private:
    MemoryDisk& disk_;
    std::shared_ptr<Node> node_;
    std::string path_;
  };

  static std::unexpected<Error> broken(const char* what) {
    return fail(Code::kUnavailable, std::string(what) + ": injected fault");
  }

  Fault fault(Operation operation, const std::string& path) {
    if (frozen_) return Fault::kRefuse;
    const Fault planned = plan_ ? plan_(operation, path) : Fault::kNone;
    if (planned != Fault::kNone) ++faults_;
    return planned;
  }

  void note_names() { pending_names_.push_back(names_); }

  void store(Node& node, std::uint64_t offset, std::string_view bytes) {
    if (bytes.empty()) return;
    if (node.cached.size() < offset + bytes.size()) {
      node.cached.resize(offset + bytes.size());
      node.size_changed = true;
    }
    node.cached.replace(offset, bytes.size(), bytes);
    for (std::size_t page = offset / kPage; page <= (offset + bytes.size() - 1) / kPage; ++page) {
      node.dirty.insert(page);
    }
  }

  void flush_page(Node& node, std::size_t page) {
    const std::size_t at = page * kPage;
    if (at >= node.cached.size()) return;
    const std::string_view bytes = std::string_view(node.cached).substr(at, kPage);
    if (node.durable.size() < at + bytes.size()) node.durable.resize(at + bytes.size());
    node.durable.replace(at, bytes.size(), bytes);
  }

  // A failed sync writes some pages, and forgets the others as if it had written them.
  void flush(Node& node, bool lost) {
    for (const std::size_t page : node.dirty) {
      if (!lost || random_() % 2 == 0) flush_page(node, page);
    }
    node.dirty.clear();
    if (!lost && node.size_changed) {
      node.durable.resize(node.cached.size());
      node.size_changed = false;
    }
  }

  void lose_pages(Node& node) {
    for (const std::size_t page : node.dirty) {
      if (random_() % 2 == 0) flush_page(node, page);
    }
    node.dirty.clear();
    node.cached = node.durable;
    node.size_changed = false;
  }

  mutable std::mutex mutex_;
  std::mt19937_64 random_;
  Plan plan_;
  std::uint64_t faults_ = 0;
  std::uint64_t syncs_ = 0;
  bool frozen_ = false;
  std::set<std::string> locked_;
  Names names_;
  Names durable_names_;
  std::vector<Names> pending_names_;
};

}  // namespace sallyport::audit
