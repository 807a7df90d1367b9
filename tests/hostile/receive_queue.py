# SPDX-License-Identifier: Apache-2.0
"""How many bytes the peer of a loopback connection has received but not yet read (Linux sock_diag).

Without this, bytes sent one by one arrive in one read, and a test of segmentation tests nothing.
"""
import os
import socket
import struct

_SOCK_DIAG = 4
_BY_FAMILY = 20
_REQUEST = 1
_HEADER = struct.Struct("=IHHII")
_QUEUE_AT = _HEADER.size + 4 + 48 + 4  # behind family and state, the socket's id, the timer
_TRIES_MAX = 200  # about 2 ms: a peer that is busy elsewhere is not waited for


class ReceiveQueue:
    def __init__(self, connection):
        our, peer = connection.getsockname(), connection.getpeername()
        addresses = [socket.inet_aton(address[0]) + bytes(12) for address in (peer, our)]
        identity = struct.pack(">HH16s16s", peer[1], our[1], *addresses)
        identity += struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
        tcp = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF)
        body = tcp + identity
        self._question = _HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, _REQUEST, 0, 0) + body
        try:
            self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG)
            self._netlink.settimeout(1)
        except OSError:
            self._netlink = None  # not on this kernel: bytes may come together

    def wait_until_read(self):
        for _ in range(_TRIES_MAX if self._netlink else 0):
            if self._unread() == 0:
                return
            os.sched_yield()

    def _unread(self):
        try:
            self._netlink.send(self._question)
            answer = self._netlink.recv(4096)
        except OSError:
            return 0
        if _HEADER.unpack_from(answer)[1] != _BY_FAMILY:
            return 0  # the connection is gone
        return struct.unpack_from("=I", answer, _QUEUE_AT)[0]

    def close(self):
        if self._netlink:
            self._netlink.close()
