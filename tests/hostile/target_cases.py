# SPDX-License-Identifier: Apache-2.0
"""Targets, paths and hosts: the policy must see what the upstream will see."""
from cases import N1


def target(b):
    rest = b" HTTP/1.1\r\nHost: gate\r\n" + b.auth + b"\r\n"
    forms = {
        "no slash": b"v1/models", "fragment": b"/v1/models#a", "fragment first": b"#",
        "fragment in the query": b"/v1/models?a#b",
        "asterisk": b"*", "asterisk and path": b"*/v1", "authority form": b"gate:80",
        "userinfo": b"http://u:p@gate/v1/models",
        "at": b"@evil.example/v1/models", "glue dot": b".evil.example/v1/models",
        "glue colon": b":80/v1/models", "glue at": b"/@evil",
        "scheme ftp": b"ftp://gate/v1/models", "scheme file": b"file:///etc/passwd",
        "scheme gopher": b"gopher://gate/x",
        "foreign authority": b"http://evil.example/v1/models",
        "foreign https": b"https://evil.example/v1/models",
        "upstream authority": b"http://api.openai.com/v1/models",
        "metadata address": b"http://169.254.169.254/latest",
        "empty authority": b"http:///v1/models", "no authority": b"http:/v1/models",
        "scheme only": b"http://", "port 0": b"http://gate:0/v1/models",
        "port text": b"http://gate:x/v1/models", "two slashes": b"//evil.example/v1/models",
        "three slashes": b"///v1/models",
        "backslashes": b"\\\\evil.example\\v1", "slash backslash": b"/\\evil.example/v1",
        "query first": b"?a=b", "blank escape": b"%20/v1/models",
        "authority list": b"http://gate,evil/v1/models",
        "authority backslash": b"http://gate\\@evil/v1/models",
        "nested": b"http://http://gate/v1/models",
        "IPv6 broken": b"http://[::1/v1/models", "view-source": b"view-source:http://gate/",
        "data": b"data:text/plain,x",
    }
    for name, value in forms.items():
        if name == "glue at":
            continue
        b.refuse(f"target {name}", b"GET " + value + rest + b.canary(), (400, 404))
    b.refuse("target absolute, another host than Host",
             b"GET http://127.0.0.1/v1/models HTTP/1.1\r\nHost: evil.example\r\n" + b.auth
             + b"\r\n", (400, 404))
    paths = {
        "..": b"/v1/../admin", ".": b"/v1/./models", ".. at the end": b"/v1/models/..",
        ". at the end": b"/v1/models/.",
        ".. first": b"/../v1/models", ".. only": b"/..", "many ..": b"/v1/a/../../../../etc/passwd",
        "%2e%2e": b"/v1/%2e%2e/admin",
        "%2E.": b"/v1/%2E./admin", ".%2e": b"/v1/.%2e/admin", "%2e": b"/v1/%2e/models",
        "%252e": b"/v1/%252e%252e/admin",
        "%25252e": b"/v1/%25252e%25252e/x", "backslash ..": b"/v1\\..\\admin",
        "/..\\": b"/v1/..\\admin", "%5c": b"/v1/..%5cadmin",
        "%255c": b"/v1/..%255cadmin", "..;": b"/v1/..;/admin", "..;a=b": b"/v1/..;a=b/admin",
        "%2e%2e;": b"/v1/%2e%2e;/admin",
        ".;": b"/v1/.;/models", ";/..": b"/v1/;/../admin", "%3b": b"/v1/..%3b/admin",
        "%2f": b"/v1%2fmodels", "..%2f": b"/v1/..%2fadmin",
        "%252f": b"/v1%252fmodels", "%2F": b"/v1%2Fmodels", "two slashes": b"/v1//models",
        "slashes at the end": b"/v1/models//",
        "slashes first": b"//v1/models", "%00": b"/v1/models%00", "%00.": b"/v1/models%00.json",
        "%0d%0a": b"/v1/models%0d%0aX:%20y",
        "%0a": b"/v1/mo%0adels", "%09": b"/v1/mo%09dels", "%7f": b"/v1/mo%7fdels",
        "broken %": b"/v1/models%", "broken %2": b"/v1/models%2",
        "broken %zz": b"/v1/models%zz", "broken %u": b"/v1/%u002e%u002e/x",
        "broken % 2": b"/v1/%-2e/x", "encoded letters": b"/v1/%6d%6f%64els",
        "encoded digit": b"/v%31/models", "encoded hyphen": b"/v1/a%2db",
        "encoded tilde": b"/v1/a%7eb", "double encoding": b"/v1/a%2541",
        "%25": b"/v1/a%25b", "high byte": b"/v1/\xe9", "UTF-8": b"/v1/\xc3\xa9",
        "overlong dot": b"/v1/\xc0\xae\xc0\xae/x",
        "overlong escape": b"/v1/%c0%ae%c0%ae/admin", "overlong slash": b"/v1%c0%afmodels",
        "full-width dots": b"/v1/%ef%bc%8e%ef%bc%8e/x",
        "division slash": b"/v1%e2%88%95models", "trailing dot": b"/v1/models.",
        "trailing slash": b"/v1/models/", "dots": b"/v1/.../models",
        "encoded ?": b"/v1/models%3fa=b", "encoded #": b"/v1/models%23a",
        "space escape dot": b"/v1/.%20./x%2e", "less than": b"/v1/<script>",
        "quote": b'/v1/"models"', "brace": b"/v1/{id}", "caret": b"/v1/a^b", "pipe": b"/v1/a|b",
        "backtick": b"/v1/`id`", "CRLF glue": b"/v1/models%0D%0A%0D%0AGET%20/v1/canary",
    }
    for name, value in paths.items():
        for form in (value, value + b"?a=b"):
            b.refuse(f"path {name} {form[-4:] == b'?a=b'}", b"GET " + form + rest + b.canary(),
                     (400, 404))
        b.refuse(f"path {name}, absolute",
                 b"GET http://@HOST@" + value + b" HTTP/1.1\r\nHost: @HOST@\r\n" + b.auth + b"\r\n",
                 (400, 404))
    for name, value in {"broken %": b"%", "broken %g": b"%g1", "NUL": b"%00", "CRLF": b"%0d%0aX:y",
                        "high byte": b"\xff",
                        "blank": b"a b"}.items():
        b.refuse(f"query {name}", b"GET /v1/models?a=" + value + rest + b.canary(), (400, 404))
    b.either("path upper case", b"GET /V1/MODELS" + rest, (400, 403, 404), paths=("/V1/MODELS",),
             check_body=False)
    b.either("OPTIONS *", b"OPTIONS *" + rest, (200, 204, 400, 404, 405, 501), paths=(),
             check_body=False)
    b.refuse("POST *", b.post(line=b"POST * HTTP/1.1"))


def host(b):
    values = {
        "empty": b"", "blanks": b"  ", "list": b"gate, evil", "list without a blank": b"gate,evil",
        "userinfo": b"u@gate", "user and password": b"u:p@gate",
        "path": b"gate/v1", "slash": b"gate/", "query": b"gate?a", "fragment": b"gate#a",
        "blank": b"ga te", "tab": b"ga\tte", "NUL": b"gate\0",
        "high byte": b"gat\xe9", "UTF-8": b"g\xc3\xa4te", "port empty": b"gate:",
        "port text": b"gate:http", "port 65536": b"gate:65536", "port huge": b"gate:99999999999",
        "port minus": b"gate:-1", "port plus": b"gate:+80", "port fraction": b"gate:80.0",
        "two ports": b"gate:80:80", "only a port": b":80", "bracket open": b"[::1",
        "bracket close": b"::1]", "IPv6 bare": b"::1", "bracket empty": b"[]",
        "bracket text": b"[gate]", "bracket junk behind": b"[::1]x", "bracket port": b"[::1]:x",
        "zone": b"[fe80::1%25eth0]", "IPv4 in brackets": b"[127.0.0.1]", "scheme": b"http://gate",
        "backslash": b"gate\\evil", "escape": b"gate%2eevil", "quotes": b'"gate"',
        "semicolon": b"gate;a", "less than": b"<gate>", "dot first": b".gate", "two dots": b"a..b",
        "256 bytes": b"a" * 256, "dollar": b"${jndi:x}", "caret": b"gate^",
        "ESC": b"gate\x1b[0m", "star": b"*", "braces": b"{gate}",
    }
    for name, value in values.items():
        b.refuse(f"host {name}", b.post(host=b"Host: " + value + b"\r\n") + b.canary())
    b.refuse("host missing", b.post(host=b"") + b.canary())
    b.refuse("host twice, equal", b.post(host=b"Host: gate\r\nHost: gate\r\n") + b.canary())
    b.refuse("host twice, different case",
             b.post(host=b"Host: gate\r\nhOST: evil\r\n") + b.canary())
    b.refuse("host with a blank before the colon", b.post(host=b"Host : gate\r\n") + b.canary())
    b.refuse("host and a look-alike only", b.post(host=b"X-Host: gate\r\n") + b.canary())
    for value in (b"evil.example", b"api.openai.com", b"127.0.0.1:1", b"localhost"):
        b.accept(f"host is not used: {value.decode()}", b.post(host=b"Host: " + value + b"\r\n"))


SECTIONS = (target, host)
