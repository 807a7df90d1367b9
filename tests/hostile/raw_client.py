# SPDX-License-Identifier: Apache-2.0
"""Sends raw bytes as they are, in one piece or one byte a segment, and takes every answer apart."""
import re
import select
import socket
import time
from dataclasses import dataclass, field

from receive_queue import ReceiveQueue

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
    with socket.create_connection(address, timeout=wait_s) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        unread = ReceiveQueue(connection) if bytewise else None
        try:
            talk = _Talk(connection, parts, unread, Answers(heads_only))
            return talk.run(time.monotonic() + wait_s, 0 if half_close else answers)
        finally:
            if unread:
                unread.close()


class _Talk:
    def __init__(self, connection, parts, unread, parser):
        self._connection = connection
        self._parts = list(parts)
        self._now = self._parts.pop(0)  # what is left of the part being sent
        self._unread = unread
        self._parser = parser
        self._ended = False

    def run(self, deadline, answers):
        """Until the gate ends its side, or the deadline. `answers` final ones end ours."""
        while (left := deadline - time.monotonic()) > 0:
            self._next_part(answers)
            to_send = [self._connection] if self._now else []
            readable, writable, _ = select.select([self._connection], to_send, [], left)
            if writable:
                self._send()
            if readable and (end := self._receive()):
                return self._parser.finish(end)
        return self._parser.finish("open")

    def _next_part(self, answers):
        outcome = self._parser.outcome
        final = len(outcome.responses)
        if not self._now and self._parts and (outcome.interim or final):
            self._now = self._parts.pop(0)
        said_all = not self._now and not self._parts
        if said_all and not self._ended and (final >= answers or self._gate_said_close()):
            self._ended = True
            try:
                self._connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # reset already: reading will tell

    def _send(self):
        try:
            sent = self._connection.send(self._now[:1] if self._unread else self._now)
            self._now = self._now[sent:]
            if self._unread:
                self._unread.wait_until_read()
        except BlockingIOError:
            pass
        except OSError:  # the gate has closed: what is left cannot be said any more
            self._now, self._parts = b"", []

    def _receive(self):
        try:
            data = self._connection.recv(65536)
        except BlockingIOError:
            return None
        except OSError:
            return "reset"
        if not data:
            return "eof"
        self._parser.feed(data)
        return None

    def _gate_said_close(self):
        answers = self._parser.outcome.responses
        return any(answer.headers.get("connection", "").lower() == "close" for answer in answers)
