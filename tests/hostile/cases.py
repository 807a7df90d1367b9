# SPDX-License-Identifier: Apache-2.0
"""What a hostile or careless client may send, by class, and what must come of it.

A case is `accept` (answered 200, arrives upstream once and as meant), `refuse` (one of `statuses`, nothing
arrives upstream, the connection ends) or `either` (refused, or forwarded in exactly the form `path` says).
`N1` stands for the nonce of a case, `N2` for that of a second request on the same connection.
"""
from dataclasses import dataclass, field

N1 = b"nonce-xxxxxxxxxxxx"
N2 = b"nonce-yyyyyyyyyyyy"
CANARY_PATH = "/v1/canary"
CHAT = "/v1/chat/completions"
HEAD_BYTES_MAX = 64 * 1024


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
    tags: set = field(default_factory=set)


def chat_body(nonce=N1, extra=b""):
    return b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"' + nonce + b'"}]' + extra + b"}"


class Builder:
    """Bytes of requests with the client's key in them."""

    def __init__(self, key):
        self.auth = b"Authorization: Bearer " + key.encode() + b"\r\n"
        self.key = key.encode()
        self.cases = []

    def head(self, fields=b"", line=b"POST /v1/chat/completions HTTP/1.1", host=b"Host: gate\r\n",
             content_type=b"Content-Type: application/json\r\n"):
        return line + b"\r\n" + host + self.auth + content_type + fields + b"\r\n"

    def post(self, body=None, fields=b"", line=b"POST /v1/chat/completions HTTP/1.1", host=b"Host: gate\r\n",
             content_type=b"Content-Type: application/json\r\n"):
        body = chat_body() if body is None else body
        length = b"Content-Length: %d\r\n" % len(body)
        return self.head(fields + length, line, host, content_type) + body

    def get(self, target, fields=b"", version=b"HTTP/1.1", host=b"Host: gate\r\n", method=b"GET"):
        return method + b" " + target + b" " + version + b"\r\n" + host + self.auth + fields + b"\r\n"

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


def good(b):
    """Section 2.1: not overstrict."""
    models = b"/v1/models/" + N1
    at_models = {"paths": (models.decode(),)}
    b.accept("plain GET", b.get(models), **at_models)
    b.accept("plain POST", b.post())
    b.accept("HEAD", b.get(models, method=b"HEAD"), heads_only=True, **at_models)
    b.accept("DELETE", b.get(b"/v1/files/" + N1, method=b"DELETE"), paths=(f"/v1/files/{N1.decode()}",))
    for name, start in {"one leading CRLF": b"\r\n"}.items():
        b.accept(name, start + b.post())
    b.accept("chunked", b.chunked(b.chunk() + b"0\r\n\r\n"))
    body = chat_body()
    small = b"".join(b.chunk(body[i:i + 3]) for i in range(0, len(body), 3))
    b.accept("many small chunks", b.chunked(small + b"0\r\n\r\n"))
    b.accept("upper case hex size", b.chunked(b.chunk(size=b"%X" % len(body)) + b"0\r\n\r\n"))
    b.accept("zeros before a size", b.chunked(b.chunk(size=b"000%x" % len(body)) + b"0\r\n\r\n"))
    b.accept("000 as last chunk", b.chunked(b.chunk() + b"000\r\n\r\n"))
    b.accept("a short chunk extension", b.chunked(b.chunk(extension=b";a=b") + b"0;c\r\n\r\n"))
    b.accept("a quoted chunk extension", b.chunked(b.chunk(extension=b';a="b;c"') + b"0\r\n\r\n"))
    b.accept("an unknown trailer is dropped", b.chunked(b.chunk() + b"0\r\nX-Note: a\r\n\r\n"))
    for coding in (b"Chunked", b"CHUNKED", b"cHuNkEd"):
        b.accept(f"coding {coding.decode()}",
                 b.head(b"transfer-encoding: " + coding + b"\r\n") + b.chunk() + b"0\r\n\r\n")
    for name, value in {"no blank": b"", "two blanks": b"  ", "a tab": b"\t", "mixed": b" \t \t"}.items():
        b.accept(f"before a value: {name}",
                 b.head(b"CONTENT-LENGTH:" + value + b"%d\r\n" % len(body)) + body)
        b.accept(f"behind a value: {name}",
                 b.head(b"Content-Length: %d" % len(body) + value + b"\r\n") + body)
        b.accept(f"around the host: {name}", b.post(host=b"Host:" + value + b"gate" + value + b"\r\n"))
    b.accept("empty value", b.post(fields=b"X-Hostile:\r\n"))
    b.accept("value of blanks", b.post(fields=b"X-Hostile: \t \r\n"))
    b.accept("tab inside a value", b.post(fields=b"X-Hostile: a\tb\r\n"))
    b.accept("names in lower case", b.post().replace(b"Host:", b"host:").replace(b"Content-", b"content-"))
    b.accept("names in upper case", b.post().replace(b"Host:", b"HOST:").replace(b"Content-", b"CONTENT-"))
    b.accept("bearer in lower case", b.post().replace(b"Bearer", b"bearer"))
    b.accept("HTTP/1.0 with a length", b.post(line=b"POST /v1/chat/completions HTTP/1.0"))
    b.accept("HTTP/1.0 without host", b.post(line=b"POST /v1/chat/completions HTTP/1.0", host=b""))
    b.accept("HTTP/1.0 keep-alive",
             b.post(line=b"POST /v1/chat/completions HTTP/1.0", fields=b"Connection: keep-alive\r\n"))
    b.accept("two pipelined", b.post() + b.post(chat_body(N2)), paths=(CHAT, CHAT), answers=2)
    b.accept("GET and POST pipelined", b.get(models) + b.post(chat_body(N2)), answers=2,
             paths=(models.decode(), CHAT))
    b.accept("chunked and POST pipelined", b.chunked(b.chunk() + b"0\r\n\r\n") + b.post(chat_body(N2)),
             paths=(CHAT, CHAT), answers=2)
    b.accept("CRLF between two", b.post() + b"\r\n" + b.post(chat_body(N2)), paths=(CHAT, CHAT), answers=2)
    late = b.head(b"Content-Length: %d\r\nExpect: 100-continue\r\n" % len(body))
    b.accept("expectation, body late", [late, body])
    b.accept("expectation, body at once", late + body)
    b.accept("expectation in upper case", [late.replace(b"100-c", b"100-C"), body])
    b.accept("expectation, chunked late",
             [b.head(b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n"), b.chunk() + b"0\r\n\r\n"])
    b.accept("data behind Connection: close", b.post(fields=b"Connection: close\r\n") + b.canary())
    b.accept("data behind HTTP/1.0", b.post(line=b"POST /v1/chat/completions HTTP/1.0") + b.canary())
    for name, junk in {"NUL": b"\0\0\0", "text": b"not http at all\r\n\r\n", "LF": b"\n",
                       "TLS": b"\x16\x03\x01\x02\x00\x01"}.items():
        b.accept(f"garbage behind: {name}", b.post() + junk, behind=(400,))
    for target in (b"/v1/models/ft:gpt-4o:org::", b"/v1/models/ft%3Agpt-4o%3A", b"/v1/models/a.b-c_d~",
                   b"/v1/models?after=", b"/v1/vector_stores?include[]=a&limit=2&x=%2F..%2F&y="):
        b.accept(f"target {target.decode()}", b.get(target + N1), paths=((target + N1).decode(),))
    b.accept("absolute form", b.post(line=b"POST http://@HOST@/v1/chat/completions HTTP/1.1",
                                     host=b"Host: @HOST@\r\n"))
    for name, value in {"name": b"gate.example", "port": b"gate:8080", "IPv4": b"127.0.0.1:8080",
                        "IPv6": b"[::1]:8080", "case": b"GaTe"}.items():
        b.accept(f"host {name}", b.post(host=b"Host: " + value + b"\r\n"))
    b.accept("100 fields", b.post(fields=b"".join(b"X-H%d: a\r\n" % i for i in range(90))))
    b.accept("a long cookie", b.post(fields=b"Cookie: " + b"a=b; " * 1600 + b"\r\n"))
    b.accept("a long target", b.get(b"/v1/models?x=" + b"a" * 4000 + N1),
             paths=("/v1/models?x=" + "a" * 4000 + N1.decode(),))
    b.accept("charset", b.post(content_type=b"Content-Type: application/json; charset=utf-8\r\n"))
    b.accept("media type in upper case", b.post(content_type=b"Content-Type: Application/JSON\r\n"))
    for name, value in {"x-api-key": b"x-api-key: ", "api-key": b"api-key: "}.items():
        b.accept(f"the same key again: {name}", b.post(fields=value + b.key + b"\r\n"))


def content_length(b):
    body = chat_body()
    size = b"%d" % len(body)
    bad = {
        "plus": b"+" + size, "minus": b"-" + size, "minus one": b"-1", "hex": b"0x%x" % len(body),
        "octal": b"0o1", "underscore": b"1_0", "fraction": size + b".0", "exponent": b"1e2",
        "inner blank": b"1 " + size, "inner tab": b"1\t0", "empty": b"", "blanks": b"   ", "word": b"abc",
        "quotes": b'"' + size + b'"', "single quotes": b"'" + size + b"'", "parameter": size + b";a=b",
        "list, different": size + b", 5", "list, empty member": size + b",", "list, leading comma": b"," + size,
        "NBSP": b"\xa0" + size, "NBSP in UTF-8": b"\xc2\xa0" + size, "full-width": b"\xef\xbc\x95",
        "arabic": b"\xd9\xa5", "vertical tab": b"\x0b" + size, "form feed": size + b"\x0c",
        "NUL behind": size + b"\0", "NUL alone": b"\0", "2^63": b"9223372036854775808",
        "2^64": b"18446744073709551616", "2^64 plus size": b"%d" % (2**64 + len(body)),
        "2^128": b"%d" % 2**128, "30 nines": b"9" * 30, "10,000 digits": b"1" * 10000, "hash": b"#5",
        "percent": b"%35", "newline word": b"5\\r\\n", "NaN": b"NaN", "Infinity": b"Infinity",
        "bang": size + b"!", "plus blank": b"+ " + size, "backspace": size + b"\x08",
    }
    for name, value in bad.items():
        b.refuse(f"Content-Length {name}", b.head(b"Content-Length: " + value + b"\r\n") + body + b.canary())
    for name, value in {"2^32 plus size": b"%d" % (2**32 + len(body)), "2^63 - 1": b"9223372036854775807",
                        "over the limit": b"%d" % (1 << 40)}.items():
        b.refuse(f"Content-Length {name}", b.head(b"Content-Length: " + value + b"\r\n") + body, (400, 413))
    for name, value in {"leading zeros": b"000" + size, "equal list": size + b", " + size}.items():
        b.either(f"Content-Length {name}", b.head(b"Content-Length: " + value + b"\r\n") + body)
    b.either("Content-Length twice, equal",
             b.head(b"Content-Length: " + size + b"\r\nContent-Length: " + size + b"\r\n") + body)
    pairs = {"larger first": (b"99", size), "smaller first": (b"0", size), "larger last": (size, b"99"),
             "zero last": (size, b"0"), "one empty": (size, b""), "empty first": (b"", size),
             "other spelling": (size, b"0" + size), "sign": (size, b"+" + size)}
    for name, (one, two) in pairs.items():
        for spelling in (b"Content-Length", b"CONTENT-LENGTH"):
            fields = b"Content-Length: " + one + b"\r\n" + spelling + b": " + two + b"\r\n"
            b.refuse(f"two lengths, {name}, {spelling.decode()}", b.head(fields) + body + b.canary())
    b.refuse("two lengths, one with a blank before the colon",
             b.head(b"Content-Length: 0\r\nContent-Length : " + size + b"\r\n") + body)
    b.refuse("length apart from length", b.head(b"Content-Length: 0\r\nX-A: b\r\nContent-Length: " + size
                                                + b"\r\n") + body)


def transfer_encoding(b):
    body = b.chunk() + b"0\r\n\r\n"
    size = b"%d" % len(body)
    for name, coding in {"chunked": b"chunked", "identity": b"identity", "unknown": b"x", "empty": b""}.items():
        both = (b"Content-Length: " + size + b"\r\n", b"Transfer-Encoding: " + coding + b"\r\n")
        for order, fields in {"length first": both, "coding first": both[::-1]}.items():
            b.refuse(f"length and coding {name}, {order}", b.head(b"".join(fields)) + body + b.canary(),
                     (400, 501))
    b.refuse("length 0 and coding", b.head(b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n") + body)
    b.refuse("bad length and coding", b.head(b"Content-Length: x\r\nTransfer-Encoding: chunked\r\n") + body)
    b.refuse("smuggling by length",
             b.head(b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n") + b"0\r\n\r\n" + b.canary())
    values = {
        "unknown": b"xchunked", "doubled": b"chunked, chunked", "not final": b"chunked, gzip",
        "gzip first": b"gzip, chunked", "identity": b"identity", "identity last": b"chunked, identity",
        "identity first": b"identity, chunked", "gzip": b"gzip", "deflate": b"deflate", "empty": b"",
        "comma": b",", "comma behind": b"chunked,", "comma before": b", chunked", "quotes": b'"chunked"',
        "parameter": b"chunked;q=1", "parameter quoted": b'chunked;a="b"', "semicolon": b"chunked;",
        "suffix": b"chunkedx", "prefix word": b"x chunked", "suffix word": b"chunked x", "NUL": b"chunked\0",
        "vertical tab": b"\x0bchunked", "form feed": b"chunked\x0c", "NBSP": b"\xa0chunked",
        "backspace": b"chunked\x08", "single quotes": b"'chunked'", "slash": b"chunked/1", "dotless": b"chunKed\xc4\xb1",
        "kelvin sign": b"chun\xe2\x84\xaaed", "cow": b"cow", "cow, chunked": b"cow, chunked", "star": b"*",
    }
    for name, value in values.items():
        b.refuse(f"coding {name}", b.head(b"Transfer-Encoding: " + value + b"\r\n") + body + b.canary(),
                 (400, 501))
    length = b"Content-Length: " + size + b"\r\n"
    hidden = {
        "blank before the colon": b"Transfer-Encoding : chunked", "tab before the colon": b"Transfer-Encoding\t: chunked",
        "leading blank": b" Transfer-Encoding: chunked", "leading tab": b"\tTransfer-Encoding: chunked",
        "NUL in the name": b"Transfer\0-Encoding: chunked", "NUL before": b"\0Transfer-Encoding: chunked",
        "high byte before": b"\xffTransfer-Encoding: chunked", "vertical tab before": b"\x0bTransfer-Encoding: chunked",
        "folded": b"Transfer-Encoding:\r\n chunked", "folded by a tab": b"Transfer-Encoding:\r\n\tchunked",
        "CR before the name": b"X-A: b\rTransfer-Encoding: chunked", "LF before the name": b"X-A: b\nTransfer-Encoding: chunked",
        "CR CR LF": b"X-A: b\r\r\nTransfer-Encoding: chunked", "quoted name": b'"Transfer-Encoding": chunked',
        "colon in front": b":Transfer-Encoding: chunked", "no colon": b"Transfer-Encoding chunked",
        "two colons": b"Transfer-Encoding:: chunked", "NUL in the value": b"Transfer-Encoding: chun\0ked",
        "semicolon name": b"Transfer-Encoding;: chunked", "DEL": b"Transfer-Encoding\x7f: chunked",
        "soft hyphen": b"Transfer\xc2\xadEncoding: chunked", "folded in the middle": b"Transfer-Encoding: chun\r\n ked",
        "folded before": b"X: y\r\n Transfer-Encoding: chunked", "equals": b"Transfer-Encoding=chunked",
        "blank in the name": b"Transfer Encoding: chunked", "brackets": b"[Transfer-Encoding]: chunked",
    }
    for name, line in hidden.items():
        b.refuse(f"hidden coding, {name}", b.head(line + b"\r\n") + body + b.canary(), (400, 501))
        b.refuse(f"hidden coding, {name}, with a length", b.head(length + line + b"\r\n") + body + b.canary(),
                 (400, 501))
    chat = chat_body()
    for name in (b"Transfer_Encoding", b"TransferEncoding", b"X-Transfer-Encoding", b"Transfer-Encodings",
                 b"Transfer-Coding", b"TE", b"Content_Length", b"Content-Lengths", b"Transfer.Encoding"):
        b.accept(f"look-alike {name.decode()}", b.post(chat, fields=name + b": chunked\r\n"))
    two = b"Transfer-Encoding: chunked\r\n"
    b.refuse("two codings", b.head(two + two) + body, (400, 501))
    b.refuse("two codings, identity last", b.head(two + b"transfer-encoding: identity\r\n") + body, (400, 501))
    old = b"POST /v1/chat/completions HTTP/1.0"
    b.refuse("coding in HTTP/1.0", b.head(two, line=old) + body + b.canary(), (400, 501))
    b.refuse("coding and length in HTTP/1.0", b.head(two + length, line=old) + body, (400, 501))
    b.refuse("coding in HTTP/1.0 keep-alive", b.head(two + b"Connection: keep-alive\r\n", line=old) + body,
             (400, 501))


def chunk_coding(b):
    data = chat_body()
    end = b"0\r\n\r\n"
    size = b"%x" % len(data)

    def bad(name, coded, statuses=(400,), **more):
        b.refuse(f"chunk {name}", b.chunked(coded), statuses, **more)

    sizes = {
        "plus": b"+" + size, "minus": b"-" + size, "0x": b"0x" + size, "blank before": b" " + size,
        "blank behind": size + b" ", "tab before": b"\t" + size, "tab behind": size + b"\t", "junk": size + b"zz",
        "empty": b"", "list": size + b"," + size, "quotes": b'"' + size + b'"', "underscore": b"1_0",
        "dot": size + b".0", "h suffix": size + b"h", "NUL behind": size + b"\0", "NUL before": b"\0" + size,
        "full-width": b"\xef\xbc\x95", "16 digits": b"%016x" % len(data), "17 digits": b"1" + b"0" * 16,
        "all ones": b"f" * 16, "2^63": b"8" + b"0" * 15, "2^64 wraps": b"1" + b"%016x" % len(data),
        "2^32 wraps": b"1" + b"%08x" % len(data), "zeros": b"0" * 100 + size, "many zeros": b"0" * 5000 + size,
        "colon": size + b":", "slash": size + b"/", "vertical tab": b"\x0b" + size, "CR inside": size[:1] + b"\r" + size[1:],
        "LF inside": size[:1] + b"\n" + size[1:], "word": b"chunk", "hash": b"#" + size, "backslash": b"\\x" + size,
    }
    for name, value in sizes.items():
        bad(f"size {name}", b.chunk(size=value) + end + b.canary(), (400, 413))
    extensions = {
        "NUL": b";a\0", "LF": b";a\nb", "CR": b";a\rb", "bare LF and data": b";\n" + end + b.canary(),
        "ESC": b";a=\x1b", "DEL": b";\x7f", "bare semicolon": b";", "two semicolons": b";;a", "empty value": b";a=",
        "no name": b";=b", "unbalanced": b';a="b', "quote in a token": b';a=b"c"', "text behind quotes": b';a="b"c',
        "blank inside": b";a b", "two equals": b";a=b=c", "parentheses": b";(a)", "at": b";a@b", "comma": b";a,b",
        "over 256 bytes": b";" + b"a" * 300, "over 256 quoted": b';a="' + b"b" * 300 + b'"', "huge": b";" + b"a" * 70000,
        "LF in quotes": b';a="\n"', "CR in quotes": b';a="\r"', "NUL in quotes": b';a="\0"',
        "CRLF in quotes": b';a="\r\n"', "escaped LF": b';a="\\\n"', "high byte": b";a=\xff", "many": b";a=b" * 200,
        "CR before LF": b";a\r", "LF only": b";a\n",
    }
    for name, extension in extensions.items():
        bad(f"extension {name}", b.chunk(extension=extension) + end + b.canary())
        bad(f"extension of the last, {name}", b.chunk() + b"0" + extension + b"\r\n\r\n" + b.canary())
    one_byte = b"".join(b.chunk(data[i:i + 1], extension=b";" + b"e" * 250) for i in range(len(data)))
    bad("extensions, many in total", one_byte + end)
    for name, extension in {"blank before ;": b" ;a=b", "blank after ;": b"; a=b", "blanks round =": b";a = b",
                            "tab before ;": b"\t;a"}.items():
        b.either(f"chunk extension, {name}", b.chunked(b.chunk(extension=extension) + end))
    lines = {
        "bare LF behind the size": size + b"\n" + data + b"\r\n" + end, "bare CR behind the size": size + b"\r" + data + b"\r\n" + end,
        "CR CR LF behind the size": size + b"\r\r\n" + data + b"\r\n" + end, "LF CR behind the size": size + b"\n\r" + data + b"\r\n" + end,
        "bare LF behind data": size + b"\r\n" + data + b"\n" + end, "bare CR behind data": size + b"\r\n" + data + b"\r" + end,
        "nothing behind data": size + b"\r\n" + data + end, "CR CR behind data": size + b"\r\n" + data + b"\r\r" + end,
        "two CRLF behind data": size + b"\r\n" + data + b"\r\n\r\n" + end, "data longer": size + b"\r\n" + data + b"x\r\n" + end,
        "data one shorter": size + b"\r\n" + data[:-1] + b"\r\n" + end, "blank before data": size + b"\r\n " + data + b"\r\n" + end,
        "bare LF behind the last": b.chunk() + b"0\n\r\n", "bare LF at the end": b.chunk() + b"0\r\n\n",
        "LF LF at the end": b.chunk() + b"0\n\n", "CR and a byte at the end": b.chunk() + b"0\r\n\rX",
        "request behind the last": b.chunk() + b"0\r\n" + b.canary(), "empty line instead of the last": b.chunk() + b"\r\n",
    }
    for name, coded in lines.items():
        bad(f"line ends, {name}", coded + b.canary())
    cut = {"last chunk missing": b.chunk(), "final CRLF missing": b.chunk() + b"0\r\n", "half final CRLF": b.chunk() + b"0\r\n\r",
           "cut in the size": size[:1], "cut in the data": size + b"\r\n" + data[:10], "cut behind data": size + b"\r\n" + data,
           "only the head": b""}
    for name, coded in cut.items():
        bad(f"truncated, {name}", coded, (400, 408), half_close=True, silent_ok=True)
    for name in (b"Content-Length", b"Transfer-Encoding", b"Host", b"Authorization", b"Content-Type",
                 b"Content-Encoding", b"X-Forwarded-For", b"Cookie", b"x-api-key", b"Connection", b"Trailer", b"TE"):
        b.either(f"trailer {name.decode()}", b.chunked(b.chunk() + b"0\r\n" + name + b": 5\r\n\r\n"))
    trailers = {"blank before the colon": b"X-A : b\r\n", "no colon": b"X-A\r\n", "NUL": b"X-A: \0\r\n", "bare LF": b"X-A: b\n",
                "folded": b"X-A: b\r\n c\r\n", "empty name": b": b\r\n", "over 8 KiB": b"X-A: " + b"b" * 9000 + b"\r\n",
                "CR": b"X-A: b\rc\r\n", "high byte in the name": b"X\xff: b\r\n"}
    for name, line in trailers.items():
        bad(f"trailer, {name}", b.chunk() + b"0\r\n" + line + b"\r\n" + b.canary(), (400, 431))


def request_line(b):
    rest = b"\r\nHost: gate\r\n" + b.auth + b"\r\n"
    bad = (400, 505)
    lines = {
        "leading blank": b" GET /v1/models HTTP/1.1", "leading tab": b"\tGET /v1/models HTTP/1.1",
        "two blanks": b"GET  /v1/models HTTP/1.1", "two blanks before the version": b"GET /v1/models  HTTP/1.1",
        "trailing blank": b"GET /v1/models HTTP/1.1 ", "tabs": b"GET\t/v1/models\tHTTP/1.1", "trailing tab": b"GET /v1/models HTTP/1.1\t",
        "CR inside": b"GET /v1/models\r HTTP/1.1", "LF inside": b"GET /v1/models\n HTTP/1.1", "NUL": b"GET /v1/\0models HTTP/1.1",
        "ESC": b"GET /v1/\x1bmodels HTTP/1.1", "DEL": b"GET /v1/\x7fmodels HTTP/1.1", "high byte": b"GET /v1/\xffmodels HTTP/1.1",
        "UTF-8": b"GET /v1/\xc3\xa9 HTTP/1.1", "blank in the target": b"GET /v1/mo dels HTTP/1.1", "no target": b"GET HTTP/1.1",
        "no version": b"GET /v1/models", "no version, blank": b"GET /v1/models ", "only the method": b"GET", "only a blank": b" ",
        "lower case": b"GET /v1/models http/1.1", "mixed case": b"GET /v1/models Http/1.1", "HTTP/0.9": b"GET /v1/models HTTP/0.9",
        "HTTP/1.2": b"GET /v1/models HTTP/1.2", "HTTP/1.10": b"GET /v1/models HTTP/1.10", "HTTP/1.01": b"GET /v1/models HTTP/1.01",
        "HTTP/01.1": b"GET /v1/models HTTP/01.1", "HTTP/2": b"GET /v1/models HTTP/2", "HTTP/2.0": b"GET /v1/models HTTP/2.0",
        "HTTP/3.0": b"GET /v1/models HTTP/3.0", "HTTP/1": b"GET /v1/models HTTP/1", "HTTP/1.": b"GET /v1/models HTTP/1.",
        "HTTP/.1": b"GET /v1/models HTTP/.1", "HTTP/1.x": b"GET /v1/models HTTP/1.x", "HTTP/1,1": b"GET /v1/models HTTP/1,1",
        "HTTP 1.1": b"GET /v1/models HTTP 1.1", "HTTP/-1.1": b"GET /v1/models HTTP/-1.1", "HTTP/+1.1": b"GET /v1/models HTTP/+1.1",
        "HTTP/1.1x": b"GET /v1/models HTTP/1.1x", "xHTTP/1.1": b"GET /v1/models xHTTP/1.1", "HTTPS/1.1": b"GET /v1/models HTTPS/1.1",
        "HTTP//1.1": b"GET /v1/models HTTP//1.1", "HTTP/11": b"GET /v1/models HTTP/11", "HTTP/1.1.1": b"GET /v1/models HTTP/1.1.1",
        "ICE/1.0": b"GET /v1/models ICE/1.0", "full-width digit": b"GET /v1/models HTTP/1.\xef\xbc\x91", "version twice": b"GET /v1/models HTTP/1.1 HTTP/1.1",
    }
    for name, line in lines.items():
        b.refuse(f"request line, {name}", line + rest + b.canary(), bad)
    b.refuse("request line, HTTP/0.9 alone", b"GET /v1/models\r\n", bad)
    b.refuse("request line, bare LF", b"GET /v1/models HTTP/1.1\n" + rest[2:], bad)
    b.refuse("request line, CR CR LF", b"GET /v1/models HTTP/1.1\r" + rest, bad)
    b.refuse("two leading CRLF", b"\r\n\r\nGET /v1/models HTTP/1.1" + rest, bad)
    b.refuse("a leading LF", b"\nGET /v1/models HTTP/1.1" + rest, bad)
    b.refuse("a leading CR", b"\rGET /v1/models HTTP/1.1" + rest, bad)
    methods = {
        "lower case": b"get", "mixed case": b"Get", "unknown": b"FETCH", "33 bytes": b"A" * 33, "4,000 bytes": b"A" * 4000,
        "delimiter": b"GE(T", "slash": b"GE/T", "colon": b"GET:", "high byte": b"G\xc3\x89T", "quotes": b'"GET"', "comma": b"GET,POST",
        "NUL": b"GET\0", "at": b"@GET", "equals": b"A=B", "TRACE": b"TRACE", "TRACK": b"TRACK", "PRI": b"PRI", "CONNECT": b"CONNECT",
        "PROPFIND": b"PROPFIND", "brackets": b"[GET]", "empty": b"",
    }
    for name, method in methods.items():
        b.refuse(f"method {name}", method + b" /v1/models HTTP/1.1" + rest + b.canary(), (400, 405, 501))
    b.refuse("CONNECT authority", b"CONNECT api.openai.com:443 HTTP/1.1" + rest, (400, 405, 501))
    b.refuse("TRACE with a secret", b"TRACE / HTTP/1.1\r\nHost: gate\r\nCookie: s\r\n" + b.auth + b"\r\n", (400, 405, 501))
    for field_name in (b"X-HTTP-Method-Override", b"X-HTTP-Method", b"X-Method-Override"):
        b.accept(f"ignored: {field_name.decode()}", b.post(fields=field_name + b": DELETE\r\n"))


def target(b):
    rest = b" HTTP/1.1\r\nHost: gate\r\n" + b.auth + b"\r\n"
    forms = {
        "no slash": b"v1/models", "fragment": b"/v1/models#a", "fragment first": b"#", "fragment in the query": b"/v1/models?a#b",
        "asterisk": b"*", "asterisk and path": b"*/v1", "authority form": b"gate:80", "userinfo": b"http://u:p@gate/v1/models",
        "at": b"@evil.example/v1/models", "glue dot": b".evil.example/v1/models", "glue colon": b":80/v1/models", "glue at": b"/@evil",
        "scheme ftp": b"ftp://gate/v1/models", "scheme file": b"file:///etc/passwd", "scheme gopher": b"gopher://gate/x",
        "foreign authority": b"http://evil.example/v1/models", "foreign https": b"https://evil.example/v1/models",
        "upstream authority": b"http://api.openai.com/v1/models", "metadata address": b"http://169.254.169.254/latest",
        "empty authority": b"http:///v1/models", "no authority": b"http:/v1/models", "scheme only": b"http://", "port 0": b"http://gate:0/v1/models",
        "port text": b"http://gate:x/v1/models", "two slashes": b"//evil.example/v1/models", "three slashes": b"///v1/models",
        "backslashes": b"\\\\evil.example\\v1", "slash backslash": b"/\\evil.example/v1", "query first": b"?a=b", "blank escape": b"%20/v1/models",
        "authority list": b"http://gate,evil/v1/models", "authority backslash": b"http://gate\\@evil/v1/models", "nested": b"http://http://gate/v1/models",
        "IPv6 broken": b"http://[::1/v1/models", "view-source": b"view-source:http://gate/", "data": b"data:text/plain,x",
    }
    for name, value in forms.items():
        if name == "glue at":
            continue
        b.refuse(f"target {name}", b"GET " + value + rest + b.canary(), (400, 404))
    b.refuse("target absolute, another host than Host",
             b"GET http://127.0.0.1/v1/models HTTP/1.1\r\nHost: evil.example\r\n" + b.auth + b"\r\n", (400, 404))
    paths = {
        "..": b"/v1/../admin", ".": b"/v1/./models", ".. at the end": b"/v1/models/..", ". at the end": b"/v1/models/.",
        ".. first": b"/../v1/models", ".. only": b"/..", "many ..": b"/v1/a/../../../../etc/passwd", "%2e%2e": b"/v1/%2e%2e/admin",
        "%2E.": b"/v1/%2E./admin", ".%2e": b"/v1/.%2e/admin", "%2e": b"/v1/%2e/models", "%252e": b"/v1/%252e%252e/admin",
        "%25252e": b"/v1/%25252e%25252e/x", "backslash ..": b"/v1\\..\\admin", "/..\\": b"/v1/..\\admin", "%5c": b"/v1/..%5cadmin",
        "%255c": b"/v1/..%255cadmin", "..;": b"/v1/..;/admin", "..;a=b": b"/v1/..;a=b/admin", "%2e%2e;": b"/v1/%2e%2e;/admin",
        ".;": b"/v1/.;/models", ";/..": b"/v1/;/../admin", "%3b": b"/v1/..%3b/admin", "%2f": b"/v1%2fmodels", "..%2f": b"/v1/..%2fadmin",
        "%252f": b"/v1%252fmodels", "%2F": b"/v1%2Fmodels", "two slashes": b"/v1//models", "slashes at the end": b"/v1/models//",
        "slashes first": b"//v1/models", "%00": b"/v1/models%00", "%00.": b"/v1/models%00.json", "%0d%0a": b"/v1/models%0d%0aX:%20y",
        "%0a": b"/v1/mo%0adels", "%09": b"/v1/mo%09dels", "%7f": b"/v1/mo%7fdels", "broken %": b"/v1/models%", "broken %2": b"/v1/models%2",
        "broken %zz": b"/v1/models%zz", "broken %u": b"/v1/%u002e%u002e/x", "broken % 2": b"/v1/%-2e/x", "encoded letters": b"/v1/%6d%6f%64els",
        "encoded digit": b"/v%31/models", "encoded hyphen": b"/v1/a%2db", "encoded tilde": b"/v1/a%7eb", "double encoding": b"/v1/a%2541",
        "%25": b"/v1/a%25b", "high byte": b"/v1/\xe9", "UTF-8": b"/v1/\xc3\xa9", "overlong dot": b"/v1/\xc0\xae\xc0\xae/x",
        "overlong escape": b"/v1/%c0%ae%c0%ae/admin", "overlong slash": b"/v1%c0%afmodels", "full-width dots": b"/v1/%ef%bc%8e%ef%bc%8e/x",
        "division slash": b"/v1%e2%88%95models", "trailing dot": b"/v1/models.", "trailing slash": b"/v1/models/", "dots": b"/v1/.../models",
        "encoded ?": b"/v1/models%3fa=b", "encoded #": b"/v1/models%23a", "space escape dot": b"/v1/.%20./x%2e", "less than": b"/v1/<script>",
        "quote": b'/v1/"models"', "brace": b"/v1/{id}", "caret": b"/v1/a^b", "pipe": b"/v1/a|b", "backtick": b"/v1/`id`", "CRLF glue": b"/v1/models%0D%0A%0D%0AGET%20/v1/canary",
    }
    for name, value in paths.items():
        for form in (value, value + b"?a=b"):
            b.refuse(f"path {name} {form[-4:] == b'?a=b'}", b"GET " + form + rest + b.canary(), (400, 404))
        b.refuse(f"path {name}, absolute", b"GET http://@HOST@" + value + b" HTTP/1.1\r\nHost: @HOST@\r\n" + b.auth + b"\r\n",
                 (400, 404))
    for name, value in {"broken %": b"%", "broken %g": b"%g1", "NUL": b"%00", "CRLF": b"%0d%0aX:y", "high byte": b"\xff",
                        "blank": b"a b"}.items():
        b.refuse(f"query {name}", b"GET /v1/models?a=" + value + rest + b.canary(), (400, 404))
    b.either("path upper case", b"GET /V1/MODELS" + rest, (400, 403, 404), paths=("/V1/MODELS",), check_body=False)
    b.either("OPTIONS *", b"OPTIONS *" + rest, (200, 204, 400, 404, 405, 501), paths=(), check_body=False)
    b.refuse("POST *", b.post(line=b"POST * HTTP/1.1"))


def fields(b):
    names = {
        "blank before the colon": b"X-A : b", "tab before the colon": b"X-A\t: b", "no colon": b"X-A", "no colon, words": b"some words here",
        "empty": b": b", "empty, blank": b" : b", "blank inside": b"X A: b", "NUL inside": b"X\0A: b", "NUL behind": b"X-A\0: b",
        "ESC": b"X\x1bA: b", "high byte": b"X\xff: b", "UTF-8": b"X-\xc3\xa9: b", "vertical tab": b"X\x0bA: b", "DEL": b"X\x7f: b",
        "slash": b"X/A: b", "at": b"X@A: b", "parentheses": b"X(A): b", "quotes": b'"X": b', "brackets": b"X[0]: b", "braces": b"{X}: b",
        "comma": b"X,A: b", "semicolon": b"X;A: b", "equals": b"X=A: b", "question mark": b"X?: b", "less than": b"<X>: b", "backslash": b"X\\A: b",
        "only a colon": b":", "equals for colon": b"X=b",
    }
    for name, line in names.items():
        b.refuse(f"field name, {name}", b.post(fields=line + b"\r\n") + b.canary())
        damaged = b"Content-Length%s: 5\r\n" % line[1:2]
        if not damaged[14:15].isalnum() and damaged[14:15] not in (b"-", b":"):
            b.refuse(f"damaged length, {name}", b.head(damaged) + b"12345" + b.canary())
    for byte in [*range(0, 9), *range(11, 13), *range(14, 32), 127]:
        b.refuse(f"field value, byte {byte:02x}", b.post(fields=b"X-A: a" + bytes([byte]) + b"b\r\n") + b.canary())
    for byte in (0, 10, 13):
        for place, value in {"first": bytes([byte]) + b"b", "last": b"b" + bytes([byte])}.items():
            b.refuse(f"field value, byte {byte:02x} {place}", b.post(fields=b"X-A:" + value + b"\r\n") + b.canary())
    for name in (b"Host", b"Authorization", b"Content-Type", b"Cookie"):
        b.refuse(f"NUL in {name.decode()}", b.post(fields=name + b": a\0b\r\n") + b.canary())
    folds = {"blank": b"X-A: b\r\n c\r\n", "tab": b"X-A: b\r\n\tc\r\n", "empty": b"X-A: b\r\n \r\n", "many": b"X-A: b\r\n c\r\n d\r\n",
             "host": b"X-Host:\r\n evil\r\n", "of a length": b"X-A: b\r\n Content-Length: 0\r\n", "tab line": b"X-A: b\r\n\t\r\n"}
    for name, lines in folds.items():
        b.refuse(f"folded, {name}", b.post(fields=lines) + b.canary())
    start = b"POST /v1/chat/completions HTTP/1.1\r\n"
    b.refuse("blank before the first field", b.post().replace(start, start + b" "))
    b.refuse("tab before the first field", b.post().replace(start, start + b"\t"))
    b.refuse("a line of blanks before the fields", b.post().replace(start, start + b"   \r\n"))
    plain = b.get(b"/v1/models")
    for index in range(plain.count(b"\r\n")):
        parts = plain.split(b"\r\n")
        joined = b"\r\n".join(parts[:index + 1]) + b"\n" + b"\r\n".join(parts[index + 1:])
        b.refuse(f"bare LF, line {index}", joined + b.canary())
    b.refuse("bare LF everywhere", plain.replace(b"\r\n", b"\n") + b.canary().replace(b"\r\n", b"\n"))
    for name, end in {"CR and a byte": b"\r\n\rX", "LF LF": b"\n\n", "LF": b"\r\n\n", "CR CR LF": b"\r\n\r\r\n", "CR LF CR CR": b"\r\n\r\r",
                      "LF CR": b"\n\r", "CR NUL": b"\r\n\r\0"}.items():
        b.refuse(f"head end, {name}", plain[:-4] + end + b.canary())
    twice = {
        "Host": b"Host: gate\r\n", "Authorization": b.auth, "Content-Type": b"Content-Type: application/json\r\n",
        "Content-Type, other case": b"CONTENT-TYPE: text/plain\r\n", "Host, other": b"host: evil\r\n",
        "Authorization, other": b"authorization: Bearer other\r\n", "Authorization, Basic": b"Authorization: Basic eDp5\r\n",
    }
    for name, line in twice.items():
        b.refuse(f"twice: {name}", b.post(fields=line) + b.canary())
    b.refuse("twice: Content-Encoding", b.post(fields=b"Content-Encoding: identity\r\ncontent-encoding: gzip\r\n"), (400, 415))
    b.refuse("twice: Expect", b.post(fields=b"Expect: 100-continue\r\nExpect: 100-continue\r\n"), (400, 417))


def host(b):
    values = {
        "empty": b"", "blanks": b"  ", "list": b"gate, evil", "list without a blank": b"gate,evil", "userinfo": b"u@gate", "user and password": b"u:p@gate",
        "path": b"gate/v1", "slash": b"gate/", "query": b"gate?a", "fragment": b"gate#a", "blank": b"ga te", "tab": b"ga\tte", "NUL": b"gate\0",
        "high byte": b"gat\xe9", "UTF-8": b"g\xc3\xa4te", "port empty": b"gate:", "port text": b"gate:http", "port 65536": b"gate:65536", "port huge": b"gate:99999999999",
        "port minus": b"gate:-1", "port plus": b"gate:+80", "port fraction": b"gate:80.0", "two ports": b"gate:80:80", "only a port": b":80", "bracket open": b"[::1",
        "bracket close": b"::1]", "IPv6 bare": b"::1", "bracket empty": b"[]", "bracket text": b"[gate]", "bracket junk behind": b"[::1]x", "bracket port": b"[::1]:x",
        "zone": b"[fe80::1%25eth0]", "IPv4 in brackets": b"[127.0.0.1]", "scheme": b"http://gate", "backslash": b"gate\\evil", "escape": b"gate%2eevil", "quotes": b'"gate"',
        "semicolon": b"gate;a", "less than": b"<gate>", "dot first": b".gate", "two dots": b"a..b", "256 bytes": b"a" * 256, "dollar": b"${jndi:x}", "caret": b"gate^",
        "ESC": b"gate\x1b[0m", "star": b"*", "braces": b"{gate}",
    }
    for name, value in values.items():
        b.refuse(f"host {name}", b.post(host=b"Host: " + value + b"\r\n") + b.canary())
    b.refuse("host missing", b.post(host=b"") + b.canary())
    b.refuse("host twice, equal", b.post(host=b"Host: gate\r\nHost: gate\r\n") + b.canary())
    b.refuse("host twice, different case", b.post(host=b"Host: gate\r\nhOST: evil\r\n") + b.canary())
    b.refuse("host with a blank before the colon", b.post(host=b"Host : gate\r\n") + b.canary())
    b.refuse("host and a look-alike only", b.post(host=b"X-Host: gate\r\n") + b.canary())
    for value in (b"evil.example", b"api.openai.com", b"127.0.0.1:1", b"localhost"):
        b.accept(f"host is not used: {value.decode()}", b.post(host=b"Host: " + value + b"\r\n"))


def hop_by_hop(b):
    for value in (b"Host", b"Authorization", b"Content-Length", b"Content-Type", b"Transfer-Encoding", b"close, Authorization",
                  b"X-Forwarded-For", b"keep-alive, Host", b"te, close"):
        b.accept(f"Connection: {value.decode()}", b.post(fields=b"Connection: " + value + b"\r\n"))
    b.either("Connection is no list", b.post(fields=b"Connection: a b\r\n"))
    upgrade = {
        "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n", "h2c without settings": b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
        "TLS": b"Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n", "unknown": b"Connection: Upgrade\r\nUpgrade: foo/2\r\n", "without Connection": b"Upgrade: websocket\r\n",
        "websocket, bad version": b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 7\r\nSec-WebSocket-Key: eDp5eDp5eDp5eDp5eDp5eA==\r\n",
        "websocket": b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eDp5eDp5eDp5eDp5eDp5eA==\r\n",
    }
    refusals = (400, 403, 404, 405, 426, 501)
    for name, lines in upgrade.items():
        b.either(f"upgrade {name}", b.post(fields=lines), refusals)
        b.either(f"upgrade {name}, canary behind", b.get(b"/v1/models/" + N1, fields=lines + b"Connection: close\r\n") + b.canary(), refusals,
                 paths=("/v1/models/" + N1.decode(),))
    b.either("upgrade in HTTP/1.0", b.post(line=b"POST /v1/chat/completions HTTP/1.0", fields=upgrade["h2c"]), refusals)
    expectations = {"unknown": b"200-ok", "list": b"100-continue, x", "empty": b"", "quotes": b'"100-continue"', "suffix": b"100-continuex",
                    "blank inside": b"100- continue", "parameter": b"100-continue;a=b", "number": b"100", "gzip": b"gzip"}
    for name, value in expectations.items():
        b.refuse(f"Expect {name}", b.post(fields=b"Expect: " + value + b"\r\n"), (400, 417))
    b.refuse("Expect obfuscated", b.post(fields=b"Expect : 100-continue\r\n"), (400, 417))
    b.refuse("Expect on GET", b.get(b"/v1/models", fields=b"Expect: 100-continue\r\n"), (400, 417))
    for method in (b"GET", b"HEAD", b"OPTIONS", b"DELETE"):
        hidden = b.canary()
        path = "/v1/files/" + N1.decode()
        head = b.get(path.encode(), method=method, fields=b"Content-Length: %d\r\n" % len(hidden))
        b.either(f"{method.decode()} with a body that is a request", head + hidden, (400, 404, 405, 411, 413, 415, 501), paths=(path,),
                 heads_only=method == b"HEAD", check_body=False)
        coded = b.get(path.encode(), method=method, fields=b"Transfer-Encoding: chunked\r\n") + b.chunk(hidden) + b"0\r\n\r\n"
        b.either(f"{method.decode()} with a chunked body that is a request", coded, (400, 404, 405, 411, 413, 415, 501), paths=(path,),
                 heads_only=method == b"HEAD", check_body=False)
    trust = (b"X-Forwarded-For: 1.2.3.4", b"X-Forwarded-For: 127.0.0.1, 10.0.0.1", b"X-Forwarded-Host: evil", b"X-Forwarded-Proto: https", b"X-Real-IP: 1.2.3.4",
             b"Forwarded: for=1.2.3.4;host=evil", b"CF-Connecting-IP: 1.2.3.4", b"True-Client-IP: 1.2.3.4", b"true_client_ip: 1.2.3.4", b"X_Forwarded_For: 1.2.3.4",
             b"X-Original-URL: /v1/canary", b"X-Rewrite-URL: /v1/canary", b"X-Sallyport-Module: admin", b"X-Request-Id: evil", b"Cookie: admin=1",
             b"Proxy-Authorization: Basic eDp5", b"OpenAI-Organization: org-evil", b"OpenAI-Project: proj-evil", b"Via: 1.1 evil", b"X-Accel-Redirect: /x",
             b"Forwarded: garbage", b"X-Forwarded-For: " + b"1.1.1.1, " * 500, b"Origin: http://evil", b"Max-Forwards: 0", b"Range: bytes=0-1", b"TE: trailers, gzip")
    for line in trust:
        b.accept(f"ignored: {line[:40].decode()}", b.post(fields=line + b"\r\n"))
    for name in (b"x-api-key", b"api-key", b"X-API-KEY"):
        b.refuse(f"a second credential: {name.decode()}", b.post(fields=name + b": sk-sp1-aaaaaaaaaaaa-other\r\n"), (400, 401), stays_open_ok=True)


def sizes(b):
    b.refuse("target over 8 KiB", b.get(b"/v1/models?x=" + b"a" * 8200) + b.canary(), (414, 431))
    b.refuse("target over 8 KiB, path", b.get(b"/v1/" + b"a" * 8200) + b.canary(), (414, 431))
    b.refuse("target of 60 KiB", b.get(b"/v1/" + b"a" * 60000) + b.canary(), (414, 431))
    b.refuse("target without an end", b"GET /" + b"a" * 70000, (414, 431))
    b.refuse("field over 64 KiB", b.post(fields=b"X-A: " + b"a" * 66000 + b"\r\n") + b.canary(), (431,))
    b.refuse("field without an end", b"GET /v1/models HTTP/1.1\r\nX-A: " + b"a" * 70000, (431,))
    b.refuse("name over 64 KiB", b.post(fields=b"X" * 66000 + b": a\r\n") + b.canary(), (431,))
    b.refuse("blanks over 64 KiB", b.post(fields=b"X-A:" + b" " * 66000 + b"\r\n") + b.canary(), (431,))
    b.refuse("head over 64 KiB", b.post(fields=b"".join(b"X-%d: %s\r\n" % (i, b"a" * 900) for i in range(80))) + b.canary(), (431,))
    b.refuse("101 fields", b.post(fields=b"".join(b"X-H%d: a\r\n" % i for i in range(100))) + b.canary(), (431,))
    b.refuse("10,000 fields", b.post(fields=b"X: a\r\n" * 10000) + b.canary(), (431,))
    b.refuse("many cookies", b.post(fields=b"Cookie: a=b\r\n" * 200) + b.canary(), (431,))
    b.accept("long blanks", b.post(fields=b"X-Hostile:" + b" " * 30000 + b"a" + b"\t" * 30000 + b"\r\n"))
    b.refuse("announced over the limit", b.head(b"Content-Length: 99999999999\r\n"), (413,))
    b.refuse("announced over the limit, waiting", b.head(b"Content-Length: 99999999999\r\nExpect: 100-continue\r\n"), (413, 417))


def truncation(b):
    message = b.post()
    step = 7
    for at in range(1, len(message), step):
        b.refuse(f"cut at {at}", message[:at], (400, 408), half_close=True, silent_ok=True)
    b.refuse("cut one byte before the end", message[:-1], (400, 408), half_close=True, silent_ok=True)


def other_protocols(b):
    hello = bytes.fromhex("1603010200010001fc0303") + bytes(32) + bytes.fromhex("20") + bytes(64)
    quiet = {"silent_ok": True}
    b.refuse("TLS hello", hello, **quiet)
    b.refuse("SSLv2 hello", bytes.fromhex("802e0100020015000000100700c0"), **quiet)
    b.refuse("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), (400, 501, 505), **quiet)
    b.refuse("PROXY 1", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + b.canary(), **quiet)
    b.refuse("PROXY 1 unknown", b"PROXY UNKNOWN\r\n" + b.canary(), **quiet)
    b.refuse("PROXY 2", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12) + b.canary(), **quiet)
    b.refuse("binary noise", bytes(range(128, 256)) * 4, **quiet)
    b.refuse("NULs", bytes(64), **quiet)
    b.refuse("only blank lines", b"\r\n" * 50, **quiet)
    b.refuse("only LF", b"\n" * 50, **quiet)
    b.refuse("SMTP", b"EHLO gate\r\nMAIL FROM:<a@b>\r\n", **quiet)
    b.refuse("SSH", b"SSH-2.0-OpenSSH_9.2\r\n", **quiet)
    b.refuse("Redis", b"*1\r\n$4\r\nPING\r\n", **quiet)
    b.refuse("RTSP", b"OPTIONS rtsp://gate RTSP/1.0\r\nCSeq: 1\r\n\r\n", (400, 505), **quiet)
    b.refuse("an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", (400, 501, 505), **quiet)
    b.refuse("JSON", chat_body() + b"\r\n\r\n", **quiet)


def make(key):
    import bodies
    builder = Builder(key)
    for section in (good, content_length, transfer_encoding, chunk_coding, request_line, target, fields, host, hop_by_hop, sizes,
                    truncation, other_protocols, *bodies.SECTIONS):
        before = len(builder.cases)
        section(builder)
        for case in builder.cases[before:]:
            case.tags.add(section.__name__)
    return builder.cases
