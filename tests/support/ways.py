"""Every way in which a request can name the method of an object that it asks for.

Those that HAProxy cannot see are for the agent: a body, and what Zope decodes itself.
"""

from __future__ import annotations

import base64
import http.client
import json
import xmlrpc.client
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from tests.support.fetch import Response, fetch
from tests.support.polling import PATIENCE
from zopestack.features.address import Address

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PARTS = {"Content-Type": "multipart/form-data; boundary=part"}


@dataclass(frozen=True)
class View:
    """A method or page of an object.

    :param place: the object's path; empty for the root.
    :param component: whether it is a view of zope.component.
    """

    place: str
    name: str
    component: bool

    @property
    def path(self) -> str:
        """Where it is."""
        return f"{self.base}/{quote(self.name)}"

    @property
    def base(self) -> str:
        """Where its object is, without a slash at the end."""
        return quote(self.place)

    @property
    def object(self) -> str:
        """Where its object is."""
        return self.base or "/"


@dataclass(frozen=True)
class Request:
    """What is sent."""

    path: str
    method: str = "GET"
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def by(self, login: tuple[str, str]) -> Request:
        """The same with a name and a password."""
        basic = base64.b64encode(":".join(login).encode()).decode()
        return replace(self, headers={**self.headers, "Authorization": f"Basic {basic}"})


def form(view: View, key: str, value: str) -> Request:
    """A field in a form's body."""
    return Request(view.object, "POST", f"{quote(key)}={quote(value)}".encode(), FORM)


def parts(view: View, key: str, value: str) -> Request:
    """The same in a form that may carry files."""
    disposition = f'Content-Disposition: form-data; name="{key}"'
    body = f"--part\r\n{disposition}\r\n\r\n{value}\r\n--part--\r\n"
    return Request(view.object, "POST", body.encode(), PARTS)


def call(view: View) -> Request:
    """XML-RPC."""
    body = xmlrpc.client.dumps((), view.name).encode()
    return Request(view.object, "POST", body, {"Content-Type": "text/xml"})


def utf7(name: str) -> str:
    """A name in UTF-7, no letter of it as it is."""
    coded = base64.b64encode(name.encode("utf-16-be")).decode().rstrip("=")
    return quote(f"+{coded}-")


def field_of(key: str, value: str) -> Callable[[View], Request]:
    """A field in the query; ``{}`` is the name."""
    return lambda view: Request(
        f"{view.object}?{key.format(quote(view.name))}={value.format(quote(view.name))}"
    )


#: By what they are called in a test's report.
WAYS: dict[str, Callable[[View], Request]] = {
    "path": lambda view: Request(view.path),
    "path with a slash at its end": lambda view: Request(f"{view.path}/"),
    "two slashes": lambda view: Request(f"{view.base}//{quote(view.name)}"),
    "a dot": lambda view: Request(f"{view.base}/./{quote(view.name)}"),
    "escaped slash": lambda view: Request(f"{view.base}/.%2F{quote(view.name)}"),
    "escaped letters": lambda view: Request(
        f"{view.base}/" + "".join(f"%{byte:02x}" for byte in view.name.encode())
    ),
    "POST": lambda view: Request(view.path, "POST", b"", FORM),
    "name:method": field_of("{}:method", "1"),
    "name:action": field_of("{}:action", "1"),
    "name:default_method": field_of("{}:default_method", "1"),
    "name:default_action": field_of("{}:default_action", "1"),
    ":method": field_of(":method", "{}"),
    ":action": field_of(":action", "{}"),
    ":default_method": field_of(":default_method", "{}"),
    ":default_action": field_of(":default_action", "{}"),
    ":method in UTF-7": lambda view: Request(f"{view.object}?:method:utf-7={utf7(view.name)}"),
    "form, name:method": lambda view: form(view, f"{view.name}:method", "1"),
    "form, :method": lambda view: form(view, ":method", view.name),
    "form, :default_action": lambda view: form(view, ":default_action", view.name),
    "form, with slashes": lambda view: form(view, ":method", f"//./{view.name}"),
    "form, object and name": lambda view: replace(
        form(view, ":method", f"{view.place}/{view.name}"), path="/"
    ),
    "parts, name:method": lambda view: parts(view, f"{view.name}:method", "1"),
    "parts, :action": lambda view: parts(view, ":action", view.name),
    "XML-RPC": call,
    "XML-RPC from the root": lambda view: replace(
        call(replace(view, name=f"{view.place}/{view.name}".strip("/"))), path="/"
    ),
}

#: For views of zope.component in addition.
COMPONENT_WAYS: dict[str, Callable[[View], Request]] = {
    "@@": lambda view: Request(f"{view.base}/@@{quote(view.name)}"),
    "++view++": lambda view: Request(f"{view.base}/++view++{quote(view.name)}"),
    "form, @@": lambda view: form(view, ":method", f"@@{view.name}"),
    "form, ++view++": lambda view: form(view, ":method", f"++view++{view.name}"),
}


def ways(view: View) -> dict[str, Callable[[View], Request]]:
    """Those that there are for a view."""
    return {**WAYS, **(COMPONENT_WAYS if view.component else {})}


def every(views: Sequence[View], thorough: int = 25) -> Iterator[tuple[str, Request]]:
    """Each view by its path and by another way in turn; some by every way.

    :param thorough: how many, spread over all of them.
    """
    stride = max(1, len(views) // thorough)
    for number, view in enumerate(views):
        known = ways(view)
        names = list(known)
        some = names if number % stride == 0 else ["path", names[number % len(names)]]
        for name in some:
            yield f"{view.place}/{view.name}, by {name}", known[name](view)


def kept_in(
    address: Address, views: Sequence[View], inside: str, outside: str, login: tuple[str, str]
) -> int:
    """Ask for every view from outside: it is refused, with the right password too, and
    nothing asks for one. From inside it is as ever.

    :returns: how many requests there were for something that is there.
    """
    insider, outsider = Visitor(address, inside), Visitor(address, outside)
    there, wrong = 0, {}
    for what, request in every(views):
        usual = insider.ask(request).status
        answers = [outsider.ask(request), outsider.ask(request.by(login))]
        got = tuple(answer.status for answer in answers)
        asks = any("www-authenticate" in answer.headers for answer in answers)
        # Not every way leads to everything: XML-RPC makes a slash of a dot.
        there += usual != 404
        allowed = {403, 404} if usual == 404 else {403}
        if not allowed.issuperset(got) or asks or usual == 403:
            wrong[what] = (usual, *got)
    assert not wrong, wrong
    return there


def let_through(
    address: Address, views: Sequence[View], inside: str, outside: str
) -> dict[str, tuple[int, int]]:
    """Ask for every view from both sides: those that are not the same."""
    insider, outsider = Visitor(address, inside), Visitor(address, outside)
    both = {v.path: [w.ask(Request(v.path)).status for w in (insider, outsider)] for v in views}
    return {path: (usual, got) for path, (usual, got) in both.items() if usual != got}


class Visitor:
    """Somebody on one connection, for as long as the other side keeps it.

    :param source: their address.
    """

    def __init__(self, address: Address, source: str) -> None:
        self.connection = http.client.HTTPConnection(
            address.host, address.port, timeout=PATIENCE, source_address=(source, 0)
        )

    def ask(self, request: Request) -> Response:
        """One request."""
        sent = {"Host": "localhost", **request.headers}
        self.connection.request(request.method, request.path, request.body, sent)
        answer = self.connection.getresponse()
        try:
            body = answer.read()
        except http.client.IncompleteRead as why:
            # What answers HEAD, by its name: a length, and nothing of it.
            body = why.partial
            self.connection.close()
        return Response(answer.status, answer.headers, body)


def listed(address: Address, path: str = "") -> tuple[list[View], list[View]]:
    """What there is below an object: first what belongs to the management interface, then the
    rest; see ``product/frontend_pages/management.py``.
    """
    rows = json.loads(fetch(address, f"{path}/management-views").body)
    return tuple([View(*row[:3]) for row in rows if row[3] is managed] for managed in (True, False))
