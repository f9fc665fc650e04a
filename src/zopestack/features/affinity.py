"""Which requests go to the same instance."""

from __future__ import annotations

from zopestack.features.option import Feature, feature, option

KINDS = ("none", "cookie", "authenticated", "path")

#: Kinds that choose the instance by a hash.
HASHED = ("authenticated", "path")


def _kind(text: str) -> str:
    if text not in KINDS:
        raise ValueError(f"{', '.join(KINDS[:-1])} or {KINDS[-1]}")
    return text


@feature
class Affinity(Feature):
    """Whose requests prefer one server."""

    affinity: str = option(
        _kind,
        "none",
        "Whether requests of one browser (``cookie``), one logged-in user (``authenticated``) "
        "or one ``path`` go to the same instance while it has an idle thread.",
    )
