"""What a sloppy or a hostile user may type, and what the error has to say about it.

One table for two tests: ``test_config`` reads every row, ``test_recipe`` runs a real
buildout on those marked ``buildout``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

NUMBER = "a whole number from 1 to"
ADDRESS = "an address like 127.0.0.1:8080"
LOOPBACK = "an address on loopback"
UNSAFE = "a path without"
NAMES = "names of distributions, such as Zope"
SERVER = "1\nserver evil 192.0.2.1:80"


@dataclass(frozen=True)
class Bad:
    """One wrong setting.

    :param says: what the message holds besides section, option and value: the remedy.
    :param stack: options of [stack] that make it wrong.
    :param sections: further sections.
    :param buildout: whether it is worth the second that a whole buildout takes.
    """

    name: str
    section: str
    option: str
    value: str
    says: str
    stack: Mapping[str, str] = field(default_factory=dict)
    sections: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    buildout: bool = False


def bad(
    name: str, option: str, value: str, says: str, *, buildout: bool = False, **more: str
) -> Bad:
    """A wrong option of [stack], wrong because of ``more`` options if any are given."""
    options = {option: value, **{key.replace("_", "-"): text for key, text in more.items()}}
    return Bad(name, "stack", option, value, says, options, {}, buildout)


def bad_group(option: str, value: str, says: str, *, buildout: bool = False) -> Bad:
    """A wrong option of a group's section, in a stack whose requests may take two minutes."""
    stack = {"groups": "rest = /++api++", "request-timeout": "2m", "hung-after": "3m"}
    sections = {"rest": {option: value}}
    return Bad(
        f"a group's {option} {value}", "rest", option, value, says, stack, sections, buildout
    )


def bad_section(
    section: str, option: str, value: str, says: str, *, name: str = "", buildout: bool = False
) -> Bad:
    """A wrong option of another section, in a stack of four instances."""
    return Bad(
        name or f"[{section}] {option}",
        section,
        option,
        value,
        says,
        {"instances": "4"},
        {section: {option: value}},
        buildout,
    )


NUMBERS = [
    bad("not a number", "instances", "four", f"{NUMBER} 256, or auto", buildout=True),
    bad("no instance", "instances", "0", f"{NUMBER} 256"),
    bad("negative", "instances", "-1", f"{NUMBER} 256"),
    bad("10,000 instances", "instances", "10000", f"{NUMBER} 256", buildout=True),
    bad("one instance too many", "instances", "257", f"{NUMBER} 256"),
    bad("endless number", "instances", "9" * 5000, f"{NUMBER} 256"),
    bad("empty number", "instances", "", f"{NUMBER} 256"),
    bad("a fraction", "instances", "2.5", f"{NUMBER} 256"),
    bad("an exponent", "instances", "1e1", f"{NUMBER} 256"),
    bad("hexadecimal", "instances", "0x4", f"{NUMBER} 256"),
    bad("underscore", "instances", "1_0", f"{NUMBER} 256"),
    bad("plus sign", "instances", "+4", f"{NUMBER} 256"),
    bad("full-width digits", "instances", "\uff14", f"{NUMBER} 256"),
    bad("Arabic digits", "instances", "\u0664", f"{NUMBER} 256"),
    bad("two numbers", "instances", "4 8", f"{NUMBER} 256"),
    bad("two lines of numbers", "instances", "4\n8", f"{NUMBER} 256"),
    bad("Auto", "instances", "Auto", "or auto"),
    bad("unresolved reference", "instances", "${stack:threads}", f"{NUMBER} 256"),
    bad("no thread", "threads", "0", f"{NUMBER} 64"),
    bad("negative threads", "threads", "-2", f"{NUMBER} 64"),
    bad("65 threads", "threads", "65", f"{NUMBER} 64"),
    bad("a server behind threads", "threads", SERVER, f"{NUMBER} 64"),
    bad("a name for a port", "base-port", "http", f"{NUMBER} 65535"),
    bad("port 0", "base-port", "0", f"{NUMBER} 65535"),
    bad("port past 65535", "base-port", "65536", f"{NUMBER} 65535"),
    bad(
        "last port past 65535",
        "base-port",
        "65533",
        "at most 65532 with 4 instances",
        instances="4",
    ),
]

ADDRESSES = [
    bad("malformed address", "http-address", "127.0.0.1;8080", ADDRESS, buildout=True),
    bad("no port", "http-address", "127.0.0.1", "the port is"),
    bad("empty port", "http-address", "127.0.0.1:", "the port is"),
    bad("empty address", "http-address", "", "the port is"),
    bad("empty host", "http-address", ":8080", "the host is an IP address"),
    bad("address past 65535", "http-address", "127.0.0.1:65536", "the port is"),
    bad("address with port 0", "http-address", "127.0.0.1:0", "the port is"),
    bad("no such IPv4 address", "http-address", "256.0.0.1:80", "the host is an IP address"),
    bad("octal IPv4 address", "http-address", "127.0.0.01:80", "the host is an IP address"),
    bad("a host name", "http-address", "www.example.com:80", "the host is an IP address"),
    bad("a URL", "http-address", "http://127.0.0.1:8080", ADDRESS),
    bad("two ports", "http-address", "127.0.0.1:80:90", ADDRESS),
    bad("a star for a port", "http-address", "*:*", "the port is"),
    bad("IPv6 without brackets", "http-address", "::1:8080", ADDRESS),
    bad("IPv6 without a port", "http-address", "[::1]", ADDRESS),
    bad("IPv4 in brackets", "http-address", "[127.0.0.1]:80", ADDRESS),
    bad("an unclosed bracket", "http-address", "[::1:8080", ADDRESS),
    bad("an IPv6 scope", "http-address", "[fe80::1%eth0]:8080", ADDRESS),
    bad("lines in a scope", "http-address", "[::1%\nbind *:1]:80", ADDRESS, buildout=True),
    bad("full-width port", "http-address", "127.0.0.1:\uff18\uff10", "the port is"),
    bad("options of bind", "http-address", "*:80 user root", "the port is"),
    bad("a second bind", "http-address", "*:80\nbind *:81", ADDRESS),
    bad("NUL in an address", "http-address", "127.0.0.1:80\0", "the port is"),
    bad("quote in an address", "http-address", "127.0.0.1:80'", "the port is"),
    bad("an address twice", "http-address", "8080 localhost:8080", "do not overlap", buildout=True),
    bad("one in another", "http-address", "*:80 192.0.2.1:80", "*:80 and 192.0.2.1:80 do. Delete"),
    bad("one in IPv6", "http-address", "[::1]:80 *:80", "[::1]:80 and *:80 do. Delete one"),
    bad("one in IPv4", "http-address", "0.0.0.0:80 127.0.0.1:80", "do not overlap"),
    bad("one twice in IPv6", "http-address", "[::1]:80 [0:0::1]:80", "do not overlap"),
    bad("one disguised", "http-address", "[::ffff:192.0.2.1]:80 192.0.2.1:80", "do not overlap"),
    bad("addresses with commas", "http-address", "127.0.0.1:80,[::1]:80", ADDRESS),
    bad("a wrong one behind a right one", "http-address", "8080 host:8080", ADDRESS),
    bad("zeo on every interface", "zeo-address", "0.0.0.0:8400", LOOPBACK),
    bad("zeo on any interface", "zeo-address", "*:8400", LOOPBACK),
    bad("zeo on any IPv6 interface", "zeo-address", "[::]:8400", LOOPBACK),
    bad("zeo on a network", "zeo-address", "192.168.1.5:8400", LOOPBACK),
    bad("zeo on a disguised network", "zeo-address", "[::ffff:10.0.0.1]:8400", LOOPBACK),
    bad("lines in zeo-address", "zeo-address", "8400\nread-only true", "the port is"),
    bad("status page on every interface", "stats-address", "0.0.0.0:8404", LOOPBACK),
    bad("metrics on every interface", "metrics-address", "*:9404", "one address of this machine"),
    bad("a form of logs that is none", "log-format", "JSON", "text or json"),
    bad("Prometheus without a scheme", "prometheus-url", "127.0.0.1:9090", "a URL like http"),
    bad("Prometheus with a password", "prometheus-url", "http://a:b@host:9090", "without a name"),
    bad("Prometheus at no port", "prometheus-url", "http://127.0.0.1:90900", "a URL like http"),
    bad("metrics at a name", "metrics-address", "here:9404", ADDRESS),
    bad("status page on a network", "stats-address", "[2001:db8::1]:8404", LOOPBACK),
]

COLLISIONS = [
    bad(
        "site on an instance's port",
        "http-address",
        "127.0.0.1:8082",
        "base-port = 8081 collide:\n  haproxy and instance2 would both listen on port 8082. Move",
        instances="2",
        buildout=True,
    ),
    bad(
        "zeo on the status page's port",
        "stats-address",
        "127.0.0.1:9000",
        "zeo-address = 9000 collide",
        zeo_address="9000",
    ),
    bad("site and zeo", "http-address", "9000", "zeo-address = 9000 collide", zeo_address="9000"),
    bad(
        "site and status page",
        "http-address",
        "9000",
        "stats-address = 127.0.0.1:9000 collide",
        stats_address="127.0.0.1:9000",
    ),
    bad(
        "metrics on the site's port",
        "http-address",
        "9000",
        "metrics-address = 9000 collide",
        metrics_address="9000",
    ),
    bad(
        "purges on the site's port",
        "http-address",
        "9000",
        "varnish-address = 9000 collide",
        varnish="front",
        varnish_address="9000",
    ),
    bad("zeo among the instances", "zeo-address", "8084", "base-port = 8081", instances="4"),
    bad("status page among them", "stats-address", "8081", "base-port = 8081", instances="1"),
    bad("every interface", "http-address", "*:9000", "zeo-address = 9000", zeo_address="9000"),
    bad("every IPv6 one", "http-address", "[::]:9000", "zeo-address = 9000", zeo_address="9000"),
    bad("the second", "http-address", "8080 9000", "zeo-address = 9000", zeo_address="9000"),
    bad("by name", "http-address", "localhost:9000", "zeo-address = 9000", zeo_address="9000"),
    bad("leading zeros", "http-address", "09000", "zeo-address = 9000", zeo_address="9000"),
    bad(
        "disguised as IPv6",
        "http-address",
        "[::ffff:127.0.0.1]:9000",
        "zeo-address = 9000",
        zeo_address="9000",
    ),
]

INTERVAL = "a time like 0.5ms, 5ms or 50ms, from 0.1ms to 1000ms"

SPEED = [
    bad("seconds for an interval", "switch-interval", "1s", INTERVAL, buildout=True),
    bad("no unit", "switch-interval", "5", INTERVAL),
    bad("no interval", "switch-interval", "0ms", INTERVAL),
    bad("below a tenth", "switch-interval", "0.09ms", INTERVAL),
    bad("past a second", "switch-interval", "1000.1ms", INTERVAL),
    bad("negative interval", "switch-interval", "-5ms", INTERVAL),
    bad("not a number at all", "switch-interval", "nanms", INTERVAL),
    bad("an exponent in it", "switch-interval", "1e1ms", INTERVAL),
    bad("a variable behind it", "switch-interval", "5ms\nPYTHONHOME /", INTERVAL),
    bad("no HAProxy thread", "nbthread", "0", f"{NUMBER} 64"),
    bad("65 HAProxy threads", "nbthread", "65", f"{NUMBER} 64"),
    bad("auto HAProxy threads", "nbthread", "auto", f"{NUMBER} 64"),
    bad("a line behind nbthread", "nbthread", "1\nuser root", f"{NUMBER} 64", buildout=True),
]

OPERATING = [
    bad("no unit known", "stop-grace", "5 minutes", "a time like 60s, 5m or 1h"),
    bad("no grace at all", "stop-grace", "0s", "from 1s to 24h"),
    bad("past a day", "hung-after", "25h", "from 1s to 24h", buildout=True),
    bad("negative time", "hung-after", "-5m", "a time like 60s, 5m or 1h"),
    bad("a size without unit", "memory-limit", "500", "a size like 500MB or 2GB", buildout=True),
    bad("a size in percent", "memory-limit", "50%", "a size like 500MB or 2GB"),
    bad("a switch by number", "share-memory", "1", "on or off"),
    bad("a switch in another language", "share-memory", "true", "on or off"),
    bad("a switch in capitals", "share-memory", "ON", "on or off"),
    bad("a size for a switch", "share-memory", "500MB", "on or off"),
    bad("two switches", "share-memory", "on\noff", "on or off"),
    bad("no switch", "share-memory", "", "on or off"),
    bad("an address for a path", "warm-up", "http://localhost/", "paths like /Plone/front-page"),
    bad("a path that breaks out", "warm-up", '/x"\n[x]', "paths like /Plone/front-page"),
    bad("agents among the instances", "agent-base-port", "8082", "collide", instances="4"),
    bad("agents past the last port", "agent-base-port", "65535", "last port", instances="2"),
    bad("agents follow base-port", "base-port", "64600", "agents 1000 above", instances="2"),
]

SIZE = "a size like 500kB, 100MB or 2GB"
FILES = "a whole number from 1 to 1000"

LOGS = [
    bad("a log without a unit", "log-size", "1000000", SIZE, buildout=True),
    bad("a log of nothing", "log-size", "0MB", SIZE),
    bad("a log without end", "log-size", "off", SIZE),
    bad("a log of a fraction", "log-size", "1.5MB", SIZE),
    bad("a negative log", "log-size", "-1MB", SIZE),
    bad("a line behind log-size", "log-size", "1MB\nuser=root", SIZE),
    bad("no old log", "log-files", "0", FILES),
    bad("1001 old logs", "log-files", "1001", FILES),
    bad("all old logs", "log-files", "all", FILES),
    bad("negative old logs", "log-files", "-3", FILES),
    bad("a line behind log-files", "log-files", "3\nuser=root", FILES, buildout=True),
]

NAMED_WRONG = [
    bad(
        "an extra instance of a program's name",
        "extra-instances",
        "zeo",
        "a name that nothing else has",
        buildout=True,
    ),
    bad("an extra instance with a path", "extra-instances", "../worker", "a name such as worker"),
    bad("a group without a rule", "groups", "rest", "'rest' is not one", buildout=True),
    bad("a group of a program's name", "groups", "zeo = /a", "a name that nothing else has"),
    bad(
        "a group and an extra instance of one name",
        "groups",
        "worker = /a",
        "names that nothing else has, not worker",
        extra_instances="worker",
    ),
    bad(
        "two groups that claim one path",
        "groups",
        "rest = /++api++\nsearch = /++api++/@search",
        "rest = /++api++ takes /++api++/@search before search = /++api++/@search can",
        buildout=True,
    ),
    bad("a line of haproxy.cfg as a rule", "groups", "rest = agent a'b", "not a part of a header"),
    bad("a method that is refused", "groups", "dav = method LOCK", "methods that reach Zope"),
    bad("no such place of Varnish", "varnish", "behind", "front or balancer", buildout=True),
    bad("Varnish of little memory", "varnish-memory", "1MB", "a size from 16MB", varnish="front"),
    bad("Varnish of no unit", "varnish-memory", "lots", "a size from 16MB", varnish="front"),
    bad("purges of everybody", "varnish-address", "*:6081", LOOPBACK, varnish="front"),
    bad("a cookie of two", "varnish-cookies", "a;b", "'a;b' is not one", varnish="front"),
    bad("any cookie", "varnish-cookies", ".*", "'.*' is not one", varnish="front"),
    bad("no Varnish there", "varnishd", "/nowhere", "is not varnishd", varnish="front"),
    bad("another program", "varnishd", "/bin/true", "is not varnishd", varnish="front"),
    bad("two caches", "static-cache", "4MB", "off beside varnish", varnish="front"),
    bad("cookies and Varnish", "affinity", "cookie", "none, authenticated", varnish="front"),
    bad("a cache it cannot purge", "static-cache", "4MB", "off beside", varnish="balancer"),
    bad("whom it does not prefer", "affinity", "path", "none beside varnish", varnish="balancer"),
    bad("where it does not pass", "compression", "on", "off beside varnish", varnish="balancer"),
    bad("a group called Varnish", "groups", "varnish = /a", "that nothing else", varnish="front"),
    bad("Volto without a Plone site", "volto-address", "3000", "a line of sites with a Plone site"),
    bad(
        "Volto on every network",
        "volto-address",
        "*:3000",
        "where HAProxy reaches it",
        sites="* = /Plone",
    ),
    bad(
        "Volto as a program that is none",
        "volto-address",
        "127.0.0.1:3000 left",
        "the name of one of [supervisor] programs after 127.0.0.1:3000; there are none",
        sites="* = /Plone",
        buildout=True,
    ),
    bad(
        "one program for two addresses of Volto",
        "volto-address",
        "3000 left 3001 left",
        "each name once, not left again",
        sites="* = /Plone",
    ),
    bad(
        "Volto's second server, unnamed, beside a program of that name",
        "volto-address",
        "3000 volto2 3001",
        "each name once, not volto2 again",
        sites="* = /Plone",
    ),
    bad(
        "two names after one address of Volto",
        "volto-address",
        "3000 left right",
        "an address like",
        sites="* = /Plone",
    ),
    bad(
        "Volto where an instance listens",
        "volto-address",
        "127.0.0.1:8081",
        "another address than that of instance1",
        sites="* = /Plone",
        buildout=True,
    ),
    bad(
        "a host that has no site",
        "groups",
        "intranet = host intranet.example.org",
        "hosts that a line of sites shows",
        sites="www.example.org = /Plone",
    ),
    bad("unknown option", "instnaces", "4", "did you mean instances?", buildout=True),
    bad("unknown plural", "thread", "2", "did you mean threads?"),
    bad("underscore for hyphen", "http_address", "8080", "did you mean http-address?"),
    bad("capital", "Threads", "2", "did you mean threads?"),
    bad("shortened", "zeo-addr", "8400", "did you mean zeo-address?"),
    bad("like nothing known", "xyzzy", "1", "more, see docs/reference/options.rst"),
    bad("lines in an unknown option", "instance", "4\n5", "did you mean instances?"),
]

SECTIONS = [
    Bad(
        "[instance9] of four",
        "instance9",
        "instances",
        "4",
        "instance1 to instance4. Delete the section or raise instances.",
        {"instances": "4"},
        {"instance9": {"threads": "1"}},
        buildout=True,
    ),
    Bad(
        "[instance0]",
        "instance0",
        "instances",
        "4",
        "instance1 to instance4",
        {"instances": "4"},
        {"instance0": {}},
    ),
    Bad(
        "[instance01]",
        "instance01",
        "instances",
        "4",
        "instance1 to instance4",
        {"instances": "4"},
        {"instance01": {}},
    ),
    bad_section(
        "instance", "recipe", "plone.recipe.zope2instance", "delete this line", buildout=True
    ),
    bad_section("instance1", "recipe", "plone.recipe.zope2instance", "delete this line"),
    bad_section("instance2", "http-address", "9999", "change [stack] base-port"),
    bad_group("instances", "0", f"{NUMBER} 256"),
    bad_group("instances", "auto", f"{NUMBER} 256"),
    bad_group("threads", "none", f"{NUMBER} 64"),
    bad_group("timeout-queue", "soon", "a time like 60s"),
    bad_group("timeout-server", "1m", "at least the 120 seconds of request-timeout", buildout=True),
    bad_group("request-timeout", "1h", "hung-after, which it takes from [stack], to be at least"),
    bad_group("http-address", "8090", "change [stack] base-port"),
    bad_group("recipe", "zc.recipe.egg", "[rest] is a group of instances"),
    bad_section("instance", "user", "admin:admin", "change [stack] user"),
    bad_section("instance", "zeo-address", "9999", "change [stack] zeo-address"),
    bad_section("instance3", "zeo-client", "off", "delete this line"),
    bad_section("instance", "shared-blob", "off", "delete this line"),
    bad_section("instance", "blob-storage", "elsewhere", "change [stack] var"),
    bad_section("instance", "zeo-username", "me", "ZEO has no passwords since version 5"),
    bad_section("instance4", "var", "elsewhere", "change [stack] var"),
    bad_section("instance", "zserver-threads", "2", "call it threads"),
    bad_section("instance", "control-script", "zope", "delete this line"),
    bad_section("zeo", "zeo-address", "9999", "change [stack] zeo-address"),
    bad_section("zeo", "file-storage", "Other.fs", "change [stack] var"),
    bad_section("zeo", "recipe", "plone.recipe.zeoserver", "delete this line"),
    bad_section("supervisor", "recipe", "zc.recipe.egg", "delete this line"),
    bad_section("instance", "eggs", "Zope my.site", "'Zope my.site' is not one. Write one a line"),
    bad_section("instance2", "eggs", "Zope\n-e .", "'-e .' is not one. Write one a line"),
    bad_section("zeo", "eggs", "ZEO @ https://192.0.2.1/z.whl", "more than a name"),
    bad_section("instance", "threads", "two", f"{NUMBER} 64"),
    bad_section("instance1", "threads", "0", f"{NUMBER} 64", name="no thread in one"),
    bad_section("instance4", "threads", "65", f"{NUMBER} 64", name="65 threads in one"),
    bad_section("instance", "threads", "", f"{NUMBER} 64", name="empty threads for all"),
    bad_section("instance", "threads", SERVER, f"{NUMBER} 64", name="a server for all"),
    bad_section(
        "instance2", "threads", SERVER, f"{NUMBER} 64", name="a server in one", buildout=True
    ),
    bad_section("instance2", "threads", '1"', f"{NUMBER} 64", name="quote in one"),
    bad_section("instance", "switch-interval", "5", INTERVAL),
    bad_section("instance3", "switch-interval", "1s", INTERVAL, buildout=True),
]

REDIS = "10 redis /usr/bin/redis-server"
NOTHING_ELSE = "a name that nothing else has, not"
WITH_PASSWORD = "user and password in this section too"


def bad_programs(option: str, value: str, says: str, name: str = "", **more: str) -> Bad:
    """A wrong option of [supervisor], wrong because of ``more`` options if any are given."""
    return Bad(
        name or f"[supervisor] {option} = {value[:50]}",
        "supervisor",
        option,
        value,
        says,
        {"instances": "2", "extra-instances": "worker"},
        {"supervisor": {option: value, **more}},
        buildout=False,
    )


OWN_PROGRAMS = [
    bad_programs("programs", "redis /usr/bin/redis-server", "a line such as `10 name command`"),
    bad_programs("programs", "10 redis", "a line such as `10 name command`"),
    bad_programs("programs", "ten redis /bin/r", "a priority first, a whole number from 0 to 999"),
    bad_programs("programs", "1000 redis /bin/r", "a priority first, a whole number from 0 to 999"),
    bad_programs("programs", "-1 redis /bin/r", "a priority first, a whole number from 0 to 999"),
    bad_programs("programs", f"{REDIS} [--port 1", "all of it: `10 name (startsecs=5) command"),
    bad_programs("programs", f"{REDIS} [-v] [-w]", "all of it: `10 name (startsecs=5) command"),
    bad_programs("programs", f"{REDIS} /tmp true user more", "all of it: `10 name (startsecs=5)"),
    bad_programs("programs", f"{REDIS} ['x]", "arguments as a shell takes them (No closing"),
    bad_programs("programs", f"{REDIS} [a #b]", "no word that begins with ; or #"),
    bad_programs("programs", f"{REDIS} ;x", "no word that begins with ; or #"),
    bad_programs("programs", f"{REDIS} [a\x1b]", "characters that can be printed"),
    bad_programs("programs", f"{REDIS} /my;dir", UNSAFE),
    bad_programs("programs", "10 re:dis /bin/r", "a name of letters, digits and . _ -"),
    bad_programs("programs", "10 ../r /bin/r", "a name of letters, digits and . _ -"),
    bad_programs("programs", "10 redis (numprocs=2) /bin/r", "write a line for each process"),
    bad_programs("programs", "10 redis (priority=2) /bin/r", "write it as the first word"),
    bad_programs("programs", "10 redis (startsec=2) /bin/r", "did you mean startsecs?"),
    bad_programs("programs", "10 redis (startsecs) /bin/r", "options such as (startsecs=5)"),
    bad_programs("programs", "10 redis (startsecs=x) /bin/r", "a value of startsecs that"),
    bad_programs("programs", "10 redis (autostart=maybe) /bin/r", "a value of autostart that"),
    bad_programs("programs", "10 redis (stopsignal=BYE) /bin/r", "a value of stopsignal that"),
    bad_programs("programs", "10 redis (exitcodes=999) /bin/r", "a value of exitcodes that"),
    bad_programs("programs", "20 instance1 bin/instance1 [console]", f"{NOTHING_ELSE} instance1"),
    bad_programs("programs", "20 instance9 bin/instance9", f"{NOTHING_ELSE} instance9"),
    bad_programs("programs", "10 zeo bin/zeo", "If it is the one that zopestack makes, delete"),
    bad_programs("programs", "20 worker bin/worker", f"{NOTHING_ELSE} worker"),
    bad_programs("programs", "20 haproxy /usr/sbin/haproxy", f"{NOTHING_ELSE} haproxy"),
    bad_programs("programs", "20 all /bin/all", f"{NOTHING_ELSE} all"),
    bad_programs("programs", f"{REDIS}\n{REDIS}", "each name once, not redis again", "twice"),
    bad_programs("eventlisteners", "Memmon TICK_60", "a line such as `name TICK_60 command`"),
    bad_programs("eventlisteners", "Memmon TICK_61 memmon", "events of supervisord such as"),
    bad_programs("eventlisteners", "guard TICK_60 memmon", f"{NOTHING_ELSE} guard"),
    bad_programs(
        "eventlisteners", "redis TICK_60 memmon", "each name once", "both", programs=REDIS
    ),
    bad_programs(
        "eventlisteners",
        "Memmon TICK_60 bin/memmon [-p instance1=200MB]",
        "for instance1, use [stack] memory-limit",
    ),
    bad_programs(
        "eventlisteners",
        "Memmon TICK_60 bin/memmon [-c --program=redis=1GB --program=zeo=200MB]",
        "for zeo, use [stack] memory-limit",
    ),
    bad_programs(
        "eventlisteners", "Memmon TICK_60 bin/memmon [-a 200MB]", "for what zopestack makes, use"
    ),
    bad_programs(
        "eventlisteners",
        "HttpOk TICK_60 bin/httpok [-p site:worker -t 20 http://localhost:8080/]",
        "for worker, use the guard",
    ),
    bad_programs("groups", "caches redis", "a line such as `10 name program,program`"),
    bad_programs("groups", "x caches redis", "a priority first", programs=REDIS),
    bad_programs("groups", "10 caches redis,", "and  is none", programs=REDIS),
    bad_programs("groups", "10 caches redis,solr", "and solr is none", programs=REDIS),
    bad_programs("groups", "10 site zeo,instance1", "and zeo is none", programs=REDIS),
    bad_programs("groups", "10 redis redis", "each name once, not redis", programs=REDIS),
    bad_programs(
        "groups", "10 a redis\n10 b redis", "each program in one group", "in two", programs=REDIS
    ),
    bad_programs("plugins", "superlance @ https://192.0.2.1/z.whl", NAMES),
    bad_programs("port", "9001", WITH_PASSWORD),
    bad_programs("port", "*:9001", WITH_PASSWORD, user="operator"),
    bad_programs("port", "0.0.0.0:9001", WITH_PASSWORD, "a port without user", password="secret"),
    bad_programs("port", "[::1]:9001", "an address of IPv4", user="o", password="s"),
    bad_programs("port", "localhost:http", ADDRESS, user="o", password="s"),
    bad_programs("user", "operator", "port as well, such as port = 127.0.0.1:9001"),
    bad_programs("user", "an operator", "a name of letters", password="s", port="9001"),
    *(
        bad_programs(option, "x", remedy)
        for option, remedy in (
            ("http-socket", "delete this line: bin/supervisorctl uses a unix socket"),
            ("serverurl", "delete this line: bin/supervisorctl uses a unix socket"),
            ("childlogdir", "change [stack] var"),
            ("logfile", "change [stack] var"),
            ("logfile-maxbytes", "change [stack] log-size"),
            ("loglevel", "a supervisord.conf.j2 of your own"),
            ("env-path", "write (environment=PATH=...)"),
            ("include", "write each program as a line of programs"),
            ("supervisord-user", "start bin/supervisord as that user"),
        )
    ),
]

MAIL = [
    bad("no address", "guard-mail", "admin", "mail addresses like admin@example.com"),
    bad("a name beside it", "guard-mail", "Admin <a@example.com>", "'Admin' is not one"),
    bad("an option for an address", "guard-mail", "-f@example.com", "'-f@example.com' is not"),
    bad("an expansion in an address", "guard-mail", "%(here)s@example.com", "is not one"),
]

OWN_SECTION = "expected the name of a section of your own"
ROLES = [
    bad("no section of all", "instance-section", "", OWN_SECTION),
    bad("one instance for all", "instance-section", "instance1", OWN_SECTION),
    bad("a part for all", "instance-section", "zeoserver", "nothing else has, not zeoserver"),
    bad("the stack itself", "instance-section", "stack", "another section than [stack] itself"),
    bad("a reference for a section", "instance-section", "${base:name}", OWN_SECTION),
    bad("two sections", "instance-section", "one\ntwo", OWN_SECTION),
    bad("a group of its name", "groups", "base = /a", "nothing else", instance_section="base"),
    bad("one section twice", "instance-section", "worker", "another", extra_instances="worker"),
]

USERS = [
    bad("a password", "user", "admin:admin", "the password is generated", buildout=True),
    bad("an empty password", "user", "admin:", "a name without a password"),
    bad("no user", "user", "", "a name of letters"),
    bad("two words", "user", "the admin", "a name of letters"),
    bad("quote in a user", "user", "o'brien", "a name of letters"),
    bad("double quote in a user", "user", 'x"y', "a name of letters"),
    bad("a command behind a user", "user", "admin\ncommand=/bin/sh", "a name of letters"),
    bad("supervisord's expansion", "user", "%(here)s", "a name of letters"),
    bad("a shell's expansion", "user", "$USER", "a name of letters"),
    bad("an option for a user", "user", "-c", "a name of letters"),
    bad("comment in a user", "user", "admin;x", "a name of letters"),
    bad("letters past ASCII", "user", "\u00e4dmin", "a name of letters"),
    bad("65 letters", "user", "a" * 65, "at most 64 long"),
    bad("NUL in a user", "user", "admin\0", "a name of letters"),
]

EGGS = [
    bad("no eggs", "eggs", "", NAMES),
    bad("an option for an egg", "eggs", "Zope -e .", "'-e' is not one"),
    bad("an index for an egg", "eggs", "--index-url=http://192.0.2.1", NAMES),
    bad("a path for an egg", "eggs", "../mine", "'../mine' is not one"),
    bad("a single =", "eggs", "Zope=6.3", "'Zope=6.3' is not one"),
    bad("spaces around >=", "eggs", "Zope >= 6", "'>=' is not one"),
    bad("a URL for an egg", "eggs", "Zope@https://192.0.2.1/z.whl", "more than a name"),
    bad("a marker", "eggs", "Zope;python_version>'3'", "more than a name"),
    bad("code behind an egg", "eggs", "Zope\n'''+evil()", NAMES),
    bad("quote in an egg", "eggs", 'Zope=="6"', NAMES),
    bad("NUL in an egg", "eggs", "Zope\0", NAMES),
]

PROGRAMS = [
    bad("no HAProxy", "haproxy", "not-haproxy", "2.6 or later, or auto", buildout=True),
    bad("an old HAProxy", "haproxy", "old-haproxy", "old-haproxy is HAProxy 1.8.19", buildout=True),
    bad("a file that is no program", "haproxy", "not-a-program", "2.6 or later, or auto"),
    bad("nothing there", "haproxy", "nowhere", "2.6 or later, or auto"),
    bad("a directory for HAProxy", "haproxy", ".", "2.6 or later, or auto"),
    bad("what reads its input", "haproxy", "/bin/cat", "2.6 or later, or auto"),
    bad("empty HAProxy", "haproxy", "", "a path, or auto"),
    bad("HAProxy with arguments", "haproxy", "/usr/sbin/haproxy -d", UNSAFE),
    bad("a line behind HAProxy", "haproxy", "/bin/sh\nuser=root", UNSAFE),
    bad("quote in HAProxy", "haproxy", "/opt/'x", UNSAFE),
    bad("expansion in HAProxy", "haproxy", "%(here)s/haproxy", UNSAFE),
    bad("a name too long", "haproxy", "x" * 300, "2.6 or later, or auto"),
]

PATHS = [
    bad("missing templates", "templates", "nowhere", "a directory", buildout=True),
    bad("a file for templates", "templates", "plain-file", "a directory"),
    bad("templates of a long name", "templates", "x" * 300, "a directory"),
    bad("space in templates", "templates", "my templates", UNSAFE),
    bad("lines in templates", "templates", "mine\nyours", UNSAFE),
    bad("no var", "var", "", "a path"),
    bad("quote in var", "var", "it's", UNSAFE, buildout=True),
    bad("double quote in var", "var", 'a"b', UNSAFE),
    bad("space in var", "var", "my var", UNSAFE),
    bad("lines in var", "var", "v\n[program:evil]\ncommand=/bin/sh", UNSAFE),
    bad("carriage return in var", "var", "a\rb", UNSAFE),
    bad("NUL in var", "var", "a\0b", UNSAFE, buildout=True),
    bad("escape in var", "var", "a\x1b[2Jb", UNSAFE),
    bad("line separator in var", "var", "a\u2028b", UNSAFE),
    bad("half a character in var", "var", "a\udcffb", UNSAFE),
    bad("percent in var", "var", "100%", UNSAFE),
    bad("dollar in var", "var", "$HOME/var", UNSAFE),
    bad("semicolon in var", "var", "a;b", UNSAFE),
    bad("comment in var", "var", "a#b", UNSAFE),
    bad("backslash in var", "var", "a\\b", UNSAFE),
    bad("braces in var", "var", "{a,b}", UNSAFE),
    bad("comma in var", "var", "a,b", UNSAFE),
    bad("colon in var", "var", "a:b", UNSAFE),
    bad("nobody's home", "var", "~no-such-user-here/var", "home of a user"),
    bad("a file for var", "var", "plain-file", "plain-file is not one"),
    bad("below a file", "var", "plain-file/var", "plain-file is not one"),
    bad("var in parts", "var", "parts/zeo", "which bin/buildout empties"),
    bad("var in parts, roundabout", "var", "x/../parts", "which bin/buildout empties"),
    bad("no room for a socket", "var", "v" * 90, "a shorter path: the unix socket"),
]

IN_ANOTHER = "/here/x is in one = /here"
MOUNTS = "lines like intranet = /intranet"
TWO = "one = /here\n"

DATABASES = [
    bad("no mount point", "databases", "intranet", f"{MOUNTS}; 'intranet' is not one"),
    bad(
        "a name with a slash",
        "databases",
        "../x = /x",
        "'../x' is no name of a file",
        buildout=True,
    ),
    bad("a name in capitals", "databases", "Data = /x", "'Data' is no name of a file"),
    bad("no database", "databases", "= /x", "'' is no name of a file"),
    bad("a long name", "databases", f"{'x' * 32} = /x", "at most 31 long"),
    bad("a section in a name", "databases", "x> = /x", "'x>' is no name of a file"),
    bad("the main one again", "databases", "main = /x", "main is the name of another database"),
    bad("the temporary one", "databases", "temporary = /x", "temporary is the name of another"),
    bad("a database twice", "databases", f"{TWO}one = /there", "one is given twice. Delete one"),
    bad("a mount point twice", "databases", f"{TWO}two = /here", "none mounted in another; two ="),
    bad("one mounted in another", "databases", f"{TWO}two = /here/x", f"two = {IN_ANOTHER}"),
    bad("one around another", "databases", "two = /here/x\none = /here", IN_ANOTHER),
    bad("the root", "databases", "x = /", "Mount x below it", buildout=True),
    bad("a relative one", "databases", "x = y", "'y' is no path"),
    bad("one that ends in a slash", "databases", "x = /y/", "'/y/' is no path"),
    bad("two mount points", "databases", "x = /y /z", "'/y /z' is no path"),
    bad("a view", "databases", "x = /@@y", "'/@@y' is no path"),
    bad("a private one", "databases", "x = /_y", "'/_y' is no path"),
    bad("Zope's own", "databases", "x = /aq_parent", "'/aq_parent' is no path"),
    bad("the request", "databases", "x = /REQUEST", "'/REQUEST' is no path"),
    bad("a virtual host", "databases", "x = /VirtualHostBase", "'/VirtualHostBase' is no path"),
    bad("one that leads out", "databases", "x = /y/../z", "'/y/../z' is no path"),
    bad("another real path", "databases", "x = /y:/z", "'/y:/z' is no path"),
]

WHEN = "like hourly keep 48, daily 02:30 keep 14"
PACKED = "like weekly keep 7d"
DAILY = "daily 02:30 keep 14"

BACKUPS = [
    bad("no number of backups", "backup", "daily 02:30", WHEN, buildout=True),
    bad("no backup kept", "backup", "daily 02:30 keep 0", WHEN),
    bad("backups kept by days", "backup", "daily 02:30 keep 14d", WHEN),
    bad("half past 24", "backup", "daily 24:30 keep 14", WHEN),
    bad("a time without zero", "backup", "daily 2:30 keep 14", WHEN),
    bad("a day every day", "backup", "daily monday 02:30 keep 14", WHEN),
    bad("a time every hour", "backup", "hourly 02:30 keep 14", WHEN),
    bad("no such day", "backup", "weekly someday 02:30 keep 8", WHEN),
    bad("a cron expression", "backup", "30 2 * * *", WHEN),
    bad("on for a backup", "backup", "on", WHEN),
    bad("lines in backup", "backup", "daily 02:30 keep 14\n[program:evil]", WHEN),
    bad("no days of history", "pack", "weekly", PACKED, buildout=True),
    bad("a number of packs", "pack", "weekly keep 7", PACKED),
    bad("negative days", "pack", "weekly keep -1d", PACKED),
    bad("no directory", "backup-directory", "", "a path"),
    bad(
        "backups in var", "backup-directory", "var/backups", "outside", backup=DAILY, buildout=True
    ),
    bad("backups are var", "backup-directory", "x/../var", "outside", backup=DAILY),
    bad("backups in parts", "backup-directory", "parts/b", "bin/buildout empties", backup=DAILY),
    bad("a file for backups", "backup-directory", "plain-file", "is not one", backup=DAILY),
    bad("backups below a file", "backup-directory", "plain-file/b", "write to", backup=DAILY),
]

STORAGES = [
    bad("another storage", "storage", "mysql", "expected zeo, relstorage, external", buildout=True),
    bad("ZEO in capitals", "storage", "ZEO", "expected zeo, relstorage, external"),
    bad("no storage", "storage", "", "expected zeo, relstorage, external"),
    bad("a server elsewhere", "zeo-address", "zeo.example.com:8100", "takes storage = external"),
    bad("elsewhere, on every network", "zeo-address", "*:1", "one server", storage="external"),
    bad(
        "elsewhere without a port", "zeo-address", "zeo.example.com", "port is", storage="external"
    ),
    bad("elsewhere, lines", "zeo-address", "zeo:1\nx", "port is", storage="external"),
    bad("a key alone", "zeo-key", "plain-file", "zeo-certificate to be set as well", buildout=True),
    bad("authorities alone", "zeo-authenticate", "plain-file", "zeo-certificate to be set as well"),
    bad("a host alone", "zeo-server-hostname", "zeo", "zeo-certificate to be set as well"),
    bad("a host with a port", "zeo-server-hostname", "zeo:8400", "a host name without a port"),
    bad("lines in a host", "zeo-server-hostname", "zeo\nx", "a host name without a port"),
    bad("code for a password", "zeo-password-function", "getpass.getuser()", "can be imported"),
    bad("no module", "zeo-password-function", "getuser", "a function that can be imported"),
    bad("a switch in Python", "zeo-check-hostname", "False", "on or off"),
    bad("whose clients", "zeo-certificate", "plain-file", "zeo-authenticate to be set"),
    bad(
        "an empty certificate",
        "zeo-certificate",
        "plain-file",
        "plain-file has no private key",
        storage="external",
        buildout=True,
    ),
    bad("no certificate", "zeo-certificate", "nowhere", "that you can read", storage="external"),
    bad("ZEO of another storage", "zeo-address", "8401", "has no ZEO", storage="relstorage"),
    bad("its blobs in var", "shared-blob", "on", "nothing with storage = zeo"),
    bad("its blobs elsewhere", "blob-storage", "blobs", "nothing with storage = zeo: set var"),
    bad("blobs nowhere", "shared-blob", "on", "blob-storage to be set", storage="external"),
    bad(
        "blobs that are not mounted",
        "blob-storage",
        "nowhere",
        "is not there. Mount it first",
        storage="external",
        shared_blob="on",
        buildout=True,
    ),
]

#: Addresses of every machine, so that a test may be any of the hosts.
ONE, TWO, DB = "one 127.0.0.2 balancer", "two 127.0.0.3 instances=2", "db 127.0.0.4 storage"
SEVERAL = f"{ONE}\n{TWO}\n{DB}"
PAIR = f"{SEVERAL}\nlb2 127.0.0.6 balancer"
LINES = "lines like lb1 10.0.0.1 balancer"

HOSTS = [
    bad("a name alone", "hosts", "one", f"{LINES}, app1", buildout=True),
    bad("a host without an address", "hosts", "one balancer", "'balancer' is not an IP address"),
    bad("a host by its name", "hosts", "one one.example.com balancer", "is not an IP address"),
    bad("a port of a host", "hosts", "one 10.0.0.1:80 balancer", "is not an IP address"),
    bad(
        "a host on every network", "hosts", "one 0.0.0.0 balancer", "not the address of one machine"
    ),
    bad("a host without a role", "hosts", f"{ONE}\ntwo 127.0.0.3", "gives two no role"),
    bad("a host in capitals", "hosts", "LB1 10.0.0.1 balancer", "'LB1' is not a host's name"),
    bad("a host with a domain", "hosts", "a.b 10.0.0.1 balancer", "'a.b' is not a host's name"),
    bad("a section for a host", "hosts", "[x] 10.0.0.1 balancer", "'[x]' is not a host's name"),
    bad("an unknown role", "hosts", "one 10.0.0.1 balancr", "did you mean balancer?"),
    bad("a number of balancers", "hosts", "one 10.0.0.1 balancer=2", "is not a role"),
    bad("no number of instances", "hosts", "one 10.0.0.1 instances", "did you mean instances=4?"),
    bad("no instance on a host", "hosts", "one 10.0.0.1 instances=0", f"instances is {NUMBER}"),
    bad("one host twice", "hosts", f"{ONE}\none 127.0.0.9 storage", "each host once, not one"),
    bad(
        "one address twice",
        "hosts",
        f"{ONE}\ntwo 127.0.0.2 storage",
        "one and two have 127.0.0.2",
        buildout=True,
    ),
    bad("no balancer", "hosts", f"{TWO}\n{DB}", "no host has the role balancer"),
    bad("no host with instances", "hosts", f"{ONE}\n{DB}", "no host has the role instances=4"),
    bad("no host with storage", "hosts", f"{ONE}\n{TWO}", "storage, where ZEO runs", host="one"),
    bad(
        "two hosts with ZEO",
        "hosts",
        f"{SEVERAL}\nbase 127.0.0.5 storage",
        "one host with the role storage, where ZEO runs, not 2",
        host="one",
        buildout=True,
    ),
    bad(
        "storage of an external one",
        "hosts",
        SEVERAL,
        "no host with the role storage",
        host="one",
        storage="external",
    ),
    bad(
        "storage nowhere",
        "hosts",
        f"{ONE}\n{TWO}",
        "a host with the role storage, where backups are made",
        host="one",
        storage="relstorage",
    ),
    bad(
        "another machine's address",
        "hosts",
        f"{SEVERAL}\nother 192.0.2.1 instances=1",
        "an address of this machine in the line of other",
        host="other",
        buildout=True,
    ),
    bad("a host in no line", "host", "three", "under hosts: one, two, db", hosts=SEVERAL),
    bad("the machine in no line", "host", "", "; this machine's host name is", hosts=SEVERAL),
    bad("a host of none", "host", "one", "hosts to be set as well", buildout=True),
    bad("a host that is no name", "host", "one two", "the name of a host in a line of hosts"),
    bad("half a virtual address", "virtual-address", "10.0.0", "an IP address without a port"),
    bad("a mask of one", "virtual-address", "10.0.0.100/24", "without a port or a mask"),
    bad("a virtual network", "virtual-address", "0.0.0.0", "not the address of one machine"),
    bad("a virtual address alone", "virtual-address", "10.0.0.100", "two hosts with the role"),
    bad("one for one balancer", "virtual-address", "10.0.0.100", "two hosts with", hosts=SEVERAL),
    bad("one that a host has", "virtual-address", "127.0.0.2", "not one host's own", hosts=PAIR),
    bad("one of IPv6", "virtual-address", "2001:db8::1", "as the balancers' own", hosts=PAIR),
    bad(
        "one that HAProxy could not have",
        "virtual-address",
        "127.0.0.100",
        "an http-address of every network",
        hosts=PAIR,
        host="one",
    ),
    bad("no port for peers", "peers-port", "0", f"{NUMBER} 65535"),
    bad(
        "peers on the site's port",
        "http-address",
        "*:8405",
        "haproxy (other balancers) would both listen",
        hosts=PAIR,
        host="one",
    ),
    bad("ZEO on a host", "zeo-address", "127.0.0.4:1", "a port alone", hosts=SEVERAL, host="one"),
    bad("ZEO by name", "zeo-address", "db:1", "a port alone", hosts=SEVERAL, host="one"),
    bad(
        "instances beside hosts", "instances", "4", "nothing with hosts", hosts=SEVERAL, host="one"
    ),
]

#: Where a scheduler starts instances, and what these are told.
FOUND = "zope.example.internal:8081 up-to=20"
OUTSIDE = {"outside_balancers": "10.0.0.5", "storage": "external", "zeo_address": "zeo:8400"}

SCHEDULED = [
    bad("an address to discover", "discover", "10.0.0.1:8081 up-to=2", "not a name in DNS"),
    bad(
        "a name in DNS in capitals", "discover", "Zope:8081 up-to=2", "not a name in DNS, in lower"
    ),
    bad("a part that is too long", "discover", f"{'a' * 64}:8081 up-to=2", "not a name in DNS"),
    bad("a name that is too long", "discover", f"{'a.' * 127}b:1 up-to=2", "not a name in DNS"),
    bad("an empty part", "discover", "zope..internal:8081 up-to=2", "not a name in DNS"),
    bad(
        "two words for HAProxy", "discover", "zope\n:8081 up-to=2", "write the port after the name"
    ),
    bad(
        "a name without a port", "discover", "zope.example up-to=2", "write the port after the name"
    ),
    bad("a port that is none", "discover", "zope:http up-to=2", f"the port is {NUMBER} 65535"),
    bad("a port too high", "discover", "zope:65536 up-to=2", f"the port is {NUMBER} 65535"),
    bad("no greatest number", "discover", "zope:8081", "up-to is missing", buildout=True),
    bad("no instance up to", "discover", "zope:8081 up-to=0", f"up-to is {NUMBER} 256"),
    bad("too many up to", "discover", "zope:8081 up-to=257", f"up-to is {NUMBER} 256"),
    bad("up to nothing", "discover", "zope:8081 up-to=", f"up-to is {NUMBER} 256"),
    bad("up to twice", "discover", "zope:8081 up-to=2 up-to=3", "up-to once"),
    bad("an unknown word", "discover", "zope:8081 upto=2", "did you mean up-to=20?"),
    bad("no number of an agent", "discover", "zope:8081 up-to=2 agent=x", "agent, by default"),
    bad("no port above", "discover", "zope:65000 up-to=2", "by default 1000 above the port, is"),
    bad("an agent's port", "discover", "zope:81 up-to=2 agent=81", "another port than that of"),
    bad("half a service", "discover", "_zope.consul up-to=2 agent=81", "the name has no service"),
    bad(
        "a service's port", "discover", "_z._tcp.x:81 up-to=2 agent=82", "SRV records have the port"
    ),
    bad("a service's agents", "discover", "_z._tcp.x up-to=2", "agent is missing"),
    bad("discovery with hosts", "discover", FOUND, "nothing with hosts", hosts=SEVERAL, host="one"),
    bad("lines of no use", "backend-extra", "plain-file", "empty beside", varnish="balancer"),
    bad("discovery by Varnish", "discover", FOUND, "empty beside varnish", varnish="balancer"),
    bad("discovery of oneself", "discover", FOUND, "nothing with outside-balancers", **OUTSIDE),
    bad(
        "groups of none",
        "groups",
        "a = /a",
        "nothing with instances = 0",
        instances="0",
        discover=FOUND,
    ),
    bad(
        "an extra one of none",
        "extra-instances",
        "worker",
        "nothing with instances = 0",
        instances="0",
        discover=FOUND,
    ),
    bad(
        "callbacks of none",
        "callback-instances",
        "1",
        "nothing with instances = 0",
        instances="0",
        discover=FOUND,
    ),
    bad(
        "name servers for nothing",
        "resolvers",
        "10.0.0.2:53",
        "discover to be set as well",
        buildout=True,
    ),
    bad("a name server by name", "resolvers", "dns:53", ADDRESS, discover=FOUND),
    bad("name servers everywhere", "resolvers", "*:53", "not of every network", discover=FOUND),
    bad(
        "a name server twice",
        "resolvers",
        "[::1]:53 [::1]:53",
        "each name server once",
        discover=FOUND,
    ),
    bad("a balancer by name", "outside-balancers", "lb", "'lb' is not an IP address"),
    bad(
        "a network of them", "outside-balancers", "10.0.0.0/8", "'10.0.0.0/8' is not an IP address"
    ),
    bad("every balancer", "outside-balancers", "0.0.0.0", "not the address of one machine"),
    bad("two families", "outside-balancers", "10.0.0.1 ::1", "all of IPv4 or all of IPv6"),
    bad(
        "a balancer and hosts",
        "outside-balancers",
        "10.0.0.1",
        "nothing with hosts",
        hosts=SEVERAL,
        host="one",
    ),
    bad(
        "a database each",
        "outside-balancers",
        "10.0.0.1",
        "storage = relstorage or external",
        buildout=True,
    ),
]

BAD: list[Bad] = [
    *HOSTS,
    *SCHEDULED,
    *NUMBERS,
    *DATABASES,
    *STORAGES,
    *ADDRESSES,
    *COLLISIONS,
    *SPEED,
    *OPERATING,
    *LOGS,
    *NAMED_WRONG,
    *SECTIONS,
    *OWN_PROGRAMS,
    *MAIL,
    *ROLES,
    *USERS,
    *EGGS,
    *PROGRAMS,
    *PATHS,
    *BACKUPS,
]

#: Templates that cannot be rendered, or not to what HAProxy accepts; see ``describe``.
TEMPLATES = [
    bad("syntax error", "templates", "syntax", "syntax/haproxy.cfg.j2, line "),
    bad("unknown variable", "templates", "unknown", "unknown/haproxy.cfg.j2, line "),
    bad("unknown beside a digest", "templates", "digest", "digest/supervisord.conf.j2, line "),
    bad("what HAProxy refuses", "templates", "refused", "HAProxy does not accept"),
]
