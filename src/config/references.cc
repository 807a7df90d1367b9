// SPDX-License-Identifier: Apache-2.0
#include "config/references.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <vector>

namespace sallyport::config {
namespace {

constexpr std::size_t kSecretBytesMax = 64 * 1024;  // a service account file fits; a disk does not

bool is_key_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
}

bool is_name(std::string_view name, bool credential) {
  if (name.empty() || name.size() > 255 || name == "." || name == "..") return false;
  for (const char c : name) {
    const bool letter = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
    if (!letter && !(credential && (c == '.' || c == '-'))) return false;
  }
  return true;
}

Result<Secret> strip(std::string_view bytes, const std::string& what) {
  if (bytes.ends_with('\n')) bytes.remove_suffix(1);
  if (bytes.ends_with('\r')) bytes.remove_suffix(1);
  if (bytes.empty()) return fail(Code::kInvalid, what + " is empty");
  return Secret(bytes);
}

Result<Secret> read_secret_file(const std::string& path, const std::string& what,
                                std::string& note) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return fail(Code::kInvalid, what + " cannot be read: " + std::strerror(errno));
  struct stat info{};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd);
    return fail(Code::kInvalid, what + " is not a regular file");
  }
  if ((info.st_mode & S_IROTH) != 0) note = what + " may be read by everybody; chmod o-r it";
  std::vector<char> bytes(kSecretBytesMax + 1);
  std::size_t size = 0;
  ssize_t got = 0;
  while (size < bytes.size() && (got = ::read(fd, bytes.data() + size, bytes.size() - size)) > 0) {
    size += static_cast<std::size_t>(got);
  }
  ::close(fd);
  Result<Secret> value = fail(Code::kInvalid, what + " is larger than 64 KiB");
  if (got < 0) value = fail(Code::kInvalid, what + " cannot be read");
  if (got >= 0 && size <= kSecretBytesMax) value = strip({bytes.data(), size}, what);
  explicit_bzero(bytes.data(), bytes.size());
  return value;
}

}  // namespace

Surroundings process_surroundings(const std::string& config_file) {
  Surroundings around;
  around.environment = [](const char* name) -> const char* { return std::getenv(name); };
  if (const char* directory = std::getenv("CREDENTIALS_DIRECTORY")) {
    around.credentials_directory = directory;
  }
  const std::string parent = std::filesystem::path(config_file).parent_path().string();
  if (!parent.empty()) around.base_directory = parent;
  return around;
}

Result<std::optional<Reference>> parse_reference(std::string_view text) {
  constexpr const char* kHow = "a reference is the whole value: ${env:NAME} or ${cred:NAME}";
  if (text.starts_with("file:")) {
    const std::string_view path = text.substr(5);
    if (path.empty() || path.starts_with("//")) return fail(Code::kInvalid, "write file:/path");
    return Reference{Reference::Kind::kFile, std::string(path)};
  }
  if (text.find("${") == std::string_view::npos) return std::nullopt;
  if (!text.starts_with("${") || !text.ends_with("}")) return fail(Code::kInvalid, kHow);
  const std::string_view inside = text.substr(2, text.size() - 3);
  if (inside.starts_with("env:") && is_name(inside.substr(4), false)) {
    return Reference{Reference::Kind::kEnvironment, std::string(inside.substr(4))};
  }
  if (inside.starts_with("cred:") && is_name(inside.substr(5), true)) {
    return Reference{Reference::Kind::kCredential, std::string(inside.substr(5))};
  }
  return fail(Code::kInvalid, kHow);
}

Result<Secret> resolve(const Reference& reference, const Surroundings& around, std::string& note) {
  switch (reference.kind) {
    case Reference::Kind::kEnvironment: {
      const std::string what = "the environment variable " + reference.name;
      const char* value = around.environment ? around.environment(reference.name.c_str()) : nullptr;
      if (value == nullptr) return fail(Code::kInvalid, what + " is not set");
      return strip(value, what);
    }
    case Reference::Kind::kCredential: {
      const std::string what = "the credential " + reference.name;
      if (around.credentials_directory.empty()) {
        return fail(Code::kInvalid, what + " is not there: $CREDENTIALS_DIRECTORY is not set " +
                                        "(LoadCredential= of the systemd unit sets it)");
      }
      std::string
          unused;  // systemd's directory is closed to others; the files' modes do not matter
      return read_secret_file(around.credentials_directory + "/" + reference.name, what, unused);
    }
    case Reference::Kind::kFile: {
      const std::string path = resolve_path(reference.name, around);
      return read_secret_file(path, "the file " + path, note);
    }
  }
  return fail(Code::kInvalid, "unknown kind of reference");
}

std::string resolve_path(std::string_view text, const Surroundings& around) {
  if (text.starts_with("file:")) text.remove_prefix(5);
  const std::filesystem::path path(text);
  if (path.is_absolute()) return path.lexically_normal().string();
  return (std::filesystem::path(around.base_directory) / path).lexically_normal().string();
}

std::optional<std::size_t> find_provider_key(std::string_view text) {
  constexpr std::size_t kTailMin = 20;  // shorter ones are words such as "sk-proj"
  for (std::size_t at = text.find("sk-"); at != std::string_view::npos;
       at = text.find("sk-", at + 1)) {
    if (at > 0 && is_key_char(text[at - 1])) continue;  // "risk-..." is a word
    std::size_t tail = at + 3;
    bool digit = false;
    while (tail < text.size() && is_key_char(text[tail])) {
      digit = digit || std::isdigit(static_cast<unsigned char>(text[tail])) != 0;
      ++tail;
    }
    if (tail - at - 3 >= kTailMin && digit) return at;
  }
  const std::size_t marker = text.find("T3BlbkFJ");
  if (marker != std::string_view::npos) return marker;
  return std::nullopt;
}

bool looks_like_provider_key(std::string_view text) { return find_provider_key(text).has_value(); }

std::string printable(std::string_view text) {
  // A URL with a user in it has a password in it.
  const bool login = text.find("://") != std::string_view::npos && text.find('@') != text.npos;
  if (login || looks_like_provider_key(text)) return "\"***\"";
  std::string out = "\"";
  for (const char c : text.substr(0, 40)) {
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
  }
  return out + (text.size() > 40 ? "...\"" : "\"");
}

std::string shown_name(std::string_view name) {
  constexpr std::size_t kNameBytesMax = 32;
  const bool shown =
      !name.empty() && name.size() <= kNameBytesMax && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
      });
  return shown ? std::string(name) : "(a name that is not shown)";
}

}  // namespace sallyport::config
