"""What the front door does with visitors: sites, TLS, limits and lanes.

Pure data, part of the Stack; ``frontend.settings`` builds and checks it. What each option
means stands in ``frontend.options``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zopestack.address import Address

#: Trusted proxies one behind the other: a CDN, a balancer, a local proxy, and one to spare.
MOST_PROXIES = 4


@dataclass(frozen=True)
class Site:
    """A host name, or a part of it, and the object in Zope that it shows.

    :param host: in lower case, with a port where one was written; ``*`` for any other host.
    :param path: the sub-path of the host, ``/intranet``; empty for the whole host.
    :param root: the path in Zope without a slash at its end, ``/Plone``; empty for Zope's root.
    """

    host: str
    path: str
    root: str

    @property
    def in_zope(self) -> str:
        """Where in Zope its URLs begin, in VirtualHostMonster's form (Zope's documentation,
        "Virtual Hosting").
        """
        return f"{self.root}/VirtualHostRoot{self.path.replace('/', '/_vh_')}"


@dataclass(frozen=True)
class Redirect:
    """A host name that only leads to another one."""

    host: str
    target: str


@dataclass(frozen=True)
class Tls:
    """https.

    :param certificate: what HAProxy is given: a PEM file, or a directory of such.
    :param source: certbot's directory, where ``certificate`` is only a link into it.
    :param self_signed: whether zopestack makes the certificate, for trying out.
    :param redirect: whether http only leads to https.
    :param hsts: seconds for which browsers shall use https only; 0 for no such header.
    """

    address: Address
    certificate: Path
    source: Path | None
    self_signed: bool
    redirect: bool
    hsts: int

    @property
    def given(self) -> Path:
        """What the user has named, or is made for them."""
        return self.source or self.certificate

    @property
    def hsts_days(self) -> int:
        """The same in days."""
        return self.hsts // 86400


@dataclass(frozen=True)
class Acme:
    """Where the challenges of a certificate authority are answered: a directory or a port."""

    directory: Path | None = None
    address: Address | None = None


@dataclass(frozen=True)
class Extra:
    """Lines of the user's own for haproxy.cfg, the file that they are from, and the option
    that names it.
    """

    option: str
    file: Path
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Frontend:
    """The front frontend.

    :param sites: the longest sub-paths of a host first, ``*`` last.
    :param trusted_proxies: networks whose ``X-Forwarded-*`` is believed.
    :param proxy_protocol: whether these speak the PROXY protocol.
    :param admin_networks: the only ones from which the management interface is reached, and
        what only Manager may call; empty for all.
    :param methods: request methods that reach Zope.
    :param max_body: bytes of a request's body.
    :param connections_per_address: open at once from one client; 0 for any number.
    :param requests_per_address: in 10 seconds from one client; 0 for any number.
    :param concurrent_requests_per_address: in progress at once from one client; 0 for any number.
    :param concurrent_uploads_per_address: bytes of bodies that one client may be sending at once,
        beside one of any size; 0 for any number.
    :param header_timeout: seconds a client gets for a request's headers, and again for the
        first 15 kB of its body.
    :param queue_timeout: seconds a request waits for a free thread.
    :param queue_limit: requests that may wait at once; 0 for any number.
    :param priorities: whether logged-in users go before others in the queue, and crawlers last.
    :param affinity: none, cookie, authenticated or path.
    :param cache_megabytes: of HAProxy's own cache; 0 for none.
    :param access_log: whether every request is logged.
    :param frontend_extra: lines of the user's own for the front end.
    :param backend_extra: the same for the back end.
    """

    sites: tuple[Site, ...] = ()
    redirects: tuple[Redirect, ...] = ()
    tls: Tls | None = None
    acme: Acme | None = None
    trusted_proxies: tuple[str, ...] = ()
    proxy_protocol: bool = False
    admin_networks: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("GET", "HEAD", "POST")
    max_body: int = 1 << 30
    connections_per_address: int = 0
    requests_per_address: int = 0
    concurrent_requests_per_address: int = 0
    concurrent_uploads_per_address: int = 0
    header_timeout: int = 10
    queue_timeout: int = 30
    queue_limit: int = 0
    priorities: bool = False
    affinity: str = "none"
    cache_megabytes: int = 0
    access_log: bool = True
    frontend_extra: Extra | None = None
    backend_extra: Extra | None = None

    @property
    def https_only(self) -> bool:
        """Whether http only leads to https."""
        return self.tls is not None and self.tls.redirect

    @property
    def https_suffix(self) -> str:
        """What follows the host name in URLs over https."""
        port = self.tls.address.port if self.tls else 443
        return "" if port == 443 else f":{port}"

    @property
    def redirect_scheme(self) -> str:
        """The scheme of another host that a redirect leads to, as HAProxy's log-format."""
        return "https" if self.https_only else "%[var(txn.scheme)]"

    @property
    def extras(self) -> tuple[Extra, ...]:
        """The user's own lines, those for the front end first."""
        return tuple(extra for extra in (self.frontend_extra, self.backend_extra) if extra)

    @property
    def believes_headers(self) -> bool:
        """Whether proxies tell of the visitor in ``X-Forwarded-*``.

        One that speaks the PROXY protocol has told of the visitor by that, and passes on
        headers as the visitor sent them.
        """
        return bool(self.trusted_proxies) and not self.proxy_protocol

    @property
    def hops(self) -> range:
        """Places in ``X-Forwarded-For``, from its end, where another proxy may stand."""
        return range(2, MOST_PROXIES + 1)

    @property
    def counted_at(self) -> str:
        """When a client's connection is counted, in HAProxy's words: at once, unless its
        address is only known from the PROXY protocol's line.
        """
        return "session" if self.proxy_protocol else "connection"
