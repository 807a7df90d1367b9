# SPDX-License-Identifier: Apache-2.0
"""Fields that end here, bodies nobody expects, and fields that claim trust."""
from cases import N1


def hop_by_hop(b):
    for value in (b"Host", b"Authorization", b"Content-Length", b"Content-Type",
                  b"Transfer-Encoding", b"close, Authorization",
                  b"X-Forwarded-For", b"keep-alive, Host", b"te, close"):
        b.accept(f"Connection: {value.decode()}", b.post(fields=b"Connection: " + value + b"\r\n"))
    b.either("Connection is no list", b.post(fields=b"Connection: a b\r\n"))
    websocket = (b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
                 b"Sec-WebSocket-Key: eDp5eDp5eDp5eDp5eDp5eA==\r\n")
    upgrade = {
        "h2c": (b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                b"HTTP2-Settings: AAMAAABk\r\n"),
        "h2c without settings": b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
        "TLS": b"Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n",
        "unknown": b"Connection: Upgrade\r\nUpgrade: foo/2\r\n",
        "without Connection": b"Upgrade: websocket\r\n",
        "websocket, bad version": websocket + b"Sec-WebSocket-Version: 7\r\n",
        "websocket": websocket + b"Sec-WebSocket-Version: 13\r\n",
    }
    refusals = (400, 403, 404, 405, 426, 501)
    for name, lines in upgrade.items():
        b.either(f"upgrade {name}", b.post(fields=lines), refusals)
        b.either(f"upgrade {name}, canary behind",
                 b.get(b"/v1/models/" + N1, fields=lines + b"Connection: close\r\n") + b.canary(),
                 refusals,
                 paths=("/v1/models/" + N1.decode(),))
    b.either("upgrade in HTTP/1.0",
             b.post(line=b"POST /v1/chat/completions HTTP/1.0", fields=upgrade["h2c"]), refusals)
    expectations = {"unknown": b"200-ok", "list": b"100-continue, x", "empty": b"",
                    "quotes": b'"100-continue"', "suffix": b"100-continuex",
                    "blank inside": b"100- continue", "parameter": b"100-continue;a=b",
                    "number": b"100", "gzip": b"gzip"}
    for name, value in expectations.items():
        b.refuse(f"Expect {name}", b.post(fields=b"Expect: " + value + b"\r\n"), (400, 417))
    b.refuse("Expect obfuscated", b.post(fields=b"Expect : 100-continue\r\n"), (400, 417))
    b.refuse("Expect on GET", b.get(b"/v1/models", fields=b"Expect: 100-continue\r\n"), (400, 417))
    for method in (b"GET", b"HEAD", b"OPTIONS", b"DELETE"):
        hidden = b.canary()
        path = "/v1/files/" + N1.decode()
        head = b.get(path.encode(), method=method, fields=b"Content-Length: %d\r\n" % len(hidden))
        b.either(f"{method.decode()} with a body that is a request", head + hidden,
                 (400, 404, 405, 411, 413, 415, 501), paths=(path,),
                 heads_only=method == b"HEAD", check_body=False)
        coded = b.get(path.encode(), method=method,
                      fields=b"Transfer-Encoding: chunked\r\n") + b.chunk(hidden) + b"0\r\n\r\n"
        b.either(f"{method.decode()} with a chunked body that is a request", coded,
                 (400, 404, 405, 411, 413, 415, 501), paths=(path,),
                 heads_only=method == b"HEAD", check_body=False)
    trust = (b"X-Forwarded-For: 1.2.3.4", b"X-Forwarded-For: 127.0.0.1, 10.0.0.1",
             b"X-Forwarded-Host: evil", b"X-Forwarded-Proto: https", b"X-Real-IP: 1.2.3.4",
             b"Forwarded: for=1.2.3.4;host=evil", b"CF-Connecting-IP: 1.2.3.4",
             b"True-Client-IP: 1.2.3.4", b"true_client_ip: 1.2.3.4", b"X_Forwarded_For: 1.2.3.4",
             b"X-Original-URL: /v1/canary", b"X-Rewrite-URL: /v1/canary",
             b"X-Sallyport-Module: admin", b"X-Request-Id: evil", b"Cookie: admin=1",
             b"Proxy-Authorization: Basic eDp5", b"OpenAI-Organization: org-evil",
             b"OpenAI-Project: proj-evil", b"Via: 1.1 evil", b"X-Accel-Redirect: /x",
             b"Forwarded: garbage", b"X-Forwarded-For: " + b"1.1.1.1, " * 500,
             b"Origin: http://evil", b"Max-Forwards: 0", b"Range: bytes=0-1", b"TE: trailers, gzip")
    for line in trust:
        b.accept(f"ignored: {line[:40].decode()}", b.post(fields=line + b"\r\n"))
    for name in (b"x-api-key", b"api-key", b"X-API-KEY"):
        b.refuse(f"a second credential: {name.decode()}",
                 b.post(fields=name + b": sk-sp1-aaaaaaaaaaaa-other\r\n"), (400, 401),
                 stays_open_ok=True)


SECTIONS = (hop_by_hop,)
