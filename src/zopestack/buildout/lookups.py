"""Make buildout look at each installed distribution once, not once for each requirement.

A ``bin/buildout`` that changes nothing spent most of its time on four lookups
(docs/explanation/measured.rst, "Provisioning"). They are mended in buildout's own tables and
functions, which are no public interface: where a later version has no such table or function,
buildout is slow as before.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from zc.buildout import buildout, easy_install

from zopestack import contents


def hasten() -> None:
    """Mend these lookups for the rest of this run of buildout."""
    packages = easy_install.pkg_resources
    for module, name in ((packages, "find_distributions"), (easy_install, "get_pth_paths")):
        lookup = getattr(module, name, None)
        if lookup and not isinstance(lookup, OncePerState):
            setattr(module, name, OncePerState(lookup))
    working_set = packages.working_set
    names = getattr(working_set, "normalized_to_canonical_keys", None)
    if names and not isinstance(working_set.by_key, ByAnySpelling):
        working_set.by_key = ByAnySpelling(working_set.by_key, names)
    # Buildout installs a part again where the packages of its recipe have changed. If pip
    # installed these, it compares the contents of all of site-packages: 440 MB in the environment
    # of the tests.
    hashes = getattr(buildout, "_dir_hashes", {})
    for kind in ("purelib", "platlib"):
        place = sysconfig.get_path(kind)
        if place not in hashes:
            hashes[place] = contents.state(Path(place))


class OncePerState:
    """Looks into a directory once, and again only after an entry of it was made or removed.

    Buildout does so for each set of eggs of each part, nine times in a buildout of two instances,
    and has forgotten by then which distributions it has read, and what they require.

    :param lookup: takes the directory first.
    """

    def __init__(self, lookup: Callable[..., Iterable[Any]]) -> None:
        self._lookup = lookup
        self._found: dict[tuple[object, ...], list[Any]] = {}

    def __call__(self, directory: str, *given: object) -> Iterable[Any]:
        """Return what the lookup finds, as a list of the caller's own.

        :param given: further arguments of the lookup.
        """
        try:
            # An installation makes or removes a directory there (stat(2), "st_mtime").
            key = (directory, Path(directory).stat().st_mtime_ns, *given)
        except OSError:
            return self._lookup(directory, *given)
        if key not in self._found:
            self._found[key] = list(self._lookup(directory, *given))
        return list(self._found[key])


class ByAnySpelling(dict[str, Any]):
    """Distributions by name, however a requirement spells it.

    A wheel of today installs ``zope.interface`` as ``zope_interface``, and ``pkg_resources``
    knows it as ``zope-interface``. Where a requirement says ``zope.interface``, it does not find
    that in its table, and lists all of site-packages before it looks a second time, by the other
    spelling: 85 times in a buildout of two instances.

    :param names: the spelling in the table by normalized name, as ``pkg_resources`` keeps it.
    """

    def __init__(self, distributions: dict[str, Any], names: dict[str, str]) -> None:
        super().__init__(distributions)
        self._names = names

    def get(self, name: str, default: Any = None) -> Any:
        """Find a distribution; ``default`` where there is none."""
        if name not in self:
            name = self._names.get(canonicalize_name(name), name)
        return super().get(name, default)
