// SPDX-License-Identifier: Apache-2.0
#include "exchange/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/random.h"

namespace sallyport {
namespace {

constexpr std::size_t kPieceBytes = 64 * 1024;
constexpr std::size_t kBlockBytes = 16;

int open_unlinked(const std::string& directory) {
  const int fd = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return fd;
  std::string name = directory + "/sallyport-spool-XXXXXX";
  const int named = ::mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) ::unlink(name.c_str());
  return named;
}

}  // namespace

// AES-256 in counter mode: any offset can be read, and each byte is encrypted once, in order. The
// key lives in this object alone, so the file is noise to everybody else and after a crash.
struct Spool::File {
  int fd = -1;
  std::array<unsigned char, 32> key{};

  ~File() {
    if (fd >= 0) ::close(fd);
    explicit_bzero(key.data(), key.size());
  }

  // Encrypts or decrypts (the same operation) what stands at `offset` of the file.
  bool crypt(std::uint64_t offset, std::string_view from, std::string& to) const {
    std::array<unsigned char, kBlockBytes> counter{};
    std::uint64_t block = offset / kBlockBytes;
    for (std::size_t i = kBlockBytes; i-- > 8; block >>= 8) {
      counter[i] = static_cast<unsigned char>(block & 0xff);
    }
    EVP_CIPHER_CTX* const context = EVP_CIPHER_CTX_new();
    if (context == nullptr) return false;
    bool ok =
        EVP_EncryptInit_ex(context, EVP_aes_256_ctr(), nullptr, key.data(), counter.data()) == 1;
    std::array<unsigned char, kBlockBytes> skipped{};
    int length = 0;
    const int skip = static_cast<int>(offset % kBlockBytes);
    if (skip != 0) {
      ok = ok && EVP_EncryptUpdate(context, skipped.data(), &length, skipped.data(), skip) == 1;
    }
    to.resize(from.size());
    ok = ok && EVP_EncryptUpdate(context, reinterpret_cast<unsigned char*>(to.data()), &length,
                                 reinterpret_cast<const unsigned char*>(from.data()),
                                 static_cast<int>(from.size())) == 1;
    EVP_CIPHER_CTX_free(context);
    return ok;
  }

  Result<void> write_at(std::uint64_t offset, std::string_view bytes) {
    std::string sealed;
    while (!bytes.empty()) {
      const std::string_view piece = bytes.substr(0, kPieceBytes);
      if (!crypt(offset, piece, sealed)) return fail(Code::kUnavailable, "spool: cipher failed");
      for (std::size_t done = 0; done < sealed.size();) {
        const ssize_t n = ::pwrite(fd, sealed.data() + done, sealed.size() - done,
                                   static_cast<off_t>(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
          return fail(Code::kUnavailable, std::string("spool: write: ") + strerror(errno));
        }
        done += static_cast<std::size_t>(n);
      }
      offset += piece.size();
      bytes.remove_prefix(piece.size());
    }
    return {};
  }
};

namespace {

class SpoolBody final : public net::BodySource {
 public:
  explicit SpoolBody(const Spool& spool) : spool_(spool) {}
  Task<Result<std::string_view>> pull() override {
    auto piece = spool_.read(at_, kPieceBytes);
    if (!piece) co_return std::unexpected(piece.error());
    piece_ = std::move(*piece);
    at_ += piece_.size();
    co_return std::string_view(piece_);
  }

 private:
  const Spool& spool_;
  std::uint64_t at_ = 0;
  std::string piece_;
};

}  // namespace

Spool::Spool(std::string directory, std::size_t memory_bytes_max)
    : directory_(std::move(directory)), memory_bytes_max_(memory_bytes_max) {}
Spool::~Spool() = default;

Result<void> Spool::append(std::string_view bytes) {
  if (!file_ && size_ + bytes.size() <= memory_bytes_max_) {
    memory_.append(bytes);
    size_ += bytes.size();
    return {};
  }
  if (!file_) {
    auto file = std::make_unique<File>();
    file->fd = open_unlinked(directory_);
    if (file->fd < 0) {
      return fail(Code::kUnavailable, "spool: open in " + directory_ + ": " + strerror(errno));
    }
    fill_random(file->key);
    const auto moved = file->write_at(0, memory_);
    if (!moved) return moved;
    std::string().swap(memory_);
    file_ = std::move(file);
  }
  const auto written = file_->write_at(size_, bytes);
  if (written) size_ += bytes.size();
  return written;
}

std::uint64_t Spool::size() const { return size_; }
bool Spool::on_disk() const { return file_ != nullptr; }

Result<std::string> Spool::read(std::uint64_t offset, std::size_t length) const {
  if (offset >= size_) return std::string();
  length = static_cast<std::size_t>(std::min<std::uint64_t>(length, size_ - offset));
  if (!file_) return memory_.substr(offset, length);
  std::string sealed(length, '\0');
  for (std::size_t done = 0; done < length;) {
    const ssize_t n =
        ::pread(file_->fd, sealed.data() + done, length - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail(Code::kUnavailable, std::string("spool: read: ") + strerror(errno));
    done += static_cast<std::size_t>(n);
  }
  std::string plain;
  if (!file_->crypt(offset, sealed, plain)) return fail(Code::kUnavailable, "spool: cipher failed");
  return plain;
}

std::unique_ptr<net::BodySource> Spool::open() const { return std::make_unique<SpoolBody>(*this); }

}  // namespace sallyport
