"""Compression of text by HAProxy, where the length of a response cannot give a secret away."""

from __future__ import annotations

import re

from zopestack.features.option import Feature, feature, option

#: What ``on`` compresses: text in the media types that Zope and Plone deliver. Images, videos and
#: archives are compressed already.
TEXT = (
    "text/html",
    "text/css",
    "text/javascript",
    "text/plain",
    "text/xml",
    "application/javascript",
    "application/x-javascript",
    "application/json",
    "application/ld+json",
    "application/manifest+json",
    "application/xml",
    "application/xhtml+xml",
    "application/rss+xml",
    "application/atom+xml",
    "application/rdf+xml",
    "image/svg+xml",
)

#: Kinds of content that are compressed already, or whose parts have lengths of their own; of the
#: images, only those in XML are text.
NO_TEXT = re.compile(r"(audio|video|multipart)/|image/(?!.*\+xml$)|application/(zip|gzip|pdf)$")

#: Cookies, by pattern, that Google Analytics and Matomo count visitors with. Most have one.
COUNTING = ("_ga[A-Za-z0-9_]*", "_gid", "_pk_[A-Za-z0-9_.]*")

#: Cookies that are no login: these, affinity, and Plone's chosen language.
NO_LOGIN = ("ZOPESTACK", "I18N_LANGUAGE", *COUNTING)


def _media_types(text: str) -> tuple[str, ...]:
    """Media types; none for ``off``."""
    if text in ("on", "off"):
        return TEXT if text == "on" else ()
    expected = "on, off, or media types of text, like text/html text/css"
    given = tuple(text.split())
    for word in given:
        if not re.fullmatch(r"[a-z]{1,20}/[a-z0-9][a-z0-9.+-]{0,60}", word):
            raise ValueError(f"{expected}; {word!r} is not one")
        if NO_TEXT.match(word):
            raise ValueError(f"{expected}; {word!r} is compressed already")
    if not given or len(set(given)) < len(given):
        raise ValueError(f"{expected}, each once")
    return given


@feature
class Compression(Feature):
    """Media types that HAProxy compresses for visitors without a login."""

    compression: tuple[str, ...] = option(
        _media_types,
        # A CDN or proxy in front often compresses, and knows brotli; and one core of HAProxy's
        # serves every visitor.
        "off",
        "Whether HAProxy compresses text for visitors without a login: ``on``, ``off``, or the "
        "media types.",
    )

    @property
    def only_harmless_cookies(self) -> str:
        """A Cookie header without any cookie that may be a login, as a pattern."""
        return f"^((^|;) *({'|'.join(NO_LOGIN)})=[^;]*)+;? *$"
