"""Keeps the management interface from whoever is not in ``admin-networks``.

HAProxy says where a request comes from (``templates/haproxy-admin.cfg.j2``) and refuses what
its path and query show. A form's body, XML-RPC, a field's encoding and an object's own aliases
name methods too, and nobody knows what a request asks for until Zope has traversed it. So it is
looked at then: what would be published, and who may call it.

Management is, in this order:

- what was reached through a name of Zope's management interface: ``manage``, ``manage_*``,
  ``Control_Panel``; some of it is for anybody, and asks for a password by itself;
- what is protected by 'View management screens';
- a tab of an object in that interface (``manage_options``), by its kind or its roles;
- what only Manager may call. Who owns an object is Owner by that, so that role says nothing.

A page whose visitors were reduced to Manager is none of it: somebody else has its permission
further up, or has it by default, and an intranet's page is not the management interface.
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

#: What HAProxy says of a request from outside, as WSGI spells the header (PEP 3333).
OUTSIDE = "HTTP_ZOPESTACK_OUTSIDE"

#: One step of a path. A namespace may stand before the name of a view.
NAME = re.compile(r"(@@|\+\+\w*\+\+)?(manage|manage_.*|Control_Panel)", re.DOTALL)

#: Roles that make nobody but a manager of somebody.
MANAGERS = frozenset({"Manager", "Owner"})

#: Roles that everybody has.
EVERYBODY = frozenset({"Anonymous", "Authenticated"})

#: What pages of the interface are made of. What is in them asks for a password, so that not
#: every product protects them.
FORMS = (ClassicHTMLFile, PageTemplateFile)

#: Tabs that show the object as its visitors see it.
PAGES = frozenset({"", "index_html", "view"})

#: The body of the answer. Not an exception: Plone would write each into its logs, with a
#: traceback, and render a page of its own.
REFUSAL = "The management interface is not reached from here.\n"

Traverse = Callable[..., Any]


def install() -> None:
    """Have every request from outside looked at when it has been traversed, once."""
    traverse = BaseRequest.traverse
    if not getattr(traverse, "keeps_outside", False):
        BaseRequest.traverse = guarded(traverse)


def guarded(traverse: Traverse) -> Traverse:
    """A ``BaseRequest.traverse`` that does not lead outsiders to the management interface."""

    def guard(request: Any, path: str, *arguments: Any, **options: Any) -> Any:
        if OUTSIDE not in getattr(request, "environ", ()):
            return traverse(request, path, *arguments, **options)
        try:
            published = traverse(request, path, *arguments, **options)
        except Exception:
            # Whoever may not call it is asked for a password: not for this.
            if has_admin_name(path.split("/")) or is_management(request):
                return refuse(request)
            raise
        return refuse(request) if is_management(request) else published

    guard.keeps_outside = True  # type: ignore[attr-defined]
    return guard


def refuse(request: Any) -> str:
    """Forget whom a request is from and what it has done; the text to publish in its place."""
    noSecurityManager()
    transaction.doom()
    request.other.pop("AUTHENTICATED_USER", None)
    request["PUBLISHED"] = REFUSAL
    request.response.setStatus(403)
    request.response.setHeader("Content-Type", "text/plain; charset=utf-8")
    return REFUSAL


def has_admin_name(names: Iterable[str]) -> bool:
    """Whether one of the steps of a path is a name of the management interface."""
    return any(NAME.fullmatch(name) for name in names)


def is_management(request: Any) -> bool:
    """Whether a request that was traversed is for the management interface."""
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
    # Where Zope came to other roles, that was not what protects it.
    if protection.given() == given:
        given |= protection.given_further_up()
    return given.isdisjoint(EVERYBODY) and (given <= MANAGERS or is_tab(request))


@dataclass(frozen=True)
class Protection:
    """What says who may call something.

    :param declared: a permission, or the roles; None where there is nothing, or where that is
        what it says.
    :param holder: the object on which it is evaluated.
    """

    declared: Any
    holder: Any

    def given(self, place: Any = None) -> set[str] | None:
        """The roles that have it on an object, or on the holder; None where it is no permission."""
        roles_on = getattr(self.declared, "rolesForPermissionOn", None)
        return roles_on and set(roles_on(self.holder if place is None else place) or ())

    def given_further_up(self) -> set[str]:
        """The roles that have the permission by default, or anywhere from here to the root."""
        places = aq_chain(aq_inner(self.holder))
        return set(self.declared._d or ()).union(*(self.given(place) or () for place in places))


def protection_of(request: Any) -> Protection:
    """What protects the published object.

    Zope's own search (``AccessControl.ZopeSecurityPolicy.getRoles``) keeps only the roles that
    it comes to.
    """
    published = request.other["PUBLISHED"]
    # As Zope looks: a wrapper of Acquisition is callable and has no such attribute.
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
    """Whether the published object is one of its container's pages in the interface."""
    container: Any = next(iter(request.other["PARENTS"]), None)
    options = getattr(aq_base(container), "manage_options", ())
    if callable(options):
        options = container.manage_options()
    names = {option.get("action", "").partition("?")[0] for option in options} - PAGES
    return not names.isdisjoint(request.steps[-1:])
