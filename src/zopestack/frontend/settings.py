"""From the values of the options of [stack] to a Frontend: what depends on more than one."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zc.buildout import UserError

from zopestack.frontend import tls, webroot
from zopestack.frontend.model import Acme, Extra, Frontend, Tls
from zopestack.frontend.values import SELF_SIGNED

logger = logging.getLogger(__name__)

#: What begins a section of haproxy.cfg (its manual, "Configuration file format").
SECTIONS = re.compile(
    "(backend|cache|crt-store|defaults|fcgi-app|frontend|global|http-errors|listen|log-forward"
    r"|log-profile|mailers|peers|program|resolvers|ring|traces|userlist)(\s|$)"
)

#: Makes the error for an option: its name, its value and what it takes.
Complain = Callable[[str, str, object], UserError]


def read(given: Mapping[str, Any], base: Path, var: Path, complain: Complain) -> Frontend:
    """The Frontend that the options describe.

    :param given: the parsed options by name.
    :param base: directory that relative paths start from.
    :raises UserError: where options contradict each other or name what is not there.
    """
    sites, redirects = given["sites"]
    if given["proxy-protocol"] and not given["trusted-proxies"]:
        raise complain(
            "proxy-protocol", "on", "trusted-proxies to be set: anyone else could claim any address"
        )
    frontend = Frontend(
        sites=sites,
        redirects=redirects,
        tls=_tls(given, base, var, complain),
        acme=_acme(given, base, complain),
        trusted_proxies=given["trusted-proxies"],
        proxy_protocol=given["proxy-protocol"],
        admin_networks=given["admin-networks"],
        methods=given["methods"],
        max_body=given["max-body-size"],
        connections_per_address=given["connections-per-address"],
        requests_per_address=given["requests-per-address"],
        concurrent_requests_per_address=given["concurrent-requests-per-address"],
        concurrent_uploads_per_address=given["concurrent-uploads-per-address"],
        header_timeout=given["timeout-http-request"],
        queue_timeout=given["timeout-queue"],
        queue_limit=given["queue-limit"],
        priorities=given["queue-priorities"],
        affinity=given["affinity"],
        cache_megabytes=given["static-cache"],
        access_log=given["access-log"],
        frontend_extra=_extra("frontend-extra", given, base, complain),
        backend_extra=_extra("backend-extra", given, base, complain),
    )
    if frontend.tls and not frontend.tls.self_signed:
        for objection in tls.objections(frontend.tls.given, tls.hosts(frontend)):
            logger.warning("tls-certificate: %s. Browsers will warn of it.", objection)
    if frontend.acme and frontend.acme.directory:
        for objection in webroot.objections(frontend.acme.directory):
            logger.warning(
                "acme-challenge: %s. Whoever may write there can stop HAProxy, with a named pipe.",
                objection,
            )
    return frontend


def _tls(given: Mapping[str, Any], base: Path, var: Path, complain: Complain) -> Tls | None:
    address, certificate = given["https-address"], given["tls-certificate"]
    if address is None:
        if certificate is not None:
            raise complain(
                "tls-certificate", str(certificate), "https-address to be set, such as *:443"
            )
        return None
    if certificate is None:
        raise complain(
            "https-address", str(address), f"tls-certificate to be set: a path, or {SELF_SIGNED}"
        )
    self_signed = certificate == SELF_SIGNED
    source = None
    if self_signed:
        path = var / "tls" / "self-signed.pem"
    else:
        path = base / certificate
        try:
            tls.check(path)
        except tls.Unusable as why:
            raise complain("tls-certificate", str(certificate), why) from None
        if tls.is_certbot(path):
            source, path = path, var / "tls" / "certbot.pem"
    return Tls(
        address=address,
        certificate=path,
        source=source,
        self_signed=self_signed,
        redirect=given["http-redirect"],
        hsts=0 if self_signed else given["hsts"],
    )


def _acme(given: Mapping[str, Any], base: Path, complain: Complain) -> Acme | None:
    acme: Acme | None = given["acme-challenge"]
    if acme is None or acme.directory is None:
        return acme
    directory = base / acme.directory
    if not directory.is_dir():
        raise complain(
            "acme-challenge", str(acme.directory), f"a directory or a port; {directory} is none"
        )
    return Acme(directory=directory)


def _extra(option: str, given: Mapping[str, Any], base: Path, complain: Complain) -> Extra | None:
    if given[option] is None:
        return None
    file = base / given[option]
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as why:
        raise complain(option, str(given[option]), f"a text file; {why}") from None
    for number, line in enumerate(lines, 1):
        if found := SECTIONS.match(line.strip()):
            raise complain(
                option,
                str(given[option]),
                f"lines for the inside of a section; `{found[1]}` in line {number} begins another. "
                "That belongs into a haproxy.cfg.j2 of your own, see templates",
            )
    return Extra(option, file, tuple(lines))
