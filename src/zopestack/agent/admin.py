"""Restrict the management interface to clients in ``admin-networks``.

HAProxy knows where a request comes from (``templates/haproxy-admin.cfg.j2``) and refuses what it
recognizes in the path and the query. But a form body, XML-RPC, a field's encoding and aliases of
an object can name methods too, so only Zope knows what a request asks for, and only after
traversal. The check is therefore made then, on the published object and its permissions.

A request is for the management interface if one of these holds, checked in this order:

- Its path contains a name of Zope's management interface: ``manage``, ``manage_*`` or
  ``Control_Panel``. Some of these are public and ask for a password themselves.
- The published object is protected by the permission 'View management screens'.
- The published object is a management tab (``manage_options``) of its container, recognized by
  its type or its roles.
- Only Manager may call the published object. Owner is ignored here, because everybody is Owner
  of the objects they own.

A page that was restricted to Manager in one place is not management: another role has its
permission by default or further up, so it may be an ordinary page of an intranet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import transaction
from AccessControl.Permissions import view_management_screens
from AccessControl.SecurityManagement import noSecurityManager
from Acquisition import aq_base, aq_chain, aq_inner
from App.special_dtml import ClassicHTMLFile
from Products.PageTemplates.PageTemplateFile import PageTemplateFile
from ZPublisher.BaseRequest import UNSPECIFIED_ROLES, BaseRequest

from zopestack.agent.refusal import MARK

#: The header by which HAProxy marks a request from outside, in WSGI's spelling (PEP 3333).
OUTSIDE = "HTTP_ZOPESTACK_OUTSIDE"

#: One step of a path. The name of a view may follow a namespace.
NAME = re.compile(r"(@@|\+\+\w*\+\+)?(manage|manage_.*|Control_Panel)", re.DOTALL)

#: Roles that grant access to managers only.
MANAGERS = frozenset({"Manager", "Owner"})

#: Roles that everybody has.
EVERYBODY = frozenset({"Anonymous", "Authenticated"})

#: Classes of the interface's own pages. Some products leave these pages unprotected, because
#: the actions on them ask for a password.
FORMS = (ClassicHTMLFile, PageTemplateFile)

#: Tabs that show the object as its visitors see it; these are not management.
PAGES = frozenset({"", "index_html", "view"})

#: The response body. It is not raised as an exception, because Plone would log each one with a
#: traceback and render an error page of its own.
REFUSAL = "The management interface is not available from this address.\n"

Traverse = Callable[..., Any]


def install() -> None:
    """Check every request from outside after its traversal. Calling it again has no effect."""
    traverse = BaseRequest.traverse
    if not getattr(traverse, "keeps_outside", False):
        BaseRequest.traverse = guarded(traverse)


def guarded(traverse: Traverse) -> Traverse:
    """Wrap ``BaseRequest.traverse`` to refuse requests from outside for management."""

    def guard(request: Any, path: str, *arguments: Any, **options: Any) -> Any:
        if OUTSIDE not in getattr(request, "environ", ()):
            return traverse(request, path, *arguments, **options)
        try:
            published = traverse(request, path, *arguments, **options)
        except Exception:
            # Refuse here: to re-raise Unauthorized would ask an outsider for a password.
            if has_admin_name(path.split("/")) or is_management(request):
                return refuse(request)
            raise
        return refuse(request) if is_management(request) else published

    guard.keeps_outside = True  # type: ignore[attr-defined]
    return guard


def refuse(request: Any) -> str:
    """Drop a request's user and its changes, and return the text to publish instead."""
    noSecurityManager()
    transaction.doom()
    request.other.pop("AUTHENTICATED_USER", None)
    request["PUBLISHED"] = REFUSAL
    request.response.setStatus(403)
    request.response.setHeader("Content-Type", "text/plain; charset=utf-8")
    request.response.setHeader(MARK, "1")
    return REFUSAL


def has_admin_name(names: Iterable[str]) -> bool:
    """Return whether a step of a path is a name of the management interface."""
    return any(NAME.fullmatch(name) for name in names)


def is_management(request: Any) -> bool:
    """Return whether a traversed request is for the management interface."""
    if has_admin_name(request.steps):
        return True
    if "PUBLISHED" not in request.other:
        return False
    protection = protection_of(request)
    if getattr(protection.declared, "__name__", "") == view_management_screens:
        return True
    if isinstance(request.other["PUBLISHED"], FORMS) and is_tab(request):
        return True
    if request.roles in (None, UNSPECIFIED_ROLES):
        return False
    given = set(request.roles)
    # If the roles differ, something else than this permission protects the object.
    if protection.given() == given:
        given |= protection.given_further_up()
    return given.isdisjoint(EVERYBODY) and (given <= MANAGERS or is_tab(request))


@dataclass(frozen=True)
class Protection:
    """What decides who may call an object.

    :param declared: a permission or a sequence of roles; None if nothing is declared, or if the
        declaration itself is None.
    :param holder: the object on which the permission is evaluated.
    """

    declared: Any
    holder: Any

    def given(self, place: Any = None) -> set[str] | None:
        """Return the roles with the permission on ``place`` (default: the holder), or None if
        roles were declared instead of a permission."""
        roles_on = getattr(self.declared, "rolesForPermissionOn", None)
        return roles_on and set(roles_on(self.holder if place is None else place) or ())

    def given_further_up(self) -> set[str]:
        """Return the roles with the permission by default, or anywhere from here to the root."""
        places = aq_chain(aq_inner(self.holder))
        return set(self.declared._d or ()).union(*(self.given(place) or () for place in places))


def protection_of(request: Any) -> Protection:
    """Return what protects the published object.

    This repeats Zope's own search (``AccessControl.ZopeSecurityPolicy.getRoles``), because Zope
    keeps only its result, the roles.
    """
    published = request.other["PUBLISHED"]
    # Look for the attribute as Zope does: an Acquisition wrapper is callable but lacks it.
    call = getattr(published, "__call__", None)  # noqa: B004
    chain = [call, published, *request.other["PARENTS"], None]
    names = ["__call__", *reversed(request.steps), *[""] * len(chain)]
    for value, container, name in zip(chain, chain[1:], names, strict=False):
        holder = getattr(value, "__self__", container)
        kind = getattr(value, "__func__", None) or type(aq_base(value))
        for place, attribute, seen_at in (
            (kind, "__roles__", value),
            (type(aq_base(holder)), f"{name}__roles__", holder),
        ):
            if hasattr(place, attribute):
                return Protection(getattr(place, attribute), seen_at)
    return Protection(None, None)


def is_tab(request: Any) -> bool:
    """Return whether the published object is a management tab of its container."""
    container: Any = next(iter(request.other["PARENTS"]), None)
    options = getattr(aq_base(container), "manage_options", ())
    if callable(options):
        options = container.manage_options()
    names = {option.get("action", "").partition("?")[0] for option in options} - PAGES
    return not names.isdisjoint(request.steps[-1:])
