"""Hostile methods, paths and host names."""

from __future__ import annotations

from tests.integration.frontend.hostile import HOST, Outcome, get, passed, refused

METHODS = (
    refused("TRACE", get().replace(b"GET", b"TRACE"), 405),
    refused("CONNECT", get(b"evil.example:443").replace(b"GET", b"CONNECT"), 400),
    refused("a method nobody uses", get().replace(b"GET", b"PROPFIND"), 405),
    refused("a method in small letters", get().replace(b"GET", b"get"), 405),
    refused("a method with a bracket", get().replace(b"GET", b"GE(T")),
    refused("the whole server", get(b"*").replace(b"GET", b"OPTIONS")),
    refused("an empty method", get().replace(b"GET ", b" ")),
    refused("TRACK", get().replace(b"GET", b"TRACK"), 405),
    refused("the method of another protocol", get().replace(b"GET", b"SSTP_DUPLEX_POST"), 405),
    refused(
        "a method overridden",
        get(headers=b"X-HTTP-Method-Override: PROPFIND\r\n").replace(b"GET", b"PROPFIND"),
        405,
    ),
)

PATHS = (
    refused("a control character", get(b"/\x01")),
    refused("a byte past ASCII", get(b"/\xff")),
    refused("a space", get(b"/a b")),
    refused("no slash", get(b"x")),
    refused("an escape that is none", get(b"/%zz")),
    refused("an escape cut off", get(b"/a%4")),
    refused("an escaped NUL", get(b"/a%00")),
    refused("an escaped line end", get(b"/a%0d%0aX:y")),
    refused("a URL of 20 kB", get(b"/" + b"a" * 20480), 414),
    refused("a URL of 40 kB", get(b"/" + b"a" * 40960), others={(3, 2): Outcome((414,))}),
    refused("out of the folder", get(b"/../../etc/passwd")),
    refused("out of the folder, escaped", get(b"/%2e%2e/%2E%2e/etc/passwd")),
    refused("out of the folder, with escaped slashes", get(b"/a/..%2f..%2fetc/passwd")),
    refused("out of the folder, escaped twice", get(b"/%252e%252e/etc/passwd")),
    refused("out of the folder, with backslashes", get(b"/..%5c..%5cetc")),
    refused("out of the folder, at the end", get(b"/a/..")),
    passed("two dots in a name", get(b"/a..b"), "/a..b", status=404),
    passed("a whole URL", get(b"http://www.example.com/x"), "/x", status=404),
    passed("a whole URL with a password", get(b"http://u:p@www.example.com/x"), "/x", status=404),
    refused("a whole URL of another host", get(b"http://evil.example/x")),
    refused("a whole URL of another scheme", get(b"ftp://www.example.com/x")),
    # To Zope a parameter is part of the name.
    passed("two dots with a parameter", get(b"/..;/etc/passwd"), "/..;/etc/passwd", status=404),
    refused(
        "out of the folder, the dots escaped twice and a backslash", get(b"/%252e%252e%255cetc")
    ),
    refused("out of the folder, in a whole URL", get(b"http://www.example.com/../etc/passwd")),
    refused("out of the folder, half escaped", get(b"/.%2e/etc/passwd")),
    passed("three dots", get(b"/.../"), "/.../", status=404),
    passed(
        "escapes that are no UTF-8", get(b"/%c0%ae%c0%ae/etc"), "/\xc0\xae\xc0\xae/etc", status=500
    ),
    passed("a whole URL in capitals", get(b"HTTP://WWW.EXAMPLE.COM/x"), "/x", status=404),
    passed(
        "a whole URL without a path",
        get(b"http://www.example.com"),
        others={(2, 6): Outcome((400,))},
    ),
    passed("a whole URL over https", get(b"https://www.example.com/x"), "/x", status=404),
    passed(
        "two whole URLs",
        get(b"http://www.example.com/http://evil.example/"),
        "/http://evil.example/",
        status=404,
    ),
    passed("a URL without a scheme", get(b"//evil.example/x"), "//evil.example/x", status=404),
    refused("a fragment", get(b"/a#b")),
    refused("a backslash for the slash", get(b"\\x")),
)

FORGERIES = (
    refused("VirtualHostBase", get(b"/VirtualHostBase/http/evil.example:80/VirtualHostRoot/")),
    refused("VirtualHostRoot", get(b"/a/VirtualHostRoot/")),
    refused("VirtualHostRoot at the end", get(b"/a/VirtualHostRoot")),
    refused("VirtualHostRoot in small letters", get(b"/a/virtualhostroot/")),
    refused("VirtualHostBase, escaped", get(b"/%56irtualHostBase/http/evil.example:80/")),
    refused("VirtualHostRoot, escaped", get(b"/VirtualHost%52oot/")),
    refused("VirtualHostRoot, with escaped slashes", get(b"/a%2FVirtualHostRoot%2f")),
    refused("VirtualHostRoot, escaped twice", get(b"/VirtualHost%2552oot/")),
    refused("VirtualHostRoot after two slashes", get(b"//VirtualHostRoot/")),
    refused("VirtualHostRoot with a parameter", get(b"/VirtualHostRoot;x/")),
    refused("VirtualHostRoot beside a broken escape", get(b"/VirtualHost%52oot/%zz")),
    refused("VirtualHostRoot in a whole URL", get(b"http://www.example.com/VirtualHostRoot/")),
    refused("_vh_", get(b"/_vh_evil/")),
    refused("_vh_, escaped", get(b"/%5fvh%5Fevil/")),
    passed("the words in a query", get(b"/?a=/VirtualHostRoot/")),
    refused("VirtualHostBase, escaped twice", get(b"/%2556irtualHostBase/http/evil.example:80/")),
    refused(
        "VirtualHostBase, every letter escaped",
        get(
            b"/"
            + b"".join(b"%%%02x" % c for c in b"VirtualHostBase")
            + b"/http/evil.example:80/VirtualHostRoot/"
        ),
    ),
    refused(
        "VirtualHostRoot, every letter escaped twice",
        get(b"/" + b"".join(b"%%25%02x" % c for c in b"VirtualHostRoot") + b"/"),
    ),
    refused("VirtualHostRoot, with slashes escaped twice", get(b"/a%252FVirtualHostRoot%252f")),
    refused("VirtualHostBase without more", get(b"/VirtualHostBase")),
    refused("_vh_, escaped twice", get(b"/%255fvh%255fevil/")),
    refused("_vh_ after another step", get(b"/a/b/_vh_evil/c")),
    refused("VirtualHostRoot with an escaped parameter", get(b"/VirtualHostRoot%3bx/")),
    refused("VirtualHostRoot after dots", get(b"/./VirtualHostRoot/")),
    passed(
        "VirtualHostRoot escaped three times",
        get(b"/VirtualHost%252552oot/"),
        "/VirtualHost%2552oot/",
        status=404,
    ),
    passed(
        "VirtualHostRoot in wide letters",
        get(b"/%ef%bc%b6irtualHostRoot/"),
        "/\xef\xbc\xb6irtualHostRoot/",
        status=404,
    ),
)

HOSTS = (
    refused("another host", get(host=b"Host: evil.example\r\n"), 421),
    refused("another port", get(host=b"Host: www.example.com:1337\r\n"), 421),
    refused("no host", get(host=b""), 421),
    refused("no host in HTTP/1.0", b"GET / HTTP/1.0\r\n\r\n", 421),
    refused("two hosts", get(headers=b"Host: evil.example\r\n")),
    refused("an empty host", get(host=b"Host:\r\n"), 421),
    refused("a host with a path", get(host=b"Host: www.example.com/evil\r\n")),
    refused("a host with a user", get(host=b"Host: www.example.com@evil.example\r\n")),
    refused("a list of hosts", get(host=b"Host: www.example.com, evil.example\r\n")),
    refused("a port that is none", get(host=b"Host: www.example.com:8x\r\n")),
    passed("a host in capitals", get(host=b"Host: WWW.Example.COM\r\n")),
    passed("the same host twice", get(headers=HOST)),
    refused("a host among spaces", get(host=b"Host: www.example.com evil.example\r\n")),
    refused("a host on a folded line", get(host=b"Host: www.example.com\r\n .evil.example\r\n")),
    refused("a host of this machine", get(host=b"Host: 127.0.0.1\r\n"), 421),
    refused("a host with a point at its end", get(host=b"Host: www.example.com.\r\n"), 421),
    refused("a host with a step", get(host=b"Host: www.example.com:80/VirtualHostRoot\r\n")),
    refused("a host with escapes", get(host=b"Host: www%2eexample.com\r\n")),
    refused("a port past all ports", get(host=b"Host: www.example.com:99999\r\n")),
    refused("the first port that is none", get(host=b"Host: www.example.com:65536\r\n")),
    refused("the last port", get(host=b"Host: www.example.com:65535\r\n"), 421),
    refused("a port of six digits", get(host=b"Host: www.example.com:000080\r\n")),
    refused("an empty port", get(host=b"Host: www.example.com:\r\n")),
    passed("another host that WSGI would believe", get(headers=b"HTTP_HOST: evil.example\r\n")),
    passed("another host in X-Forwarded-Host", get(headers=b"X-Forwarded-Host: evil.example\r\n")),
    *(
        refused(f"no IPv6 address: {host}", get(host=f"Host: {host}\r\n".encode()))
        for host in (
            "[:::::]:1",
            "[]",
            "[:]",
            "[.]",
            "[1.2.3.4]",
            "[1.2.3.4]:80",
            "[abc]",
            "[1:2:3:4:5:6:7:8:9]",
            "[1:2:3:4:5:6:7]",
            "[1::2::3]",
            "[12345::]",
            "[::1.2.3]",
            "[::1.2.3.256]",
            "[::1.2.3.04]",
            "[::ffff:1.2.3.4.5]",
            "[fe80::1%25eth0]",
            "[fe80::1%eth0]",
            "[v1.x]",
            "[::1",
            "::1]",
            "::1",
            "[[::1]]",
            "[::1]:",
            "[::1]80",
            "[::1]:65536",
            "x[::1]",
            "[::1].example.com",
        )
    ),
    *(
        refused(
            f"an IPv6 address that is no site: {host}", get(host=f"Host: {host}\r\n".encode()), 421
        )
        for host in (
            "[::]",
            "[::1]:80",
            "[::ffff:1.2.3.4]",
            "[1:2:3:4:5:6:7:8]",
            "[1:2:3:4:5:6:7::]",
        )
    ),
    *(
        refused(f"no name: {name[:20]}", get(host=f"Host: {name}\r\n".encode()))
        for name in (
            ".",
            "..",
            "...:80",
            ".example.com",
            "www..example.com",
            "www.example.com..",
            ":80",
            f"{'l' * 64}.example.com",
            "n." * 127 + "n",
            "m." * 4000 + "m",
        )
    ),
    *(
        refused(f"a name that is no site: {name[:20]}", get(host=f"Host: {name}\r\n".encode()), 421)
        for name in (
            f"{'l' * 63}.example.com",
            "n." * 126 + "n",
            "-",
            "_vh_evil",
            "VirtualHostRoot",
        )
    ),
    refused("a whole URL of a broken host", get(b"http://[:::::]:1/", host=b"Host: [:::::]:1\r\n")),
)
