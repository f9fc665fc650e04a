"""Hostile requests that leave open where one ends and the next begins."""

from __future__ import annotations

from tests.integration.frontend.hostile import (
    ABC,
    BY_WAITRESS,
    CLOSE,
    END,
    HOST,
    ROOT,
    SMUGGLED,
    UNANSWERED,
    Case,
    Outcome,
    chunked,
    get,
    once,
    passed,
    post,
    refused,
)

LENGTH = (
    passed("the same length twice", post(b"Content-Length: 3\r\n" * 2, b"abc"), body=ABC),
    refused(
        "two lengths",
        post(b"Content-Length: 3\r\nContent-Length: 4\r\n", b"abcd"),
        others={(3, 2): UNANSWERED},
    ),
    refused("a list of lengths", post(b"Content-Length: 3, 4\r\n", b"abcd")),
    refused("a signed length", post(b"Content-Length: +3\r\n", b"abc")),
    refused("a negative length", post(b"Content-Length: -1\r\n", b"abc")),
    refused("a hexadecimal length", post(b"Content-Length: 0x3\r\n", b"abc")),
    refused("a space before the length's colon", post(b"Content-Length : 3\r\n", b"abc")),
    refused("an empty length", post(b"Content-Length: \r\n", b"abc")),
    refused("a length past 64 bits", post(b"Content-Length: 99999999999999999999999\r\n")),
    refused("a length past the limit", post(b"Content-Length: 20481\r\n"), 413),
    refused("a length past 32 bits", post(b"Content-Length: 2000000000000\r\n"), 413),
    Case(
        "a request in the body of a GET",
        b"GET / HTTP/1.1\r\n"
        + HOST
        + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED)
        + SMUGGLED
        + b"GET /second HTTP/1.1\r\n"
        + HOST
        + CLOSE
        + END,
        Outcome((200, 404), ((f"{ROOT}/", SMUGGLED.decode()), (f"{ROOT}/second", ""))),
    ),
    passed(
        "the same length written in two ways",
        post(b"Content-Length: 3\r\nContent-Length: 03\r\n", b"abc"),
        body=ABC,
    ),
    passed("a length with zeros in front", post(b"Content-Length: 003\r\n", b"abc"), body=ABC),
    passed("a length among spaces", post(b"Content-Length: \t 3 \t\r\n", b"abc"), body=ABC),
    refused("a length with a point", post(b"Content-Length: 3.0\r\n", b"abc")),
    refused("a length with a parameter", post(b"Content-Length: 3;x\r\n", b"abc")),
    refused("a length with a NUL", post(b"Content-Length: 3\x00\r\n", b"abc")),
    refused("a length in other digits", post("Content-Length: \u0663\r\n".encode(), b"abc")),
    refused("a tab before the length's colon", post(b"Content-Length\t: 3\r\n", b"abc")),
    passed("a length on a folded line", post(b"Content-Length:\r\n 3\r\n", b"abc"), body=ABC),
    Case(
        "a length that WSGI would believe",
        b"POST / HTTP/1.1\r\n" + HOST + b"Content_Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED,
        Outcome((200, 404), ((f"{ROOT}/", ""), (f"{ROOT}/smuggled", ""))),
    ),
)

CHUNKS = (
    # The length is dropped, and what follows the last chunk is never a request: the client
    # wanted the connection closed.
    passed(
        "a length and chunks",
        post(
            b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
            b"3\r\nabc\r\n0\r\n\r\n" + SMUGGLED,
        ),
        body=ABC,
    ),
    passed(
        "chunks and a length",
        post(b"Transfer-Encoding: chunked\r\nContent-Length: 100\r\n", b"0\r\n\r\n" + SMUGGLED),
    ),
    refused("two codings", chunked(b"0\r\n\r\n", b"Transfer-Encoding: chunked\r\n" * 2)),
    refused(
        "a coding taken back",
        chunked(b"0\r\n\r\n", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
    ),
    refused("an unknown coding", chunked(b"0\r\n\r\n", b"Transfer-Encoding: xchunked\r\n")),
    refused("a quoted coding", chunked(b"0\r\n\r\n", b'Transfer-Encoding: "chunked"\r\n')),
    refused(
        "two codings in one", chunked(b"0\r\n\r\n", b"Transfer-Encoding: gzip, chunked\r\n"), 422
    ),
    refused(
        "a coding after a vertical tab",
        chunked(b"0\r\n\r\n", b"Transfer-Encoding: \x0bchunked\r\n"),
    ),
    refused(
        "a space before the coding's colon",
        chunked(b"0\r\n\r\n", b"Transfer-Encoding : chunked\r\n"),
    ),
    passed(
        "a coding on a folded line", chunked(b"0\r\n\r\n", b"Transfer-Encoding:\r\n chunked\r\n")
    ),
    passed(
        "a coding in mixed case",
        chunked(b"3\r\nabc\r\n0\r\n\r\n", b"Transfer-Encoding: cHuNkEd\r\n"),
        body=ABC,
    ),
    refused(
        "chunks in HTTP/1.0",
        post(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n" + SMUGGLED, b"1.0"),
    ),
    refused("a negative chunk", chunked(b"-1\r\nabc\r\n0\r\n\r\n")),
    refused("a chunk size with 0x", chunked(b"0x3\r\nabc\r\n0\r\n\r\n")),
    refused("a chunk size past 64 bits", chunked(b"FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n")),
    refused("a chunk longer than it says", chunked(b"2\r\nabc\r\n0\r\n\r\n")),
    refused("a line feed in a chunk's extension", chunked(b"3;a\nb\r\nabc\r\n0\r\n\r\n")),
    passed("a chunk's extension", chunked(b"3;a=b\r\nabc\r\n0\r\n\r\n"), body=ABC),
    passed("a trailer", chunked(b"3\r\nabc\r\n0\r\nX-Forwarded-For: 192.0.2.66\r\n\r\n"), body=ABC),
    refused(
        "two codings, the second none",
        chunked(b"0\r\n\r\n", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n"),
    ),
    refused(
        "two codings, the first none",
        chunked(b"0\r\n\r\n", b"Transfer-Encoding: cow\r\nTransfer-Encoding: chunked\r\n"),
        422,
    ),
    refused(
        "a coding after chunks", chunked(b"0\r\n\r\n", b"Transfer-Encoding: chunked, identity\r\n")
    ),
    refused(
        "a coding and a comma",
        chunked(b"0\r\n\r\n", b"Transfer-Encoding: chunked,\r\n"),
        others={(2, 6): once()},
    ),
    refused("an empty coding", chunked(b"0\r\n\r\n", b"Transfer-Encoding:\r\n")),
    refused(
        "a coding with a parameter", chunked(b"0\r\n\r\n", b"Transfer-Encoding: chunked;q=1\r\n")
    ),
    refused("a coding with a NUL", chunked(b"0\r\n\r\n", b"Transfer-Encoding: chunked\x00\r\n")),
    refused(
        "a tab before the coding's colon",
        chunked(b"0\r\n\r\n", b"Transfer-Encoding\t: chunked\r\n"),
    ),
    # What looks like a chunk to WSGI is a second request, and none.
    Case(
        "a coding that WSGI would believe",
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer_Encoding: chunked\r\n\r\n0\r\n\r\n",
        Outcome((200, 400), ((f"{ROOT}/", ""),)),
    ),
    Case(
        "a coding after a form feed, in another header",
        chunked(b"", b"X:\x0cTransfer-Encoding: chunked\r\n"),
        BY_WAITRESS,
    ),
    refused("an empty chunk size", chunked(b"\r\nabc\r\n0\r\n\r\n")),
    refused("a chunk size with a sign", chunked(b"+3\r\nabc\r\n0\r\n\r\n")),
    refused("a chunk size after a space", chunked(b" 3\r\nabc\r\n0\r\n\r\n")),
    refused("a chunk size and a NUL", chunked(b"3\x00\r\nabc\r\n0\r\n\r\n")),
    refused("a bare carriage return after a chunk size", chunked(b"3\rabc\r\n0\r\n\r\n")),
    refused("a carriage return in a chunk's extension", chunked(b"3;a\rb\r\nabc\r\n0\r\n\r\n")),
    refused("a chunk without its end", chunked(b"3\r\nabc0\r\n\r\n")),
    refused(
        "chunks that end in line feeds", chunked(b"3\nabc\n0\n\n"), others={(2, 6): once(body=ABC)}
    ),
    refused(
        "a chunk's extension of 40 kB",
        chunked(b"3;" + b"a" * 40960 + b"\r\nabc\r\n0\r\n\r\n"),
        408,
        {(2, 6): Outcome((400,)), (3, 0): Outcome((400,)), (3, 2): UNANSWERED},
    ),
)

LINES = (
    passed("bare line feeds", b"GET / HTTP/1.1\nHost: www.example.com\nConnection: close\n\n"),
    refused("a bare carriage return", get(headers=b"X-A: a\rX-Forwarded-For: 192.0.2.66\r\n")),
    passed("a folded header", get(headers=b"X-A: a\r\n b\r\n")),
    refused("a folded first line", b"GET / HTTP/1.1\r\n Host: x\r\n" + HOST + CLOSE + END),
    refused("a NUL in a header", get(headers=b"X-A: a\x00b\r\n"), others={(2, 6): BY_WAITRESS}),
    refused("a NUL in a header's name", get(headers=b"X\x00A: b\r\n")),
    refused("a space in a header's name", get(headers=b"X A: b\r\n")),
    refused("a line without a colon", get(headers=b"Nonsense\r\n")),
    refused("a header without a name", get(headers=b": x\r\n")),
    refused("one header of 16 kB", get(headers=b"X: " + b"a" * 16384 + b"\r\n"), 431),
    passed(
        "a URL and headers of 15 kB each",
        get(b"/?" + b"a" * 15000, b"X: " + b"a" * 15000 + b"\r\n"),
    ),
    refused(
        "one header of 48 kB",
        get(headers=b"X: " + b"a" * 49152 + b"\r\n"),
        others={(3, 2): Outcome((431,))},
    ),
    refused("200 headers", get(headers=b"".join(b"X%d: a\r\n" % i for i in range(200)))),
    passed("a header of 12 kB", get(headers=b"X: " + b"a" * 12288 + b"\r\n")),
    refused("bytes that are no HTTP", b"\x00\x01\x02\x03\xff\r\n\r\n"),
    refused("a TLS hello in plain", bytes.fromhex("16030100c8010000c40303") + bytes(200)),
    refused("HTTP/0.9", b"GET /\r\n"),
    refused("the HTTP/2 preface in plain", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    passed(
        "an upgrade to HTTP/2 in plain", get(headers=b"Upgrade: h2c\r\nHTTP2-Settings: AAMA\r\n")
    ),
    refused(
        "the PROXY protocol of a stranger", b"PROXY TCP4 192.0.2.66 192.0.2.1 1 80\r\n" + get()
    ),
    refused("a NUL in the path", get(b"/a\x00b")),
    refused("a NUL in the method", get().replace(b"GET", b"G\x00T")),
    refused("a NUL in the host", get(host=b"Host: www.example.com\x00.evil.example\r\n")),
    refused("a folded first header", b"GET / HTTP/1.1\r\n\tX: x\r\n" + HOST + CLOSE + END),
    refused("a byte past ASCII in a header's name", get(headers=b"X-\xe4: b\r\n")),
    refused("a version that is none", get().replace(b"HTTP/1.1", b"HTTP/1.1x")),
    refused("two versions", get().replace(b"HTTP/1.1", b"HTTP/1.1 HTTP/1.1")),
    passed("HTTP/2.0 without a preface", get().replace(b"HTTP/1.1", b"HTTP/2.0")),
    passed("HTTP/9.9", get().replace(b"HTTP/1.1", b"HTTP/9.9")),
    passed("two spaces in the first line", get().replace(b"GET /", b"GET  /")),
    passed("empty lines in front", b"\r\n\r\n" + get()),
    refused("a space in front", b" " + get()),
    refused(
        "an upgrade to a websocket", get(headers=b"Upgrade: websocket\r\nConnection: upgrade\r\n")
    ),
    passed(
        "an expectation", post(b"Expect: 100-continue\r\nContent-Length: 3\r\n", b"abc"), body=ABC
    ),
    passed("an expectation nobody knows", get(headers=b"Expect: tea\r\n")),
    passed(
        "a header named as hop-by-hop", get(headers=b"Connection: close, X-Forwarded-For, Host\r\n")
    ),
)
