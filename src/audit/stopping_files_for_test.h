// SPDX-License-Identifier: Apache-2.0
// For tests: the real disk until a number of changes were made, and then none any more: what a
// process leaves that is killed there. Of the write it dies in, half is done.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "audit/file_system.h"

namespace sallyport::audit {

class StoppingFiles final : public FileSystem {
 public:
  // UINT64_MAX: never.
  void stop_after(std::uint64_t changes) { left_ = changes; }
  bool stopped() const { return stopped_; }

  Result<void> make_directory(const std::string& path) override {
    return goes_on() ? disk_.make_directory(path) : dead();
  }
  Result<std::vector<std::string>> list(const std::string& directory) override {
    return disk_.list(directory);
  }
  Result<std::string> read(const std::string& path, std::size_t bytes_max) override {
    return disk_.read(path, bytes_max);
  }
  Result<std::string> read_at(const std::string& path, std::uint64_t offset,
                              std::size_t bytes_max) override {
    return disk_.read_at(path, offset, bytes_max);
  }
  Result<std::unique_ptr<SegmentFile>> create(const std::string& path) override {
    if (!goes_on()) return std::unexpected(dead().error());
    return wrapped(disk_.create(path));
  }
  Result<std::unique_ptr<SegmentFile>> open(const std::string& path) override {
    return wrapped(disk_.open(path));
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    return goes_on() ? disk_.rename(from, to) : dead();
  }
  Result<void> remove(const std::string& path) override {
    return goes_on() ? disk_.remove(path) : dead();
  }
  Result<void> remove_directory(const std::string& path) override {
    return goes_on() ? disk_.remove_directory(path) : dead();
  }
  Result<std::uint64_t> size(const std::string& path) override { return disk_.size(path); }
  Result<void> sync_directory(const std::string& path) override {
    return goes_on() ? disk_.sync_directory(path) : dead();
  }
  Result<std::unique_ptr<Lock>> lock(const std::string& path) override { return disk_.lock(path); }

 private:
  class File final : public SegmentFile {
   public:
    File(StoppingFiles& files, std::unique_ptr<SegmentFile> file)
        : files_(files), file_(std::move(file)) {}
    Result<std::size_t> write(std::uint64_t offset, std::string_view bytes) override {
      const bool was_alive = !files_.stopped_;
      if (files_.goes_on()) return file_->write(offset, bytes);
      if (was_alive) (void)file_->write(offset, bytes.substr(0, bytes.size() / 2));
      return std::unexpected(dead().error());
    }
    Result<void> sync() override { return files_.goes_on() ? file_->sync() : dead(); }
    Result<void> truncate(std::uint64_t size) override {
      return files_.goes_on() ? file_->truncate(size) : dead();
    }

   private:
    StoppingFiles& files_;
    std::unique_ptr<SegmentFile> file_;
  };

  static Result<void> dead() { return fail(Code::kUnavailable, "the process is dead"); }
  bool goes_on() {
    if (left_ == 0) stopped_ = true;
    if (stopped_) return false;
    if (left_ != UINT64_MAX) --left_;
    return true;
  }
  Result<std::unique_ptr<SegmentFile>> wrapped(Result<std::unique_ptr<SegmentFile>> file) {
    if (!file) return file;
    return std::make_unique<File>(*this, std::move(*file));
  }

  PosixFileSystem disk_;
  std::uint64_t left_ = UINT64_MAX;
  bool stopped_ = false;
};

}  // namespace sallyport::audit
