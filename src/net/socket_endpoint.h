// SPDX-License-Identifier: Apache-2.0
// Between the kernel's socket addresses and ours.
#pragma once

#include <sys/socket.h>

#include "net/stream.h"

namespace sallyport::net {

Endpoint to_endpoint(const sockaddr_storage& address);  // unspecified for UNIX sockets
socklen_t to_sockaddr(const Endpoint& endpoint, sockaddr_storage& address);
Result<Endpoint> local_endpoint(int fd);
Endpoint peer_endpoint(int fd);  // unspecified when the peer is gone

}  // namespace sallyport::net
