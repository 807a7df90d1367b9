# SPDX-License-Identifier: Apache-2.0
"""Lines and characters of a head, its size, and bytes that are no head at all."""
from cases import chat_body


def request_line(b):
    rest = b"\r\nHost: gate\r\n" + b.auth + b"\r\n"
    bad = (400, 505)
    lines = {
        "leading blank": b" GET /v1/models HTTP/1.1", "leading tab": b"\tGET /v1/models HTTP/1.1",
        "two blanks": b"GET  /v1/models HTTP/1.1",
        "two blanks before the version": b"GET /v1/models  HTTP/1.1",
        "trailing blank": b"GET /v1/models HTTP/1.1 ", "tabs": b"GET\t/v1/models\tHTTP/1.1",
        "trailing tab": b"GET /v1/models HTTP/1.1\t",
        "CR inside": b"GET /v1/models\r HTTP/1.1", "LF inside": b"GET /v1/models\n HTTP/1.1",
        "NUL": b"GET /v1/\0models HTTP/1.1",
        "ESC": b"GET /v1/\x1bmodels HTTP/1.1", "DEL": b"GET /v1/\x7fmodels HTTP/1.1",
        "high byte": b"GET /v1/\xffmodels HTTP/1.1",
        "UTF-8": b"GET /v1/\xc3\xa9 HTTP/1.1", "blank in the target": b"GET /v1/mo dels HTTP/1.1",
        "no target": b"GET HTTP/1.1",
        "no version": b"GET /v1/models", "no version, blank": b"GET /v1/models ",
        "only the method": b"GET", "only a blank": b" ",
        "lower case": b"GET /v1/models http/1.1", "mixed case": b"GET /v1/models Http/1.1",
        "HTTP/0.9": b"GET /v1/models HTTP/0.9",
        "HTTP/1.2": b"GET /v1/models HTTP/1.2", "HTTP/1.10": b"GET /v1/models HTTP/1.10",
        "HTTP/1.01": b"GET /v1/models HTTP/1.01",
        "HTTP/01.1": b"GET /v1/models HTTP/01.1", "HTTP/2": b"GET /v1/models HTTP/2",
        "HTTP/2.0": b"GET /v1/models HTTP/2.0",
        "HTTP/3.0": b"GET /v1/models HTTP/3.0", "HTTP/1": b"GET /v1/models HTTP/1",
        "HTTP/1.": b"GET /v1/models HTTP/1.",
        "HTTP/.1": b"GET /v1/models HTTP/.1", "HTTP/1.x": b"GET /v1/models HTTP/1.x",
        "HTTP/1,1": b"GET /v1/models HTTP/1,1",
        "HTTP 1.1": b"GET /v1/models HTTP 1.1", "HTTP/-1.1": b"GET /v1/models HTTP/-1.1",
        "HTTP/+1.1": b"GET /v1/models HTTP/+1.1",
        "HTTP/1.1x": b"GET /v1/models HTTP/1.1x", "xHTTP/1.1": b"GET /v1/models xHTTP/1.1",
        "HTTPS/1.1": b"GET /v1/models HTTPS/1.1",
        "HTTP//1.1": b"GET /v1/models HTTP//1.1", "HTTP/11": b"GET /v1/models HTTP/11",
        "HTTP/1.1.1": b"GET /v1/models HTTP/1.1.1",
        "ICE/1.0": b"GET /v1/models ICE/1.0",
        "full-width digit": b"GET /v1/models HTTP/1.\xef\xbc\x91",
        "version twice": b"GET /v1/models HTTP/1.1 HTTP/1.1",
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
        "lower case": b"get", "mixed case": b"Get", "unknown": b"FETCH", "33 bytes": b"A" * 33,
        "4,000 bytes": b"A" * 4000,
        "delimiter": b"GE(T", "slash": b"GE/T", "colon": b"GET:", "high byte": b"G\xc3\x89T",
        "quotes": b'"GET"', "comma": b"GET,POST",
        "NUL": b"GET\0", "at": b"@GET", "equals": b"A=B", "TRACE": b"TRACE", "TRACK": b"TRACK",
        "PRI": b"PRI", "CONNECT": b"CONNECT",
        "PROPFIND": b"PROPFIND", "brackets": b"[GET]", "empty": b"",
    }
    for name, method in methods.items():
        b.refuse(f"method {name}", method + b" /v1/models HTTP/1.1" + rest + b.canary(),
                 (400, 405, 501))
    b.refuse("CONNECT authority", b"CONNECT api.openai.com:443 HTTP/1.1" + rest, (400, 405, 501))
    b.refuse("TRACE with a secret",
             b"TRACE / HTTP/1.1\r\nHost: gate\r\nCookie: s\r\n" + b.auth + b"\r\n", (400, 405, 501))
    for field_name in (b"X-HTTP-Method-Override", b"X-HTTP-Method", b"X-Method-Override"):
        b.accept(f"ignored: {field_name.decode()}", b.post(fields=field_name + b": DELETE\r\n"))


def fields(b):
    names = {
        "blank before the colon": b"X-A : b", "tab before the colon": b"X-A\t: b",
        "no colon": b"X-A", "no colon, words": b"some words here",
        "empty": b": b", "empty, blank": b" : b", "blank inside": b"X A: b",
        "NUL inside": b"X\0A: b", "NUL behind": b"X-A\0: b",
        "ESC": b"X\x1bA: b", "high byte": b"X\xff: b", "UTF-8": b"X-\xc3\xa9: b",
        "vertical tab": b"X\x0bA: b", "DEL": b"X\x7f: b",
        "slash": b"X/A: b", "at": b"X@A: b", "parentheses": b"X(A): b", "quotes": b'"X": b',
        "brackets": b"X[0]: b", "braces": b"{X}: b",
        "comma": b"X,A: b", "semicolon": b"X;A: b", "equals": b"X=A: b", "question mark": b"X?: b",
        "less than": b"<X>: b", "backslash": b"X\\A: b",
        "only a colon": b":", "equals for colon": b"X=b",
    }
    for name, line in names.items():
        b.refuse(f"field name, {name}", b.post(fields=line + b"\r\n") + b.canary())
        damaged = b"Content-Length%s: 5\r\n" % line[1:2]
        if not damaged[14:15].isalnum() and damaged[14:15] not in (b"-", b":"):
            b.refuse(f"damaged length, {name}", b.head(damaged) + b"12345" + b.canary())
    for byte in [*range(0, 9), *range(11, 13), *range(14, 32), 127]:
        b.refuse(f"field value, byte {byte:02x}",
                 b.post(fields=b"X-A: a" + bytes([byte]) + b"b\r\n") + b.canary())
    for byte in (0, 10, 13):
        for place, value in {"first": bytes([byte]) + b"b", "last": b"b" + bytes([byte])}.items():
            b.refuse(f"field value, byte {byte:02x} {place}",
                     b.post(fields=b"X-A:" + value + b"\r\n") + b.canary())
    for name in (b"Host", b"Authorization", b"Content-Type", b"Cookie"):
        b.refuse(f"NUL in {name.decode()}", b.post(fields=name + b": a\0b\r\n") + b.canary())
    folds = {"blank": b"X-A: b\r\n c\r\n", "tab": b"X-A: b\r\n\tc\r\n", "empty": b"X-A: b\r\n \r\n",
             "many": b"X-A: b\r\n c\r\n d\r\n",
             "host": b"X-Host:\r\n evil\r\n", "of a length": b"X-A: b\r\n Content-Length: 0\r\n",
             "tab line": b"X-A: b\r\n\t\r\n"}
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
    b.refuse("bare LF everywhere",
             plain.replace(b"\r\n", b"\n") + b.canary().replace(b"\r\n", b"\n"))
    for name, end in {"CR and a byte": b"\r\n\rX", "LF LF": b"\n\n", "LF": b"\r\n\n",
                      "CR CR LF": b"\r\n\r\r\n", "CR LF CR CR": b"\r\n\r\r",
                      "LF CR": b"\n\r", "CR NUL": b"\r\n\r\0"}.items():
        b.refuse(f"head end, {name}", plain[:-4] + end + b.canary())
    twice = {
        "Host": b"Host: gate\r\n", "Authorization": b.auth,
        "Content-Type": b"Content-Type: application/json\r\n",
        "Content-Type, other case": b"CONTENT-TYPE: text/plain\r\n",
        "Host, other": b"host: evil\r\n",
        "Authorization, other": b"authorization: Bearer other\r\n",
        "Authorization, Basic": b"Authorization: Basic eDp5\r\n",
    }
    for name, line in twice.items():
        b.refuse(f"twice: {name}", b.post(fields=line) + b.canary())
    b.refuse("twice: Content-Encoding",
             b.post(fields=b"Content-Encoding: identity\r\ncontent-encoding: gzip\r\n"), (400, 415))
    b.refuse("twice: Expect", b.post(fields=b"Expect: 100-continue\r\nExpect: 100-continue\r\n"),
             (400, 417))


def sizes(b):
    b.refuse("target over 8 KiB", b.get(b"/v1/models?x=" + b"a" * 8200) + b.canary(), (414, 431))
    b.refuse("target over 8 KiB, path", b.get(b"/v1/" + b"a" * 8200) + b.canary(), (414, 431))
    b.refuse("target of 60 KiB", b.get(b"/v1/" + b"a" * 60000) + b.canary(), (414, 431))
    b.refuse("target without an end", b"GET /" + b"a" * 70000, (414, 431))
    b.refuse("field over 64 KiB", b.post(fields=b"X-A: " + b"a" * 66000 + b"\r\n") + b.canary(),
             (431,))
    b.refuse("field without an end", b"GET /v1/models HTTP/1.1\r\nX-A: " + b"a" * 70000, (431,))
    b.refuse("name over 64 KiB", b.post(fields=b"X" * 66000 + b": a\r\n") + b.canary(), (431,))
    b.refuse("blanks over 64 KiB", b.post(fields=b"X-A:" + b" " * 66000 + b"\r\n") + b.canary(),
             (431,))
    b.refuse("head over 64 KiB",
             b.post(fields=b"".join(b"X-%d: %s\r\n" % (i,
                 b"a" * 900) for i in range(80))) + b.canary(), (431,))
    b.refuse("101 fields",
             b.post(fields=b"".join(b"X-H%d: a\r\n" % i for i in range(100))) + b.canary(), (431,))
    b.refuse("10,000 fields", b.post(fields=b"X: a\r\n" * 10000) + b.canary(), (431,))
    b.refuse("many cookies", b.post(fields=b"Cookie: a=b\r\n" * 200) + b.canary(), (431,))
    b.accept("long blanks",
             b.post(fields=b"X-Hostile:" + b" " * 30000 + b"a" + b"\t" * 30000 + b"\r\n"))
    b.refuse("announced over the limit", b.head(b"Content-Length: 99999999999\r\n"), (413,))
    b.refuse("announced over the limit, waiting",
             b.head(b"Content-Length: 99999999999\r\nExpect: 100-continue\r\n"), (413, 417))


def truncation(b):
    message = b.post()
    step = 7
    for at in range(1, len(message), step):
        b.refuse(f"cut at {at}", message[:at], (400, 408), half_close=True, silent_ok=True)
    b.refuse("cut one byte before the end", message[:-1], (400, 408), half_close=True,
             silent_ok=True)


def other_protocols(b):
    hello = bytes.fromhex("1603010200010001fc0303") + bytes(32) + bytes.fromhex("20") + bytes(64)
    quiet = {"silent_ok": True}
    b.refuse("TLS hello", hello, **quiet)
    b.refuse("SSLv2 hello", bytes.fromhex("802e0100020015000000100700c0"), **quiet)
    b.refuse("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9), (400, 501, 505),
             **quiet)
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


def deadlines(b):
    """Our side stays open and says nothing more: the gate must end it (its limits here: 4 s)."""
    message = b.post()
    late = (400, 408)
    waiting = b.head(b"Content-Length: 5\r\nExpect: 100-continue\r\n")
    b.refuse("silent in the head", message[:40], late, whole_only=True)
    b.refuse("silent in the last CRLF", b.get(b"/v1/models")[:-1], late, whole_only=True)
    b.refuse("silent in the body", message[:-5], late, whole_only=True)
    b.refuse("silent in a chunk", b.chunked(b.chunk()[:-6]), late, whole_only=True)
    b.refuse("silent before the last chunk", b.chunked(b.chunk()), late, whole_only=True)
    b.refuse("silent behind an interim answer", [waiting, b"{"], late, whole_only=True)


SECTIONS = (request_line, fields, sizes, truncation, deadlines, other_protocols)
