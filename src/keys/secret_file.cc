// SPDX-License-Identifier: Apache-2.0
#include "keys/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>
#include <utility>

#include "base/random.h"

namespace sallyport::keys {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

std::unexpected<Error> failed(Code code, const std::string& where, const char* what) {
  return fail(code, where + ": " + what);
}

std::unexpected<Error> refused_by_system(const std::string& where) {
  const bool link = errno == ELOOP || errno == ENOTDIR;
  return fail(link ? Code::kDenied : Code::kUnavailable,
              where + ": " + (link ? "a symbolic link, or no directory" : ::strerror(errno)));
}

// Others who can write to a directory can put something else in the place of what lies there,
// unless it is sticky and the thing is not theirs.
Result<void> check_directory(int fd, const std::string& where, bool last) {
  struct stat about{};
  if (::fstat(fd, &about) != 0) return refused_by_system(where);
  const bool sticky = (about.st_mode & S_ISVTX) != 0;
  if ((about.st_mode & (S_IWOTH | S_IWGRP)) != 0 && (last || !sticky)) {
    return failed(Code::kDenied, where,
                  (about.st_mode & S_IWOTH) != 0 ? "everybody may write to this directory"
                                                 : "its group may write to this directory");
  }
  if (about.st_uid != 0 && about.st_uid != ::geteuid()) {
    return failed(Code::kDenied, where, "the directory belongs to somebody else");
  }
  return {};
}

// One step after the other, so that no link can stand anywhere in the path.
Result<Descriptor> open_directory(const std::string& path) {
  Descriptor at(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::string_view rest = path;
  std::string walked;
  if (at.get() < 0) return refused_by_system("/");
  while (!rest.empty()) {
    rest.remove_prefix(1);  // the slash
    const std::string name(rest.substr(0, rest.find('/')));
    rest.remove_prefix(name.size());
    if (name.empty()) continue;
    walked += "/" + name;
    if (name == "." || name == "..") return failed(Code::kInvalid, walked, "not a plain path");
    Descriptor next(
        ::openat(at.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (next.get() < 0) return refused_by_system(walked);
    const Result<void> safe = check_directory(next.get(), walked, rest.empty());
    if (!safe) return std::unexpected(safe.error());
    at = std::move(next);
  }
  return at;
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

}  // namespace

Result<void> write_secret_file(const std::string& path, const Secret& secret) {
  const std::size_t slash = path.rfind('/');
  if (!path.starts_with('/') || path.contains('\0') || slash + 1 == path.size()) {
    return failed(Code::kInvalid, path, "not an absolute path of a file");
  }
  const std::string leaf = path.substr(slash + 1);
  if (leaf == "." || leaf == ".." || leaf.size() > 200) {
    return failed(Code::kInvalid, path, "not a plain path");
  }
  const Result<Descriptor> directory = open_directory(path.substr(0, slash));
  if (!directory) return std::unexpected(directory.error());

  const std::string draft = "." + leaf + "." + random_base62(12);
  const Descriptor file(::openat(directory->get(), draft.c_str(),
                                 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (file.get() < 0) return refused_by_system(path);
  const bool whole =
      ::fchmod(file.get(), 0600) == 0 && write_all(file.get(), secret.reveal()) &&
      ::fsync(file.get()) == 0 &&
      ::renameat(directory->get(), draft.c_str(), directory->get(), leaf.c_str()) == 0;
  if (!whole) {
    const int why = errno;
    (void)::unlinkat(directory->get(), draft.c_str(), 0);
    errno = why;
    return refused_by_system(path);
  }
  // The name, too, must outlive a power cut.
  if (::fsync(directory->get()) != 0) return refused_by_system(path);
  return {};
}

}  // namespace sallyport::keys
