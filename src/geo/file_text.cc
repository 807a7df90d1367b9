// SPDX-License-Identifier: Apache-2.0
#include "geo/file_text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sallyport::geo {

Result<FileText> read_file_text(const std::string& path, std::size_t bytes_max) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    const Code code = errno == ENOENT ? Code::kNotFound : Code::kUnavailable;
    return fail(code, path + ": " + ::strerror(errno));
  }
  struct stat about{};
  Result<FileText> out = fail(Code::kUnavailable, path + ": not a regular file, or too large");
  if (::fstat(fd, &about) == 0 && S_ISREG(about.st_mode) &&
      static_cast<std::size_t>(about.st_size) <= bytes_max) {
    FileText file{.text = std::string(static_cast<std::size_t>(about.st_size), '\0'),
                  .written = UtcTime(std::chrono::seconds(about.st_mtime))};
    std::size_t size = 0;
    while (size < file.text.size()) {
      const ssize_t got = ::read(fd, file.text.data() + size, file.text.size() - size);
      if (got <= 0) break;
      size += static_cast<std::size_t>(got);
    }
    if (size == file.text.size()) {
      out = std::move(file);
    } else {
      out = fail(Code::kUnavailable, path + ": could not be read whole");
    }
  }
  ::close(fd);
  return out;
}

}  // namespace sallyport::geo
