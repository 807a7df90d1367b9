# SPDX-License-Identifier: Apache-2.0
"""Where a body ends: lengths, codings, chunks."""
from cases import chat_body


def content_length(b):
    body = chat_body()
    size = b"%d" % len(body)
    bad = {
        "plus": b"+" + size, "minus": b"-" + size, "minus one": b"-1", "hex": b"0x%x" % len(body),
        "octal": b"0o1", "underscore": b"1_0", "fraction": size + b".0", "exponent": b"1e2",
        "inner blank": b"1 " + size, "inner tab": b"1\t0", "empty": b"", "blanks": b"   ",
        "word": b"abc",
        "quotes": b'"' + size + b'"', "single quotes": b"'" + size + b"'",
        "parameter": size + b";a=b",
        "list, different": size + b", 5", "list, empty member": size + b",",
        "list, leading comma": b"," + size,
        "NBSP": b"\xa0" + size, "NBSP in UTF-8": b"\xc2\xa0" + size, "full-width": b"\xef\xbc\x95",
        "arabic": b"\xd9\xa5", "vertical tab": b"\x0b" + size, "form feed": size + b"\x0c",
        "NUL behind": size + b"\0", "NUL alone": b"\0", "2^63": b"9223372036854775808",
        "2^64": b"18446744073709551616", "2^64 plus size": b"%d" % (2**64 + len(body)),
        "2^128": b"%d" % 2**128, "30 nines": b"9" * 30, "10,000 digits": b"1" * 10000,
        "hash": b"#5",
        "percent": b"%35", "newline word": b"5\\r\\n", "NaN": b"NaN", "Infinity": b"Infinity",
        "bang": size + b"!", "plus blank": b"+ " + size, "backspace": size + b"\x08",
    }
    for name, value in bad.items():
        b.refuse(f"Content-Length {name}",
                 b.head(b"Content-Length: " + value + b"\r\n") + body + b.canary())
    for name, value in {"2^32 plus size": b"%d" % (2**32 + len(body)),
                        "2^63 - 1": b"9223372036854775807",
                        "over the limit": b"%d" % (1 << 40)}.items():
        b.refuse(f"Content-Length {name}", b.head(b"Content-Length: " + value + b"\r\n") + body,
                 (400, 413))
    for name, value in {"leading zeros": b"000" + size, "equal list": size + b", " + size}.items():
        b.either(f"Content-Length {name}", b.head(b"Content-Length: " + value + b"\r\n") + body)
    b.either("Content-Length twice, equal",
             b.head(b"Content-Length: " + size + b"\r\nContent-Length: " + size + b"\r\n") + body)
    pairs = {"larger first": (b"99", size), "smaller first": (b"0", size),
             "larger last": (size, b"99"),
             "zero last": (size, b"0"), "one empty": (size, b""), "empty first": (b"", size),
             "other spelling": (size, b"0" + size), "sign": (size, b"+" + size)}
    for name, (one, two) in pairs.items():
        for spelling in (b"Content-Length", b"CONTENT-LENGTH"):
            fields = b"Content-Length: " + one + b"\r\n" + spelling + b": " + two + b"\r\n"
            b.refuse(f"two lengths, {name}, {spelling.decode()}",
                     b.head(fields) + body + b.canary())
    b.refuse("two lengths, one with a blank before the colon",
             b.head(b"Content-Length: 0\r\nContent-Length : " + size + b"\r\n") + body)
    b.refuse("length apart from length",
             b.head(b"Content-Length: 0\r\nX-A: b\r\nContent-Length: " + size
                                                + b"\r\n") + body)


def transfer_encoding(b):
    body = b.chunk() + b"0\r\n\r\n"
    size = b"%d" % len(body)
    for name, coding in {"chunked": b"chunked", "identity": b"identity", "unknown": b"x",
                         "empty": b""}.items():
        both = (b"Content-Length: " + size + b"\r\n", b"Transfer-Encoding: " + coding + b"\r\n")
        for order, fields in {"length first": both, "coding first": both[::-1]}.items():
            b.refuse(f"length and coding {name}, {order}",
                     b.head(b"".join(fields)) + body + b.canary(),
                     (400, 501))
    b.refuse("length 0 and coding",
             b.head(b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n") + body)
    b.refuse("bad length and coding",
             b.head(b"Content-Length: x\r\nTransfer-Encoding: chunked\r\n") + body)
    b.refuse("smuggling by length",
             b.head(b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n") + b"0\r\n\r\n"
             + b.canary())
    values = {
        "unknown": b"xchunked", "doubled": b"chunked, chunked", "not final": b"chunked, gzip",
        "gzip first": b"gzip, chunked", "identity": b"identity",
        "identity last": b"chunked, identity",
        "identity first": b"identity, chunked", "gzip": b"gzip", "deflate": b"deflate",
        "empty": b"",
        "comma": b",", "comma behind": b"chunked,", "comma before": b", chunked",
        "quotes": b'"chunked"',
        "parameter": b"chunked;q=1", "parameter quoted": b'chunked;a="b"', "semicolon": b"chunked;",
        "suffix": b"chunkedx", "prefix word": b"x chunked", "suffix word": b"chunked x",
        "NUL": b"chunked\0",
        "vertical tab": b"\x0bchunked", "form feed": b"chunked\x0c", "NBSP": b"\xa0chunked",
        "backspace": b"chunked\x08", "single quotes": b"'chunked'", "slash": b"chunked/1",
        "dotless": b"chunKed\xc4\xb1",
        "kelvin sign": b"chun\xe2\x84\xaaed", "cow": b"cow", "cow, chunked": b"cow, chunked",
        "star": b"*",
    }
    for name, value in values.items():
        b.refuse(f"coding {name}",
                 b.head(b"Transfer-Encoding: " + value + b"\r\n") + body + b.canary(),
                 (400, 501))
    length = b"Content-Length: " + size + b"\r\n"
    hidden = {
        "blank before the colon": b"Transfer-Encoding : chunked",
        "tab before the colon": b"Transfer-Encoding\t: chunked",
        "leading blank": b" Transfer-Encoding: chunked",
        "leading tab": b"\tTransfer-Encoding: chunked",
        "NUL in the name": b"Transfer\0-Encoding: chunked",
        "NUL before": b"\0Transfer-Encoding: chunked",
        "high byte before": b"\xffTransfer-Encoding: chunked",
        "vertical tab before": b"\x0bTransfer-Encoding: chunked",
        "folded": b"Transfer-Encoding:\r\n chunked",
        "folded by a tab": b"Transfer-Encoding:\r\n\tchunked",
        "CR before the name": b"X-A: b\rTransfer-Encoding: chunked",
        "LF before the name": b"X-A: b\nTransfer-Encoding: chunked",
        "CR CR LF": b"X-A: b\r\r\nTransfer-Encoding: chunked",
        "quoted name": b'"Transfer-Encoding": chunked',
        "colon in front": b":Transfer-Encoding: chunked", "no colon": b"Transfer-Encoding chunked",
        "two colons": b"Transfer-Encoding:: chunked",
        "NUL in the value": b"Transfer-Encoding: chun\0ked",
        "semicolon name": b"Transfer-Encoding;: chunked", "DEL": b"Transfer-Encoding\x7f: chunked",
        "soft hyphen": b"Transfer\xc2\xadEncoding: chunked",
        "folded in the middle": b"Transfer-Encoding: chun\r\n ked",
        "folded before": b"X: y\r\n Transfer-Encoding: chunked",
        "equals": b"Transfer-Encoding=chunked",
        "blank in the name": b"Transfer Encoding: chunked",
        "brackets": b"[Transfer-Encoding]: chunked",
    }
    for name, line in hidden.items():
        b.refuse(f"hidden coding, {name}", b.head(line + b"\r\n") + body + b.canary(), (400, 501))
        b.refuse(f"hidden coding, {name}, with a length",
                 b.head(length + line + b"\r\n") + body + b.canary(),
                 (400, 501))
    chat = chat_body()
    for name in (b"Transfer_Encoding", b"TransferEncoding", b"X-Transfer-Encoding",
                 b"Transfer-Encodings",
                 b"Transfer-Coding", b"TE", b"Content_Length", b"Content-Lengths",
                 b"Transfer.Encoding"):
        b.accept(f"look-alike {name.decode()}", b.post(chat, fields=name + b": chunked\r\n"))
    two = b"Transfer-Encoding: chunked\r\n"
    b.refuse("two codings", b.head(two + two) + body, (400, 501))
    b.refuse("two codings, identity last", b.head(two + b"transfer-encoding: identity\r\n") + body,
             (400, 501))
    old = b"POST /v1/chat/completions HTTP/1.0"
    b.refuse("coding in HTTP/1.0", b.head(two, line=old) + body + b.canary(), (400, 501))
    b.refuse("coding and length in HTTP/1.0", b.head(two + length, line=old) + body, (400, 501))
    b.refuse("coding in HTTP/1.0 keep-alive",
             b.head(two + b"Connection: keep-alive\r\n", line=old) + body,
             (400, 501))


def chunk_coding(b):
    data = chat_body()
    end = b"0\r\n\r\n"
    size = b"%x" % len(data)

    def bad(name, coded, statuses=(400,), **more):
        b.refuse(f"chunk {name}", b.chunked(coded), statuses, **more)

    sizes = {
        "plus": b"+" + size, "minus": b"-" + size, "0x": b"0x" + size, "blank before": b" " + size,
        "blank behind": size + b" ", "tab before": b"\t" + size, "tab behind": size + b"\t",
        "junk": size + b"zz",
        "empty": b"", "list": size + b"," + size, "quotes": b'"' + size + b'"',
        "underscore": b"1_0",
        "dot": size + b".0", "h suffix": size + b"h", "NUL behind": size + b"\0",
        "NUL before": b"\0" + size,
        "full-width": b"\xef\xbc\x95", "16 digits": b"%016x" % len(data),
        "17 digits": b"1" + b"0" * 16,
        "all ones": b"f" * 16, "2^63": b"8" + b"0" * 15, "2^64 wraps": b"1" + b"%016x" % len(data),
        "2^32 wraps": b"1" + b"%08x" % len(data), "zeros": b"0" * 100 + size,
        "many zeros": b"0" * 5000 + size,
        "colon": size + b":", "slash": size + b"/", "vertical tab": b"\x0b" + size,
        "CR inside": size[:1] + b"\r" + size[1:],
        "LF inside": size[:1] + b"\n" + size[1:], "word": b"chunk", "hash": b"#" + size,
        "backslash": b"\\x" + size,
    }
    for name, value in sizes.items():
        bad(f"size {name}", b.chunk(size=value) + end + b.canary(), (400, 413))
    extensions = {
        "NUL": b";a\0", "LF": b";a\nb", "CR": b";a\rb",
        "bare LF and data": b";\n" + end + b.canary(),
        "ESC": b";a=\x1b", "DEL": b";\x7f", "bare semicolon": b";", "two semicolons": b";;a",
        "empty value": b";a=",
        "no name": b";=b", "unbalanced": b';a="b', "quote in a token": b';a=b"c"',
        "text behind quotes": b';a="b"c',
        "blank inside": b";a b", "two equals": b";a=b=c", "parentheses": b";(a)", "at": b";a@b",
        "comma": b";a,b",
        "over 256 bytes": b";" + b"a" * 300, "over 256 quoted": b';a="' + b"b" * 300 + b'"',
        "huge": b";" + b"a" * 70000,
        "LF in quotes": b';a="\n"', "CR in quotes": b';a="\r"', "NUL in quotes": b';a="\0"',
        "CRLF in quotes": b';a="\r\n"', "escaped LF": b';a="\\\n"', "high byte": b";a=\xff",
        "many": b";a=b" * 200,
        "CR before LF": b";a\r", "LF only": b";a\n",
    }
    for name, extension in extensions.items():
        bad(f"extension {name}", b.chunk(extension=extension) + end + b.canary())
        bad(f"extension of the last, {name}",
            b.chunk() + b"0" + extension + b"\r\n\r\n" + b.canary())
    # Refused, so that its nonce may be cut.
    one_byte = b"".join(b.chunk(data[i:i + 1],
                                extension=b";" + b"e" * 250) for i in range(len(data)))
    bad("extensions, many in total", one_byte + end)
    for name, extension in {"blank before ;": b" ;a=b", "blank after ;": b"; a=b",
                            "blanks round =": b";a = b",
                            "tab before ;": b"\t;a"}.items():
        b.either(f"chunk extension, {name}", b.chunked(b.chunk(extension=extension) + end))
    lines = {
        "bare LF behind the size": size + b"\n" + data + b"\r\n" + end,
        "bare CR behind the size": size + b"\r" + data + b"\r\n" + end,
        "CR CR LF behind the size": size + b"\r\r\n" + data + b"\r\n" + end,
        "LF CR behind the size": size + b"\n\r" + data + b"\r\n" + end,
        "bare LF behind data": size + b"\r\n" + data + b"\n" + end,
        "bare CR behind data": size + b"\r\n" + data + b"\r" + end,
        "nothing behind data": size + b"\r\n" + data + end,
        "CR CR behind data": size + b"\r\n" + data + b"\r\r" + end,
        "two CRLF behind data": size + b"\r\n" + data + b"\r\n\r\n" + end,
        "data longer": size + b"\r\n" + data + b"x\r\n" + end,
        "data one shorter": size + b"\r\n" + data[:-1] + b"\r\n" + end,
        "blank before data": size + b"\r\n " + data + b"\r\n" + end,
        "bare LF behind the last": b.chunk() + b"0\n\r\n",
        "bare LF at the end": b.chunk() + b"0\r\n\n",
        "LF LF at the end": b.chunk() + b"0\n\n",
        "CR and a byte at the end": b.chunk() + b"0\r\n\rX",
        "request behind the last": b.chunk() + b"0\r\n" + b.canary(),
        "empty line instead of the last": b.chunk() + b"\r\n",
    }
    for name, coded in lines.items():
        bad(f"line ends, {name}", coded + b.canary())
    cut = {"last chunk missing": b.chunk(), "final CRLF missing": b.chunk() + b"0\r\n",
           "half final CRLF": b.chunk() + b"0\r\n\r",
           "cut in the size": size[:1], "cut in the data": size + b"\r\n" + data[:10],
           "cut behind data": size + b"\r\n" + data,
           "only the head": b""}
    for name, coded in cut.items():
        bad(f"truncated, {name}", coded, (400, 408), half_close=True, silent_ok=True)
    for name in (b"Content-Length", b"Transfer-Encoding", b"Host", b"Authorization",
                 b"Content-Type",
                 b"Content-Encoding", b"X-Forwarded-For", b"Cookie", b"x-api-key", b"Connection",
                 b"Trailer", b"TE"):
        b.either(f"trailer {name.decode()}",
                 b.chunked(b.chunk() + b"0\r\n" + name + b": 5\r\n\r\n"))
    trailers = {"blank before the colon": b"X-A : b\r\n", "no colon": b"X-A\r\n",
                "NUL": b"X-A: \0\r\n", "bare LF": b"X-A: b\n",
                "folded": b"X-A: b\r\n c\r\n", "empty name": b": b\r\n",
                "over 8 KiB": b"X-A: " + b"b" * 9000 + b"\r\n",
                "CR": b"X-A: b\rc\r\n", "high byte in the name": b"X\xff: b\r\n"}
    for name, line in trailers.items():
        bad(f"trailer, {name}", b.chunk() + b"0\r\n" + line + b"\r\n" + b.canary(), (400, 431))


SECTIONS = (content_length, transfer_encoding, chunk_coding)
