"""What every instance imports, and who administers it at first."""

from __future__ import annotations

import re

from packaging.requirements import InvalidRequirement, Requirement

from zopestack.features.option import Feature, feature, option

NAMES = "names of distributions, such as Zope, Plone or Plone>=6.1,<7"

USER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


def requirement(text: str) -> str:
    """The name of a distribution, with extras and versions if need be."""
    try:
        parsed = Requirement(text)
    except InvalidRequirement:
        raise ValueError(f"{NAMES}; {text!r} is not one") from None
    if parsed.url or parsed.marker:
        raise ValueError(f"{NAMES}; {text!r} is more than a name and a version")
    return text


def _eggs(text: str) -> tuple[str, ...]:
    """Names of distributions, one a line or separated by spaces."""
    names = tuple(text.split())
    if not names:
        raise ValueError(NAMES)
    return tuple(requirement(name) for name in names)


def _user(text: str) -> str:
    """A name without a password."""
    if ":" in text:
        raise ValueError(
            "a name without a password: the password is generated into a file that only you can "
            "read; change it in Zope's user folder"
        )
    if not USER_NAME.fullmatch(text):
        raise ValueError("a name of letters, digits and . _ @ -, at most 64 long")
    return text


@feature
class Zope(Feature):
    """The application."""

    eggs: tuple[str, ...] = option(
        _eggs, "Zope", "What every instance imports: ``Zope``, ``Plone``, your own packages."
    )
    user: str = option(
        _user,
        "admin",
        "The initial administrator; the password is generated once into ``var/admin-password``.",
    )
