# SPDX-License-Identifier: Apache-2.0
"""What must pass: section "must accept" of the hostile-input rules."""
from cases import CHAT, N1, N2, chat_body


def good(b):
    """Section 2.1: not overstrict."""
    models = b"/v1/models/" + N1
    at_models = {"paths": (models.decode(),)}
    b.accept("plain GET", b.get(models), **at_models)
    b.accept("plain POST", b.post())
    b.accept("HEAD", b.get(models, method=b"HEAD"), heads_only=True, **at_models)
    b.accept("DELETE", b.get(b"/v1/files/" + N1, method=b"DELETE"),
             paths=(f"/v1/files/{N1.decode()}",))
    for name, start in {"one leading CRLF": b"\r\n"}.items():
        b.accept(name, start + b.post())
    b.accept("chunked", b.chunked(b.chunk() + b"0\r\n\r\n"))
    body = chat_body()
    before, behind = body.split(N1)  # the nonce stays in one piece: the run must find it
    pieces = [before[i:i + 1] for i in range(len(before))] + [N1]
    pieces += [behind[i:i + 1] for i in range(len(behind))]
    small = b"".join(map(b.chunk, pieces))
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
    for name, value in {"no blank": b"", "two blanks": b"  ", "a tab": b"\t",
                        "mixed": b" \t \t"}.items():
        b.accept(f"before a value: {name}",
                 b.head(b"CONTENT-LENGTH:" + value + b"%d\r\n" % len(body)) + body)
        b.accept(f"behind a value: {name}",
                 b.head(b"Content-Length: %d" % len(body) + value + b"\r\n") + body)
        b.accept(f"around the host: {name}",
                 b.post(host=b"Host:" + value + b"gate" + value + b"\r\n"))
    b.accept("empty value", b.post(fields=b"X-Hostile:\r\n"))
    b.accept("value of blanks", b.post(fields=b"X-Hostile: \t \r\n"))
    b.accept("tab inside a value", b.post(fields=b"X-Hostile: a\tb\r\n"))
    b.accept("names in lower case",
             b.post().replace(b"Host:", b"host:").replace(b"Content-", b"content-"))
    b.accept("names in upper case",
             b.post().replace(b"Host:", b"HOST:").replace(b"Content-", b"CONTENT-"))
    b.accept("bearer in lower case", b.post().replace(b"Bearer", b"bearer"))
    b.accept("HTTP/1.0 with a length", b.post(line=b"POST /v1/chat/completions HTTP/1.0"))
    b.accept("HTTP/1.0 without host", b.post(line=b"POST /v1/chat/completions HTTP/1.0", host=b""))
    b.accept("HTTP/1.0 keep-alive",
             b.post(line=b"POST /v1/chat/completions HTTP/1.0",
                    fields=b"Connection: keep-alive\r\n"))
    b.accept("two pipelined", b.post() + b.post(chat_body(N2)), paths=(CHAT, CHAT), answers=2)
    b.accept("GET and POST pipelined", b.get(models) + b.post(chat_body(N2)), answers=2,
             paths=(models.decode(), CHAT))
    b.accept("chunked and POST pipelined",
             b.chunked(b.chunk() + b"0\r\n\r\n") + b.post(chat_body(N2)),
             paths=(CHAT, CHAT), answers=2)
    b.accept("CRLF between two", b.post() + b"\r\n" + b.post(chat_body(N2)), paths=(CHAT, CHAT),
             answers=2)
    late = b.head(b"Content-Length: %d\r\nExpect: 100-continue\r\n" % len(body))
    b.accept("expectation, body late", [late, body])
    b.accept("expectation, body at once", late + body)
    b.accept("expectation in upper case", [late.replace(b"100-c", b"100-C"), body])
    b.accept("expectation, chunked late",
             [b.head(b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n"),
              b.chunk() + b"0\r\n\r\n"])
    b.accept("data behind Connection: close", b.post(fields=b"Connection: close\r\n") + b.canary())
    b.accept("data behind HTTP/1.0",
             b.post(line=b"POST /v1/chat/completions HTTP/1.0") + b.canary())
    for name, junk in {"NUL": b"\0\0\0", "text": b"not http at all\r\n\r\n", "LF": b"\n",
                       "TLS": b"\x16\x03\x01\x02\x00\x01"}.items():
        b.accept(f"garbage behind: {name}", b.post() + junk, behind=(400,))
    for target in (b"/v1/models/ft:gpt-4o:org::", b"/v1/models/ft%3Agpt-4o%3A",
                   b"/v1/models/a.b-c_d~",
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


SECTIONS = (good,)
