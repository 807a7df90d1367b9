// SPDX-License-Identifier: Apache-2.0
#include "admin/peer_user.h"

#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <vector>

#include "keys/key_info.h"

namespace sallyport::admin {
namespace {

constexpr std::size_t kNamesMax = 256;  // remembered; further users are looked up each time

std::string name_of(uid_t uid) {
  // A look-up may ask a directory over the network, so each user is asked about once a thread.
  static thread_local std::map<uid_t, std::string> known;
  if (const auto at = known.find(uid); at != known.end()) return at->second;
  std::vector<char> buffer(16 * 1024);
  passwd entry{};
  passwd* found = nullptr;
  std::string name = std::to_string(uid);
  if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr &&
      keys::valid_label(found->pw_name)) {
    name = found->pw_name;
  }
  name.insert(0, "local:");
  if (known.size() < kNamesMax) known.emplace(uid, name);
  return name;
}

}  // namespace

std::string peer_user(int socket_fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return "local";
  return name_of(peer.uid);
}

std::string own_user() { return name_of(::geteuid()); }

}  // namespace sallyport::admin
