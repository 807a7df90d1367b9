// SPDX-License-Identifier: Apache-2.0
#include "audit/file_system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <utility>

namespace sallyport::audit {
namespace {

std::unexpected<Error> failed(const char* what, const std::string& path) {
  const int cause = errno;
  const Code code = cause == ENOENT ? Code::kNotFound : Code::kUnavailable;
  return fail(code, std::string(what) + " " + path + ": " + std::generic_category().message(cause));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

Descriptor open_retry(const std::string& path, int flags) {
  int fd;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600);
  } while (fd < 0 && errno == EINTR);
  return Descriptor(fd);
}

class PosixFile final : public SegmentFile {
 public:
  PosixFile(Descriptor descriptor, std::string path)
      : descriptor_(std::move(descriptor)), path_(std::move(path)) {}

  Result<std::size_t> write(std::uint64_t offset, std::string_view bytes) override {
    ssize_t n;
    do {
      n = ::pwrite(descriptor_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    } while (n < 0 && errno == EINTR);
    if (n < 0) return failed("write", path_);
    return static_cast<std::size_t>(n);
  }

  Result<void> sync() override {
    if (::fdatasync(descriptor_.get()) != 0) return failed("fdatasync", path_);
    return {};
  }

  Result<void> truncate(std::uint64_t size) override {
    if (::ftruncate(descriptor_.get(), static_cast<off_t>(size)) != 0)
      return failed("truncate", path_);
    return {};
  }

 private:
  Descriptor descriptor_;
  std::string path_;
};

class FlockLock final : public FileSystem::Lock {
 public:
  explicit FlockLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

 private:
  Descriptor descriptor_;  // closing it gives the lock back
};

Result<std::unique_ptr<SegmentFile>> open_file(const std::string& path, int flags) {
  Descriptor descriptor = open_retry(path, flags);
  if (descriptor.get() < 0) return failed("open", path);
  return std::make_unique<PosixFile>(std::move(descriptor), path);
}

}  // namespace

Result<void> PosixFileSystem::make_directory(const std::string& path) {
  for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) return failed("mkdir", part);
    if (slash == std::string::npos) return {};
  }
}

Result<std::vector<std::string>> PosixFileSystem::list(const std::string& directory) {
  DIR* opened = ::opendir(directory.c_str());
  if (opened == nullptr) return failed("opendir", directory);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(opened)) names.emplace_back(entry->d_name);
  const int cause = errno;
  ::closedir(opened);
  errno = cause;
  if (cause != 0) return failed("readdir", directory);
  return names;
}

Result<std::string> PosixFileSystem::read_at(const std::string& path, std::uint64_t offset,
                                             std::size_t bytes_max) {
  const Descriptor descriptor = open_retry(path, O_RDONLY);
  if (descriptor.get() < 0) return failed("open", path);
  struct stat status{};
  if (::fstat(descriptor.get(), &status) != 0) return failed("stat", path);
  const auto size = static_cast<std::uint64_t>(status.st_size);
  std::string bytes(std::min<std::uint64_t>(bytes_max, size - std::min(size, offset)), '\0');
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t n = ::pread(descriptor.get(), bytes.data() + filled, bytes.size() - filled,
                              static_cast<off_t>(offset + filled));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed("read", path);
    if (n == 0) break;  // sealed in the meantime: the zero tail is gone
    filled += static_cast<std::size_t>(n);
  }
  bytes.resize(filled);
  return bytes;
}

Result<std::unique_ptr<SegmentFile>> PosixFileSystem::create(const std::string& path) {
  return open_file(path, O_RDWR | O_CREAT | O_TRUNC);
}

Result<std::unique_ptr<SegmentFile>> PosixFileSystem::open(const std::string& path) {
  return open_file(path, O_RDWR);
}

Result<void> PosixFileSystem::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return failed("rename", from);
  return {};
}

Result<void> PosixFileSystem::remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0) return failed("unlink", path);
  return {};
}

Result<void> PosixFileSystem::remove_directory(const std::string& path) {
  if (::rmdir(path.c_str()) != 0) return failed("rmdir", path);
  return {};
}

Result<std::uint64_t> PosixFileSystem::size(const std::string& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return failed("stat", path);
  return static_cast<std::uint64_t>(status.st_size);
}

Result<void> PosixFileSystem::sync_directory(const std::string& path) {
  const Descriptor descriptor = open_retry(path, O_RDONLY | O_DIRECTORY);
  if (descriptor.get() < 0) return failed("open", path);
  if (::fsync(descriptor.get()) != 0) return failed("fsync", path);
  return {};
}

Result<std::unique_ptr<FileSystem::Lock>> PosixFileSystem::lock(const std::string& path) {
  Descriptor descriptor = open_retry(path, O_RDWR | O_CREAT);
  if (descriptor.get() < 0) return failed("open", path);
  if (::flock(descriptor.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return fail(Code::kDenied, "another process writes this journal");
    return failed("flock", path);
  }
  return std::make_unique<FlockLock>(std::move(descriptor));
}

Result<void> write_whole(SegmentFile& file, std::uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const Result<std::size_t> written = file.write(offset, bytes);
    if (!written) return std::unexpected(written.error());
    if (*written == 0) return fail(Code::kUnavailable, "a write took no byte");
    offset += *written;
    bytes.remove_prefix(*written);
  }
  return {};
}

Result<void> replace_file(FileSystem& files, const std::string& directory, const std::string& name,
                          std::string_view bytes) {
  const std::string path = directory + "/" + name;
  const std::string fresh = path + ".new";
  Result<std::unique_ptr<SegmentFile>> file = files.create(fresh);
  if (!file) return std::unexpected(file.error());
  Result<void> done = write_whole(**file, 0, bytes);
  if (done) done = (*file)->sync();
  if (done) done = files.rename(fresh, path);
  if (done) done = files.sync_directory(directory);
  if (!done) (void)files.remove(fresh);  // a full disk must not fill with leftovers
  return done;
}

Result<void> append_file(FileSystem& files, const std::string& directory, const std::string& name,
                         std::string_view bytes) {
  const std::string path = directory + "/" + name;
  const Result<std::uint64_t> size = files.size(path);
  if (!size && size.error().code != Code::kNotFound) return std::unexpected(size.error());
  Result<std::unique_ptr<SegmentFile>> file = size ? files.open(path) : files.create(path);
  if (!file) return std::unexpected(file.error());
  Result<void> done = write_whole(**file, size.value_or(0), bytes);
  if (done) done = (*file)->sync();
  // A full disk takes half a line, and the next one would be glued to it.
  if (!done) (void)(*file)->truncate(size.value_or(0));
  if (done && !size) done = files.sync_directory(directory);
  return done;
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace sallyport::audit
