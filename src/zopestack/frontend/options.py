"""The options of [stack] for the front door; part of the one table in ``options``."""

from __future__ import annotations

from zopestack import values
from zopestack.frontend import sites
from zopestack.frontend import values as own
from zopestack.option import Option

FRONTEND: tuple[Option, ...] = (
    Option(
        "sites",
        sites.sites,
        "",
        "Lines ``www.example.com = /Plone``, ``example.com/intranet = /intranet``, "
        "``example.com -> www.example.com``; ``* = /Plone`` for any other host, which "
        "gets 421 without it.",
    ),
    Option(
        "https-address",
        own.optional_address,
        "",
        "Where the site is served over https, such as ``*:443``.",
    ),
    Option(
        "tls-certificate",
        own.certificate,
        "",
        "PEM file with certificate, chain and key, or a directory of such files; "
        "``self-signed`` makes one for trying out.",
    ),
    Option(
        "http-redirect",
        own.switch,
        "on",
        "With ``https-address``: whether http only leads to https.",
    ),
    Option(
        "hsts",
        own.days,
        "730d",
        "For how long browsers that came over https shall use nothing else; ``off`` for no "
        "such promise. Never made with a self-signed certificate.",
    ),
    Option(
        "acme-challenge",
        own.acme,
        "",
        "The webroot directory, or the port, where certbot answers for its challenges.",
    ),
    Option(
        "trusted-proxies",
        own.networks,
        "",
        "Networks whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed.",
    ),
    Option(
        "proxy-protocol",
        own.switch,
        "off",
        "Whether the trusted proxies speak the PROXY protocol.",
    ),
    Option(
        "admin-networks",
        own.networks,
        "",
        "The only networks that reach Zope's management interface, and what only Manager may "
        "call; all where it is empty.",
    ),
    Option(
        "methods",
        own.methods,
        "GET HEAD POST PUT PATCH DELETE OPTIONS",
        "Request methods that reach Zope; any other gets 405.",
    ),
    Option(
        "max-body-size",
        own.size,
        "1GB",
        "The largest body of a request; a larger one gets 413.",
    ),
    Option(
        "connections-per-address",
        own.count,
        "200",
        "Connections one client may have open; more are closed at once. ``off`` for any number.",
    ),
    Option(
        "requests-per-address",
        own.count,
        "1000",
        "Requests of one client in 10 seconds; more get 429. ``off`` for any number.",
    ),
    Option(
        "concurrent-requests-per-address",
        own.count,
        # Below the 80 slots that one instance lends.
        "64",
        "Requests of one client in progress at once, slow downloads included; one more gets 429. "
        "``off`` for any number.",
    ),
    Option(
        "concurrent-uploads-per-address",
        own.optional_size,
        "100MB",
        "Bytes of request bodies that one client may be sending at once, beside one of any size; "
        "more get 429. ``off`` for any number.",
    ),
    Option(
        "timeout-http-request",
        values.seconds,
        "10s",
        "How long a client gets for the headers of a request, and for the start of its body.",
    ),
    Option(
        "timeout-queue",
        values.seconds,
        "30s",
        "How long a request waits for a free thread before it gets 503.",
    ),
    Option(
        "queue-limit",
        own.count,
        "1000",
        "Requests that may wait for a thread; one more gets 503 at once. ``off`` for any number.",
    ),
    Option(
        "queue-priorities",
        own.switch,
        "off",
        "Whether logged-in users go before others in the queue, and known crawlers last.",
    ),
    Option(
        "affinity",
        own.affinity,
        "none",
        "Whether requests of one visitor (``cookie``), one logged-in user (``authenticated``) "
        "or one ``path`` go to the same instance while it is free.",
    ),
    Option(
        "callback-instances",
        own.callbacks,
        "0",
        "Instances in addition, for requests that the others send to the site themselves.",
    ),
    Option(
        "static-cache",
        own.cache,
        "off",
        "Memory of HAProxy's cache for what may be cached, such as ``64MB``.",
    ),
    Option(
        "access-log",
        own.switch,
        "on",
        "Whether HAProxy writes a line for every request to ``var/log/access.log``.",
    ),
    Option(
        "frontend-extra",
        values.optional_path,
        "",
        "A file whose lines go into HAProxy's front end, after zopestack's own rules.",
    ),
    Option(
        "backend-extra",
        values.optional_path,
        "",
        "A file whose lines go into the back end of the instances.",
    ),
)
