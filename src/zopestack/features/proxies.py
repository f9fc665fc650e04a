"""Proxies in front of HAProxy, and what is believed of what they say about a client."""

from __future__ import annotations

from zopestack.features.option import Feature, Refused, feature, option
from zopestack.features.parsers import networks, switch

#: Trusted proxies one behind the other: a CDN, a balancer, a local proxy, and one to spare.
MOST_PROXIES = 4

#: Headers, by how their names begin, that tell who has logged in. They are those of single-sign-on
#: modules and proxies: Remote-User (mod_auth_*, Authelia, pas.plugins.headers,
#: Products.WebServerAuth), Shibboleth, client certificates, and the proxies of cloud providers.
LOGINS = (
    "x-forwarded-(user|preferred-username|email|groups|access-token|tls-client|client-cert)",
    "(x-)?remote-(user|group|name|email|role|ident)",
    "(x-)?(proxy|logged-in|current|authenticated|forwarded|auth|webauth|sso)-?(user|group|email|name|id)",
    "x-auth-request-",
    "x-(user|username|userid|userinfo|user-id|user-name|email|groups|roles|principal)$",
    "(x-)?shib",
    "(x-)?(ssl-)?client-(s-dn|i-dn|cert|dn|verify)",
    "(x-)?ssl-client-",
    "x-(arr-clientcert|ms-client-principal|ms-token)",
    "x-(goog|amzn|goog-iap|authentik|pomerium|vouch|token|oidc|saml)-",
    "(oidc|saml|cf-access|tailscale-user|cas|eppn|mellon)(-|$)",
)

#: The same for all that only a proxy can know of a client: also where it comes from.
TOLD_BY_PROXIES = ("forwarded$", "x-forwarded-", *LOGINS)


@feature
class Proxies(Feature):
    """Who may speak for clients, and how."""

    trusted_proxies: tuple[str, ...] = option(
        networks,
        "",
        "Networks of proxies: what their headers and rewritten paths say of a client is believed.",
    )
    proxy_protocol: bool = option(
        switch, "off", "Whether the trusted proxies speak the PROXY protocol."
    )

    def check(self) -> None:
        """Check that the PROXY protocol is accepted from known proxies only.

        :raises Refused: where anybody could speak it.
        """
        if self.proxy_protocol and not self.trusted_proxies:
            raise Refused(
                "proxy-protocol",
                "trusted-proxies to be set: otherwise anybody could claim any address",
            )

    @property
    def believes_headers(self) -> bool:
        """Whether proxies tell the client's address in ``X-Forwarded-*``.

        A proxy that speaks the PROXY protocol has told the address by that, and passes on
        headers as the client sent them.
        """
        return bool(self.trusted_proxies) and not self.proxy_protocol

    @property
    def told_by_proxies(self) -> str:
        """The names of headers that nobody but a trusted proxy may send, as a pattern."""
        return f"^({'|'.join(TOLD_BY_PROXIES)})"

    @property
    def told_logins(self) -> str:
        """Those of them that tell of a login, as a pattern of a list of names."""
        return f"(^|,)({'|'.join(LOGINS)})".replace("$", "(,|$)")

    @property
    def request_id(self) -> str:
        """The number of a request, as HAProxy's sample."""
        return "var(txn.id)" if self.believes_headers else "uuid"

    @property
    def hops(self) -> range:
        """Places in ``X-Forwarded-For``, from its end, where another proxy may stand."""
        return range(2, MOST_PROXIES + 1)

    @property
    def counted_at(self) -> str:
        """When HAProxy counts a client's connection: at once, unless its address is only known
        from the line of the PROXY protocol.
        """
        return "session" if self.proxy_protocol else "connection"
