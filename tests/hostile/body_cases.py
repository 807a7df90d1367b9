# SPDX-License-Identifier: Apache-2.0
"""Bodies: JSON that two readers could read differently, codings, media types, uploads."""
import gzip
import json
import zlib

from cases import N1, chat_body

def packed(data):
    """The same bytes on every run: no time of day inside."""
    return gzip.compress(data, compresslevel=6, mtime=0)


DISPOSITION = b'Content-Disposition: form-data; name="file"'

MESSAGES = b'"messages":[{"role":"user","content":"' + N1 + b'"}]'
MODEL = b'"model":"gpt-4o-mini"'


def within(value):
    """A chat request with `value` as the value of a field that is passed on."""
    return b'{' + MODEL + b"," + MESSAGES + b',"metadata":{"a":' + value + b"}}"


def raw_json(b):
    both = (400, 415)

    def bad(name, body, statuses=both):
        b.refuse(f"JSON {name}", b.post(body), statuses, stays_open_ok=True)

    duplicates = {
        "model twice": b'{' + MODEL + b"," + MODEL + b"," + MESSAGES + b"}",
        "model twice, different": b'{"model":"x",' + MODEL + b"," + MESSAGES + b"}",
        "by an escape": b'{"m\\u006fdel":"x",' + MODEL + b"," + MESSAGES + b"}",
        "messages twice": b"{" + MODEL + b"," + MESSAGES + b"," + MESSAGES + b"}",
        "in a message": b"{" + MODEL
        + b',"messages":[{"role":"user","role":"system","content":"x"}]}',
        "content by an escape": b"{" + MODEL
        + b',"messages":[{"role":"user","content":"x","\\u0063ontent":"y"}]}',
        "deep": within(b'[[{"a":1,"a":2}]]'), "empty keys": within(b'{"":1,"":2}'),
        "with NUL": within(b'{"a\\u0000":1,"a\\u0000":2}'),
        "surrogates": within(b'{"\\ud83d\\ude00":1,"\xf0\x9f\x98\x80":2}'),
        "three times": within(b'{"a":1,"b":2,"a":3,"a":4}'),
        "slash escape": within(b'{"a/b":1,"a\\/b":2}'),
    }
    for name, body in duplicates.items():
        bad(f"duplicate key, {name}", body)
    for name, body in {"Model": b'{"Model":"x",' + MODEL + b"," + MESSAGES + b"}",
                       "MODEL": b"{" + MODEL + b',"MODEL":"x",' + MESSAGES + b"}",
                       "Stream": b"{" + MODEL + b',"stream":false,"Stream":true,' + MESSAGES
                       + b"}"}.items():
        b.either(f"JSON case variant {name}", b.post(body))

    # The classes of JSONTestSuite's refusals (n_), as a value inside a request.
    values = {
        "1 true": b"[1 true]", "colon list": b'["": 1]', "comma after": b"[1],",
        "comma and number": b"[,1]", "double array": b"[1,,2]", "double comma": b"[1,,]",
        "extra close": b"[1]]", "extra comma": b'["",]', "incomplete": b'["x"',
        "inner array": b"[3[4]]", "just comma": b"[,]", "minus": b"[-]",
        "missing value": b"[   , \"\"]",
        "newlines unclosed": b'["a",\n4\n,1,', "number and comma": b"[1,]",
        "spaces vertical tab": b'["\x0ba"\\f]', "star": b"[*]", "unclosed": b'[""',
        "incomplete false": b"[fals]",
        "incomplete null": b"[nul]", "incomplete true": b"[tru]", "multidigit zero": b"[123\0]",
        "++": b"[++1234]", "+1": b"[+1]", "+Inf": b"[+Inf]", "-01": b"[-01]", "-1.0.": b"[-1.0.]",
        "-2.": b"[-2.]", "-NaN": b"[-NaN]", ".-1": b"[.-1]", ".2e-3": b"[.2e-3]",
        "0.1.2": b"[0.1.2]", "0.3e+": b"[0.3e+]", "0.3e": b"[0.3e]", "0.e1": b"[0.e1]",
        "0E+": b"[0E+]", "0e": b"[0e]",
        "1.0e+": b"[1.0e+]", "1eE2": b"[1eE2]", "1 000": b"[1 000.0]", "2.e+3": b"[2.e+3]",
        "9.e+": b"[9.e+]", "Inf": b"[Inf]", "NaN": b"[NaN]", "Infinity": b"[Infinity]",
        "full-width": b"[\xef\xbc\x91]",
        "expression": b"[1+2]", "hex": b"[0x1]", "hex 2": b"[0x42]", "invalid+-": b"[0e+-1]",
        "minus infinity": b"[-Infinity]", "minus trailing": b"[-foo]", "minus space": b"[- 1]",
        "neg leading zero": b"[-012]",
        "real without": b"[1.]", "starting with dot": b"[.123]", "garbage after e": b"[1ea]",
        "alpha": b"[1.2a-3]", "alpha2": b"[1.8011670033376514H-308]", "leading zero": b"[012]",
        "bad value": b'["x", truth]',
        "bracket key": b'{[: "x"}', "comma for colon": b'{"x", null}',
        "double colon": b'{"x"::"b"}', "emoji key": b"{\xf0\x9f\x87\xa8\xf0\x9f\x87\xad}",
        "garbage at end": b'{"a":"a" 123}', "key single quotes": b"{key: 'value'}",
        "unquoted key": b'{a: "b"}', "missing colon": b'{"a" b}', "missing key": b'{:"b"}',
        "missing semicolon": b'{"a" "b"}', "missing value 2": b'{"a":}', "no colon": b'{"a"',
        "non-string key": b"{1:1}", "long key": b"{9999E9999:1}",
        "null keys": b"{null:null,null:null}", "commas in null": b'{"id":0,,,,,}',
        "single quote": b"{'a':0}", "trailing comma": b'{"id":0,}', "comment": b'{"a":"b"}/**/',
        "comment open": b'{"a":"b"}/**//',
        "slash comment": b'{"a":"b"}//', "slash": b'{"a":"b"}/',
        "two commas": b'{"a":"b",,"c":"d"}', "single string": b'["a" "b"',
        "1 surrogate u": b'["\\uD800\\u"]', "surrogate u1": b'["\\uD800\\u1"]',
        "u1x": b'["\\uD800\\u1x"]',
        "accent": b"[\xc3\xa9]", "backslash 00": b'["\\\0"]', "escape x": b'["\\x00"]',
        "escaped backslash bad": b'["\\\\\\"]', "escaped tab": b'["\\\t"]',
        "escaped emoji": b'["\\\xf0\x9f\x8c\x80"]', "incomplete escape": b'["\\"]',
        "incomplete u": b'["\\u00A"]', "invalid escape": b'["\\a"]', "invalid u": b'["\\uqqqq"]',
        "escape at end": b'["\\', "no quotes": b"[\\n]", "single quotes": b"['single quote']",
        "one quote": b'"', "unescaped NUL": b'["a\0a"]',
        "unescaped newline": b'["new\nline"]', "unescaped tab": b'["\t"]',
        "unicode capital": b'"\\UA66D"', "escaped quote open": b'["asd\\"', "angle": b"<.>",
        "angle null": b"[<null>]", "array trailing": b"[1]x", "BOM inside": b"[\xef\xbb\xbf1]",
        "capital true": b"[True]", "close unopened": b"1]", "double open": b"[[", "no data": b"",
        "NUL outside": b"[\0]", "open close": b"[}", "backslash open": b'["\\{["\\{["\\{["\\{',
        "U+2060": b"[\xe2\x81\xa0]", "form feed": b"[\x0c]",
        "unfinished": b"[ false, tru", "NBSP": b"[\xc2\xa0]", "U+2028 outside": b"[\xe2\x80\xa8]",
        "undefined": b"undefined", "None": b"None", "1e": b"1e", "01": b"01", "tru": b"tru",
        "-": b"-", "1_000": b"1_000",
    }
    for name, value in values.items():
        bad(f"value {name}", within(value))
    good_values = {
        "empty array": b"[]", "spaces": b"[[]   ]", "null": b"[null]", "nested": b'[null,1,"1",{}]',
        "0e+1": b"[0e+1]", "0e1": b"[0e1]", "-0": b"[-0]", "-0.0": b"[-0.000001]",
        "big exponent": b"[1E+2]", "1E22": b"[1E22]",
        "real": b"[123.456e78]", "simple": b"[-123]", "escapes": b'["\\u0060\\u012a\\u12AB"]',
        "pair": b'["\\uD801\\udc37"]', "pair 2": b'["\\ud83d\\ude39\\ud83d\\udc8d"]',
        "all escapes": b'["\\"\\\\\\/\\b\\f\\n\\r\\t"]', "escaped NUL": b'["\\u0000"]',
        "DEL": b'["\x7f"]', "noncharacter": b'["\xef\xbf\xbf"]', "U+2028": b'["\xe2\x80\xa8"]',
        "emoji": b'["\xf0\x9f\x98\x80"]', "empty key": b'{"":0}', "blanks": b' [] \r\n\t',
        "long": b'["' + b"x" * 200 + b'"]', "escaped key": b'{"a\\u0000b":1}',
        "non-ASCII": '["日本語 é ü"]'.encode(), "number": b"123", "string": b'"asd"',
        "true": b"true",
        "comment in a string": b'["a/*b*/c//d"]', "nested escapes": b'["\\\\u0061"]',
    }
    for name, value in good_values.items():
        b.accept(f"JSON value {name}", b.post(within(value)))
    either_values = {
        "1e400": b"[1e400]", "-1e400": b"[-1e400]",
        "huge integer": b"[1000000000000000000000000000000]",
        "very long number": b"[1" + b"0" * 3000 + b"]", "tiny": b"[123e-10000000]",
        "lone high": b'["\\uD800"]', "lone low": b'["\\uDC00"]',
        "swapped pair": b'["\\uDd1e\\uD834"]', "half pair": b'["\\uD800abc"]',
        "lone in a key": b'{"\\uDFAA":0}', "2^53 + 1": b"[9007199254740993]",
        "2^64": b"[18446744073709551616]",
    }
    for name, value in either_values.items():
        b.either(f"JSON value {name}", b.post(within(value)), both)
    tops = {
        "array": b"[" + chat_body() + b"]", "string": b'"x"', "number": b"1", "null": b"null",
        "true": b"true", "two documents": chat_body() + chat_body(),
        "document and text": chat_body() + b" x", "comment before": b"/* a */" + chat_body(),
        "comment behind": chat_body() + b"// a", "trailing comma": chat_body()[:-1] + b",}",
        "trailing bracket": chat_body() + b"}", "only blanks": b"   ", "unclosed": chat_body()[:-1],
        "NUL behind": chat_body() + b"\0", "two lines": chat_body() + b"\n" + chat_body(),
        "prefix": b")]}'," + chat_body(), "empty array": b"[]", "form": b"model=gpt-4o-mini",
        "XML": b"<a/>", "single quotes": chat_body().replace(b'"', b"'"),
        "RS": b"\x1e" + chat_body(),
    }
    for name, body in tops.items():
        bad(f"top, {name}", body)
    for name, body in {"blanks around": b" \r\n\t" + chat_body() + b" \r\n\t",
                       "keys in escapes": chat_body().replace(b'"model"',
                           b'"\\u006dodel"')}.items():
        b.accept(f"JSON top, {name}", b.post(body))
    b.either("JSON top, BOM", b.post(b"\xef\xbb\xbf" + chat_body()), both)
    b.either("JSON top, empty object", b.post(b"{}"), both, check_body=False)


def encodings(b):
    both = (400, 415)
    text = chat_body().decode()
    for name, codec in {"UTF-16 with BOM": "utf-16", "UTF-16LE": "utf-16-le",
                        "UTF-16BE": "utf-16-be", "UTF-32": "utf-32", "UTF-32LE": "utf-32-le",
                        "EBCDIC": "cp037"}.items():
        b.refuse(f"body in {name}", b.post(text.encode(codec)), both, stays_open_ok=True)
    raw = {
        "overlong NUL": b"\xc0\x80", "overlong slash": b"\xc0\xaf", "overlong 3": b"\xe0\x80\xaf",
        "overlong 4": b"\xf0\x80\x80\xaf", "CESU-8": b"\xed\xa0\xbd\xed\xb8\x80",
        "lone surrogate": b"\xed\xa0\x80",
        "continuation alone": b"\x80", "truncated 2": b"\xc3", "truncated 3": b"\xe2\x82",
        "truncated 4": b"\xf0\x9f\x98", "above U+10FFFF": b"\xf4\x90\x80\x80", "FE": b"\xfe",
        "FF": b"\xff", "5 bytes": b"\xf8\x88\x80\x80\x80",
        "Latin-1": b"caf\xe9", "overlong quote": b"\xc0\xa2", "C1": b"\xc1\x81",
    }
    for name, value in raw.items():
        b.refuse(f"invalid UTF-8, {name}", b.post(within(b'"' + value + b'"')), both,
                 stays_open_ok=True)
        b.refuse(f"invalid UTF-8 in a key, {name}", b.post(within(b'{"' + value + b'":1}')), both,
                 stays_open_ok=True)
    for charset in (b"utf-16", b"iso-8859-1", b"utf-7", b"ebcdic", b"us-ascii2", b"utf-8, utf-16",
                    b"utf-8; charset=utf-16", b"x"):
        b.refuse(f"charset {charset.decode()}",
                 b.post(content_type=b"Content-Type: application/json; charset=" + charset
                        + b"\r\n"), both, stays_open_ok=True)


def complexity(b):
    for depth in (100, 1000, 100_000, 1_000_000):
        for name, (start, end) in {"arrays": (b"[", b"]"), "objects": (b'{"a":', b"}")}.items():
            inner = b"1" if name == "objects" else b""
            b.refuse(f"JSON {depth} {name} deep",
                     b.post(within(start * depth + inner + end * depth)), stays_open_ok=True)
    b.refuse("JSON open brackets only", b.post(within(b"[" * 500_000)), stays_open_ok=True)
    b.accept("JSON 30 deep", b.post(within(b"[" * 30 + b"]" * 30)))
    wide = json.dumps({f"k{i}": i for i in range(50_000)}).encode()
    b.refuse("JSON 50,000 keys", b.post(within(wide)), stays_open_ok=True)
    b.either("JSON 1 MB of one letter", b.post(within(b'"' + b"a" * 1_000_000 + b'"')), (400, 413))
    b.either("JSON number of 100,000 digits", b.post(within(b"1" * 100_000)))
    b.refuse("JSON half a megabyte of backslashes", b.post(within(b'"' + b"\\" * 500_001 + b'"')),
             stays_open_ok=True)


def typed_fields(b):
    refusals = (400, 403, 404, 422)
    models = {
        "missing": b"", "null": b'"model":null,', "number": b'"model":1,',
        "array": b'"model":["gpt-4o-mini"],', "object": b'"model":{"a":1},',
        "true": b'"model":true,', "empty": b'"model":"",', "NUL": b'"model":"gpt-4o-mini\\u0000",',
        "blank": b'"model":" gpt-4o-mini",', "newline": b'"model":"gpt-4o-mini\\n",',
        "homoglyph": '"model":"gpt-4\u043e-mini",'.encode(),
        "zero-width": '"model":"gpt-4o\u200b-mini",'.encode(),
        "path": b'"model":"../../gpt-4o-mini",',
        "long": b'"model":"' + b"m" * 5000 + b'",', "CRLF": b'"model":"a\\r\\nX-Evil: b",',
    }
    for name, model in models.items():
        b.either(f"model {name}", b.post(b"{" + model + MESSAGES + b"}"), refusals)
    extra = {
        "api_base": b',"api_base":"http://127.0.0.1:9/"',
        "base_url": b',"base_url":"http://127.0.0.1:9/"', "api_key": b',"api_key":"sk-x"',
        "headers": b',"extra_headers":{"Host":"evil"}', "max_tokens -1": b',"max_tokens":-1',
        "max_tokens float": b',"max_tokens":1.5',
        "max_tokens text": b',"max_tokens":"9"', "max_tokens 2^32": b',"max_tokens":4294967297',
        "max_tokens 2^53": b',"max_tokens":9007199254740993',
        "max_tokens 2^64": b',"max_tokens":18446744073709551617', "n huge": b',"n":999999999999',
        "n negative": b',"n":-5',
        "max_tokens 1e999": b',"max_tokens":1e999', "stream text": b',"stream":"true"',
        "stream number": b',"stream":1', "user object": b',"user":{}',
    }
    for name, member in extra.items():
        b.either(f"field {name}", b.post(chat_body(extra=member)), refusals)


def codings(b):
    whole = packed(chat_body())
    coded = b"Content-Encoding: gzip\r\n"
    b.accept("gzip", b.post(whole, fields=coded))
    b.accept("gzip in upper case", b.post(whole, fields=b"Content-Encoding: GZIP\r\n"))
    b.accept("gzip, chunked",
             b.head(coded + b"Transfer-Encoding: chunked\r\n") + b.chunk(whole) + b"0\r\n\r\n")
    b.accept("identity", b.post(fields=b"Content-Encoding: identity\r\n"))
    both = (400, 415)
    for value in (b"br", b"zstd", b"deflate", b"compress", b"x-gzip", b"gzip, gzip", b"gzip,",
                  b"identity, gzip", b"unknown", b"", b'"gzip"', b"gzip;q=1", b"aws-chunked"):
        b.refuse(f"coding of content {value.decode() or 'empty'}",
                 b.post(whole, fields=b"Content-Encoding: " + value + b"\r\n"), both,
                 stays_open_ok=True)
    raw = zlib.compressobj(wbits=-15)
    deflated = raw.compress(chat_body()) + raw.flush()
    broken = {
        "not gzip at all": chat_body(), "zlib": zlib.compress(chat_body()), "raw deflate": deflated,
        "cut": whole[:-5], "cut early": whole[:12],
        "trailing member": whole + packed(b"{}"), "trailing junk": whole + b"junk",
        "trailing NUL": whole + b"\0",
        "bad checksum": whole[:-8] + b"\0\0\0\0" + whole[-4:],
        "bad length": whole[:-4] + b"\xff\xff\xff\x7f", "twice": packed(whole),
        "only a head": whole[:10], "bad method": whole[:2] + b"\x07" + whole[3:],
        "of broken JSON": packed(chat_body()[:-1]),
        "of duplicate keys": packed(chat_body(extra=b',"model":"x"')),
        "reserved flag": whole[:3] + b"\xe0" + whole[4:],
    }
    for name, body in broken.items():
        b.refuse(f"gzip {name}", b.post(body, fields=coded), both, stays_open_ok=True)
    b.refuse("gzip hidden", b.post(whole), both, stays_open_ok=True)
    b.refuse("gzip empty body", b.head(coded + b"Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n",
             both, stays_open_ok=True)
    bomb = packed(b'{"a":"' + b"a" * 200_000_000 + b'"}')
    b.refuse("gzip bomb of 200 MB", b.post(bomb, fields=coded), (413, 400), stays_open_ok=True)


def media_types(b):
    both = (400, 415)
    for value in (b"text/plain", b"application/x-www-form-urlencoded", b"application/xml",
                  b"text/json", b"application/json5", b"application/jsonp",
                  b"application/json, text/plain", b"application/jsonx", b"application", b"/json",
                  b"application/",
                  b"*/*", b"application /json", b"application/json;;",
                  b"application/json; boundary=x; charset=utf-16", b"multipart/mixed; boundary=x",
                  b"multipart/form-data", b"application/octet-stream", b"application/x-ndjson",
                  b"json"):
        b.refuse(f"media type {value.decode()}",
                 b.post(content_type=b"Content-Type: " + value + b"\r\n"), both, stays_open_ok=True)
    b.refuse("media type missing", b.post(content_type=b""), both, stays_open_ok=True)
    b.refuse("media type empty", b.post(content_type=b"Content-Type:\r\n"), both,
             stays_open_ok=True)
    b.either("media type, known parameter twice",
             b.post(
                 content_type=b"Content-Type: application/json; charset=utf-8; charset=utf-8\r\n"),
                 both)


def uploads(b):
    line = b"POST /v1/files HTTP/1.1"
    boundary = b"xYzZY"
    kind = b"Content-Type: multipart/form-data; boundary=" + boundary + b"\r\n"
    begin, end = b"--" + boundary + b"\r\n", b"--" + boundary + b"--\r\n"
    purpose = b'Content-Disposition: form-data; name="purpose"\r\n\r\nassistants\r\n'
    file = (
        DISPOSITION + b'; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\n' + N1 + b"\r\n")
    whole = begin + purpose + begin + file + end
    paths = ("/v1/files",)
    b.accept("upload", b.post(whole, line=line, content_type=kind), paths=paths)
    b.accept("upload, quoted boundary",
             b.post(whole, line=line, content_type=kind.replace(boundary, b'"' + boundary + b'"')),
             paths=paths)
    b.accept("upload, boundary-like bytes inside",
             b.post(whole.replace(N1, N1 + b"\r\n--xYzZ"), line=line, content_type=kind),
             paths=paths)

    def bad(name, body, content_type=kind):
        b.refuse(f"upload {name}", b.post(body, line=line, content_type=content_type), (400, 415),
                 stays_open_ok=True)

    bad("without the last boundary", begin + purpose + begin + file)
    bad("cut in a part", whole[:60])
    bad("with text behind", whole + b"x" * 10)
    bad("with a second message behind", whole + whole)
    bad("of bare LF", whole.replace(b"\r\n", b"\n"))
    bad("with a nested multipart",
        begin
        + DISPOSITION
        + b'\r\nContent-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\n\r\nx\r\n--q--\r\n' + end)
    bad("with a folded part head",
        begin + b'Content-Disposition: form-data;\r\n name="file"\r\n\r\nx\r\n' + end)
    bad("without a disposition", begin + b"Content-Type: text/plain\r\n\r\nx\r\n" + end)
    bad("with two dispositions",
        begin
        + DISPOSITION + b"\r\n" + DISPOSITION + b"\r\n\r\nx\r\n" + end)
    bad("with NUL in a part head",
        begin + b'Content-Disposition: form-data; name="a\0b"\r\n\r\nx\r\n' + end)
    bad("with another boundary", whole, kind.replace(boundary, b"other"))
    bad("with an empty boundary", whole, b"Content-Type: multipart/form-data; boundary=\r\n")
    bad("with a long boundary", whole,
        b"Content-Type: multipart/form-data; boundary=" + b"b" * 71 + b"\r\n")
    bad("with two boundaries", whole, kind[:-2] + b"; boundary=other\r\n")
    bad("with a bad boundary", whole, b'Content-Type: multipart/form-data; boundary="x\\"y"\r\n')
    bad("of no parts", end)
    bad("that is empty", b"  ")
    bad("with the purpose twice", begin + purpose + begin + purpose + begin + file + end)
    bad("with a transfer encoding in a part",
        begin
        + DISPOSITION + b'\r\nContent-Transfer-Encoding: base64\r\n\r\neA==\r\n' + end)
    bad("with text in front", b"preamble\r\n" + whole)


SECTIONS = (raw_json, encodings, complexity, typed_fields, codings, media_types, uploads)
