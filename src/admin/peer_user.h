// SPDX-License-Identifier: Apache-2.0
// Who sits at the other end of a UNIX socket, as the kernel knows it.
#pragma once

#include <string>

namespace sallyport::admin {

// "local:alice"; "local:1042" for a user without a name; "local" when the kernel does not say.
std::string peer_user(int socket_fd);
std::string own_user();  // the same of this process

}  // namespace sallyport::admin
