# SPDX-License-Identifier: Apache-2.0
"""What a hostile or careless client may send, by class, and what must come of it.

A case is `accept` (answered 200, arrives upstream once and as meant), `refuse` (one of `statuses`,
nothing arrives upstream, the connection ends) or `either` (refused, or forwarded in exactly the
form `paths` says).
`N1` stands for the nonce of a case, `N2` for that of a second request on the same connection.
"""
from dataclasses import dataclass, field

N1 = b"nonce-xxxxxxxxxxxx"
N2 = b"nonce-yyyyyyyyyyyy"
CANARY_PATH = "/v1/canary"
CHAT = "/v1/chat/completions"


@dataclass
class Case:
    name: str
    kind: str
    parts: list                      # between two of them an interim answer is awaited
    statuses: tuple = (400,)
    paths: tuple = (CHAT,)           # of the requests that arrive upstream
    half_close: bool = False         # our side ends right behind the bytes
    silent_ok: bool = False          # an end without an answer is an answer
    stays_open_ok: bool = False      # well framed: the connection may go on
    behind: tuple = ()               # a second answer that is allowed, by status
    heads_only: bool = False
    answers: int = 1
    check_body: bool = True
    whole_only: bool = False         # waits for a deadline of the gate's: once is enough
    tags: set = field(default_factory=set)


def chat_body(nonce=N1, extra=b""):
    messages = b'"messages":[{"role":"user","content":"' + nonce + b'"}]'
    return b'{"model":"gpt-4o-mini",' + messages + extra + b"}"


class Builder:
    """Bytes of requests with the client's key in them."""

    def __init__(self, key):
        self.auth = b"Authorization: Bearer " + key.encode() + b"\r\n"
        self.key = key.encode()
        self.cases = []

    def head(self, fields=b"", line=b"POST /v1/chat/completions HTTP/1.1", host=b"Host: gate\r\n",
             content_type=b"Content-Type: application/json\r\n"):
        return line + b"\r\n" + host + self.auth + content_type + fields + b"\r\n"

    def post(self, body=None, fields=b"", line=b"POST /v1/chat/completions HTTP/1.1",
             host=b"Host: gate\r\n",
             content_type=b"Content-Type: application/json\r\n"):
        body = chat_body() if body is None else body
        length = b"Content-Length: %d\r\n" % len(body)
        return self.head(fields + length, line, host, content_type) + body

    def get(self, target, fields=b"", version=b"HTTP/1.1", host=b"Host: gate\r\n", method=b"GET"):
        line = method + b" " + target + b" " + version + b"\r\n"
        return line + host + self.auth + fields + b"\r\n"

    def canary(self):
        return self.post(b'{"model":"gpt-4o-mini","messages":[]}', line=b"POST /v1/canary HTTP/1.1")

    def chunked(self, coded, fields=b""):
        return self.head(b"Transfer-Encoding: chunked\r\n" + fields) + coded

    def chunk(self, data=None, extension=b"", size=None, end=b"\r\n"):
        data = chat_body() if data is None else data
        size = b"%x" % len(data) if size is None else size
        return size + extension + b"\r\n" + data + end

    def add(self, kind, name, parts, **more):
        parts = [parts] if isinstance(parts, bytes) else parts
        self.cases.append(Case(name, kind, parts, **more))

    def accept(self, name, parts, **more):
        self.add("accept", name, parts, statuses=(200,), **more)

    def refuse(self, name, parts, statuses=(400,), **more):
        self.add("refuse", name, parts, statuses=statuses, **more)

    def either(self, name, parts, statuses=(400,), **more):
        self.add("either", name, parts, statuses=statuses, stays_open_ok=True, **more)


def make(key):
    """Every case, for a client with this key; each is tagged with its section."""
    # The sections import this module, hence not at the top.
    import body_cases
    import framing_cases
    import good_cases
    import head_cases
    import hop_by_hop_cases
    import target_cases

    builder = Builder(key)
    for module in (good_cases, framing_cases, head_cases, target_cases, hop_by_hop_cases,
                   body_cases):
        for section in module.SECTIONS:
            before = len(builder.cases)
            section(builder)
            for case in builder.cases[before:]:
                case.tags.add(section.__name__)
    return builder.cases
