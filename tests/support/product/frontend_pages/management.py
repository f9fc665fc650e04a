"""Lists what the management interface consists of, as the Zope that it runs in has it.

Nothing of it is written down anywhere: the pages that an object has in that interface, what is
called like them, and everything that nobody but Manager may call.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from AccessControl.ZopeSecurityPolicy import getRoles
from Acquisition import aq_base
from App.special_dtml import DTMLFile
from Products.Five.browser import BrowserView
from Products.PageTemplates.PageTemplateFile import PageTemplateFile
from zope.component import getSiteManager
from zope.interface import Interface, providedBy

#: How the interface calls its own.
NAMES = re.compile(r"manage|manage_.*")

#: A private page is not the management interface.
READING = ("View", "Access contents information")

#: How deep in folders objects are looked for, below the one that is asked.
DEPTH = 3


class Management(BrowserView):
    """Every view that has a URL: a path of an object, a name, whether it is a view of
    zope.component, and whether it belongs to the interface. Each implementation is there once,
    at the first object that has it.
    """

    def __call__(self) -> str:
        found: dict[tuple[Any, str], tuple[str, str, bool, bool]] = {}
        for place in kinds(self.context):
            path = "/".join(place.getPhysicalPath())
            for name, implementation, *rest in self.views(place):
                found.setdefault((implementation, name), (path, name, *rest))
        return json.dumps(list(found.values()))

    def views(self, place: Any) -> Iterator[tuple[str, Any, bool, bool]]:
        """Name, implementation, whether of zope.component, and whether of the interface."""
        tabs = manage_options(place)
        for name in sorted({*dir(aq_base(place)), *tabs}):
            if (value := self.publishable(place, name)) is not None:
                managed = managing(place, name, value, tabs)
                yield name, owner(type(aq_base(place)), name), False, managed
        lookup = getSiteManager().adapters.lookupAll
        for name, view in lookup((providedBy(place), providedBy(self.request)), Interface):
            if name and (value := self.publishable(place, f"@@{name}")) is not None:
                yield name, view, True, managing(place, None, value, set())

    def publishable(self, place: Any, name: str) -> Any:
        """What a URL that ends in that name shows; None where that is nothing."""
        if not name or name.startswith("_") or name.endswith("__roles__") or "/" in name:
            return None
        try:
            return self.request.traverseName(place, name)
        except Exception:
            return None


def kinds(top: Any) -> Iterator[Any]:
    """Objects from one downwards, the first of each class."""
    seen, level = {type(aq_base(top))}, [top]
    yield top
    for _ in range(DEPTH):
        inner = [each for place in level for each in getattr(place, "objectValues", list)()]
        level = inner
        for each in inner:
            if type(aq_base(each)) not in seen:
                seen.add(type(aq_base(each)))
                yield each


def manage_options(place: Any) -> set[str]:
    """The names of the pages that an object has in the interface."""
    options = getattr(aq_base(place), "manage_options", ())
    if callable(options):
        options = place.manage_options()
    return {option["action"].partition("?")[0] for option in options if "action" in option}


def managing(place: Any, name: str | None, value: Any, tabs: set[str]) -> bool:
    """Whether something belongs to the interface."""
    form = isinstance(aq_base(value), DTMLFile | PageTemplateFile)
    if name and (NAMES.fullmatch(name) or (form and name in tabs)):
        return True
    roles = getRoles(place, name, value, getRoles(None, None, place, None))
    if hasattr(value, "__call__"):  # noqa: B004
        roles = getRoles(value, "__call__", value.__call__, roles)
    if roles is None or {"Anonymous", "Authenticated"} & {*roles}:
        return False
    if name in tabs:
        return True
    return {*roles} <= {"Manager", "Owner"} and not for_reading(place, name, value)


def for_reading(place: Any, name: str | None, value: Any) -> bool:
    """Whether the permission of something is that of a page for visitors."""
    for kind, attribute in (
        (type(aq_base(value)), "__call____roles__"),
        (type(aq_base(value)), "__roles__"),
        (type(aq_base(place)), f"{name}__roles__"),
        (type(aq_base(place)), "__roles__"),
    ):
        if hasattr(kind, attribute):
            declared = getattr(kind, attribute)
            return getattr(declared, "__name__", "") in READING
    return False


def owner(kind: type, name: str) -> Any:
    """The class from which a class has a name, or its permission."""
    for each in kind.__mro__:
        if f"{name}__roles__" in vars(each) or name in vars(each):
            return each
    return kind
