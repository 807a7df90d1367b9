# SPDX-License-Identifier: Apache-2.0
"""Sends raw bytes as they are, in one piece or one byte a segment, and takes every answer apart."""
import re
import select
import socket
import time
from dataclasses import dataclass, field

STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9]) [\t -~]*")


@dataclass
class Response:
    status: int
    headers: dict
    body: bytes
    raw: bytes = b""


@dataclass
class Outcome:
    responses: list = field(default_factory=list)
    interim: int = 0          # 1xx answers
    end: str = "open"         # eof, reset, or open when the deadline passed
    leftover: bytes = b""     # bytes that are no answer


class Answers:
    """Splits what the gate sends into answers; strict about the gate's own framing."""

    def __init__(self, heads_only):
        self._buffer = b""
        self._heads_only = heads_only
        self.outcome = Outcome()

    def feed(self, data):
        self._buffer += data
        while self._one():
            pass

    def finish(self, end):
        self.outcome.end = end
        self.outcome.leftover = self._buffer
        return self.outcome

    def _one(self):
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return False
        lines = self._buffer[:head_end].split(b"\r\n")
        matched = STATUS_LINE.fullmatch(lines[0])
        if not matched:
            return False
        status = int(matched[1])
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            headers[name.decode("latin-1").lower()] = value.strip().decode("latin-1")
        at = head_end + 4
        if status < 200:
            self.outcome.interim += 1
            self._buffer = self._buffer[at:]
            return True
        if self._heads_only or status in (204, 304):
            body, used = b"", 0
        elif headers.get("transfer-encoding") == "chunked":
            body, used = _dechunk(self._buffer[at:])
        else:
            used = int(headers.get("content-length", "0"))
            body = self._buffer[at:at + used] if len(self._buffer) >= at + used else None
        if body is None:
            return False
        raw, self._buffer = self._buffer[:at + used], self._buffer[at + used:]
        self.outcome.responses.append(Response(status, headers, body, raw))
        return True


def _dechunk(data):
    body, at = b"", 0
    while True:
        line_end = data.find(b"\r\n", at)
        if line_end < 0:
            return None, 0
        size = int(data[at:line_end], 16)
        at = line_end + 2
        if len(data) < at + size + 2:
            return None, 0
        body += data[at:at + size]
        at += size + 2
        if size == 0:
            return body, at


def exchange(address, parts, bytewise=False, half_close=False, heads_only=False, answers=1,
             wait_s=5.0):
    """Sends `parts`; between two of them waits for an interim answer. Ends our side when `answers`
    final answers are here (at once with `half_close`), then reads to the end."""
    parser = Answers(heads_only)
    pending = list(parts)
    deadline = time.monotonic() + wait_s
    current = pending.pop(0)
    at = 0
    closed = False
    with socket.create_connection(address, timeout=wait_s) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        while time.monotonic() < deadline:
            final = len(parser.outcome.responses)
            if at == len(current) and pending and (parser.outcome.interim or final):
                current, at = pending.pop(0), 0
            sent_all = at == len(current) and not pending
            if sent_all and not closed and (half_close or final >= answers or said_close(parser)):
                closed = True
                _quietly(connection.shutdown, socket.SHUT_WR)
            readable, writable, _ = select.select(
                [connection], [connection] if at < len(current) and not closed else [], [],
                max(0.0, deadline - time.monotonic()))
            if writable:
                try:
                    at += connection.send(current[at:at + 1] if bytewise else current[at:])
                except BlockingIOError:
                    pass
                except OSError:  # the gate has closed: what is left cannot be said any more
                    pending, at = [], len(current)
            if readable:
                try:
                    data = connection.recv(65536)
                except BlockingIOError:
                    continue
                except OSError:
                    return parser.finish("reset")
                if not data:
                    return parser.finish("eof")
                parser.feed(data)
    return parser.finish("open")


def said_close(parser):
    return any(answer.headers.get("connection",
                                  "").lower() == "close" for answer in parser.outcome.responses)


def _quietly(act, *arguments):
    try:
        act(*arguments)
    except OSError:
        pass
