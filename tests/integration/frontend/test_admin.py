"""The management interface is for ``admin-networks``, whichever way it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.support.door import Door
from tests.support.farm import Farm
from tests.support.ways import (
    FORM,
    Request,
    View,
    Visitor,
    form,
    kept_in,
    let_through,
    listed,
    utf7,
)
from zopestack.features.address import Address

OUTSIDE, INSIDE = "127.0.0.2", "127.0.0.9"

#: A folder with one object of each kind, and what adds each.
MUSEUM = "/museum"
KINDS = {
    "OFSP/manage_addFolder": "folder",
    "OFSP/manage_addOrderedFolder": "ordered",
    "OFSP/addDTMLMethod": "method",
    "OFSP/addDTMLDocument": "document",
    "OFSP/manage_addFile": "file",
    "OFSP/manage_addImage": "image",
    "OFSP/manage_addUserFolder": "acl_users",
    "PageTemplates/manage_addPageTemplate": "template",
}

#: The page of an intranet: for managers only, by its permission "View".
PRIVATE = f"{MUSEUM}/document"


@pytest.fixture(scope="module")
def door(farm: Farm) -> Iterator[Door]:
    add(farm, "", "OFSP/manage_addFolder", MUSEUM.strip("/"))
    for factory, name in KINDS.items():
        add(farm, MUSEUM, factory, name)
    view = {"permission_to_manage": "View", "roles:list": "Manager"}
    farm.post(f"{PRIVATE}/manage_permission", view, at="instance1", login=farm.admin)
    with farm.door(instances=1, admin_networks=INSIDE, requests_per_address="off") as running:
        yield running


def add(farm: Farm, place: str, factory: str, name: str) -> None:
    path = f"{place}/manage_addProduct/{factory}"
    fields = {"id": name, "title": ""} | ({"file": ""} if name in ("file", "image") else {})
    answer = farm.post(path, fields, at="instance1", login=farm.admin)
    assert answer.status < 400, answer.text


@pytest.fixture(scope="module")
def views(door: Door) -> tuple[list[View], list[View]]:
    """What belongs to the management interface, and the rest."""
    return listed(door.stack.instances[0].address)


def test_nobody_outside_reaches_the_management_interface(
    farm: Farm, door: Door, views: tuple[list[View], list[View]]
) -> None:
    managing, _ = views
    # What was known to get past a rule about words in a path.
    known = {"manage_main", "pt_editForm", "+", "getUserNames", "set_map"}
    assert known <= {view.name for view in managing}
    address = Address("127.0.0.1", door.ports.http)
    before = farm.log("instance1.log")
    assert kept_in(address, managing, INSIDE, OUTSIDE, farm.admin) > 2 * len(managing)
    assert "Forbidden" not in farm.log("instance1.log").removeprefix(before)


def test_everything_else_is_reached_from_outside_as_from_inside(
    door: Door, views: tuple[list[View], list[View]]
) -> None:
    address = Address("127.0.0.1", door.ports.http)
    assert let_through(address, views[1], INSIDE, OUTSIDE) == {}


def test_a_private_page_is_not_the_management_interface(farm: Farm, door: Door) -> None:
    outsider = Visitor(Address("127.0.0.1", door.ports.http), OUTSIDE)
    assert outsider.ask(Request(PRIVATE)).status == 401
    assert outsider.ask(Request(PRIVATE).by(farm.admin)).status == 200
    form_of_it = Request(f"{PRIVATE}?:method:utf-7={utf7('manage_main')}")
    assert outsider.ask(form_of_it.by(farm.admin)).status == 403


def test_a_permission_that_others_have_is_not_only_for_managers(farm: Farm, door: Door) -> None:
    folder, template = f"{MUSEUM}/folder", f"{MUSEUM}/folder/inner"
    add(farm, folder, "PageTemplates/manage_addPageTemplate", "inner")
    upload = Request(f"{template}/pt_upload")
    outsider = Visitor(Address("127.0.0.1", door.ports.http), OUTSIDE)
    assert outsider.ask(upload).status == 403
    tell(farm, f"{folder}/manage_defined_roles", "submit=Add+Role&role=Clerk")
    change = "permission_to_manage=Change+Page+Templates&acquire=1&roles:list="
    tell(farm, f"{folder}/manage_permission", f"{change}Clerk")
    assert outsider.ask(upload).status == 401
    # Not here, but further up: as with a page that was made private.
    tell(farm, f"{template}/manage_permission", change.replace("acquire=1&", "") + "Manager")
    assert outsider.ask(upload).status == 401
    # What is no permission's matter stays.
    assert outsider.ask(Request(f"{template}/pt_editForm")).status == 403


def tell(farm: Farm, path: str, form: str) -> None:
    answer = farm.request("POST", path, form, FORM, at="instance1", login=farm.admin)
    assert answer.status < 400, answer.text


def test_nothing_is_done_for_whoever_is_refused(farm: Farm, door: Door) -> None:
    outsider = Visitor(Address("127.0.0.1", door.ports.http), OUTSIDE)
    add = View("", "manage_addFolder", component=False)
    template = f"{MUSEUM}/template"
    before = outsider.ask(Request(template)).body
    for request in (
        replace(form(add, ":method", add.name), body=b":method=manage_addFolder&id=intruder"),
        Request(template, "PUT", b"intruder", {"Content-Type": "text/html"}),
    ):
        assert outsider.ask(request.by(farm.admin)).status == 403
    assert outsider.ask(Request("/intruder")).status == 404
    assert outsider.ask(Request(template)).body == before


#: Whoever is outside says so, or tries not to.
SAID = (
    {},
    {"Zopestack-Outside": ""},
    {"Zopestack-Outside": "0"},
    {"zopestack-outside": "1"},
    {"Zopestack_Outside": "0"},
    {"Connection": "keep-alive, Zopestack-Outside"},
    {"Connection": "close, zopestack-outside", "Zopestack-Outside": "0"},
    {"X-Forwarded-For": INSIDE},
    {"Zopestack-Lane": "callback"},
)

#: What HAProxy cannot see.
HIDDEN = form(View("", "manage_main", component=False), ":method", "manage_main")


@pytest.mark.parametrize("said", SAID, ids=str)
def test_where_a_visitor_is_they_cannot_say(door: Door, said: dict[str, str]) -> None:
    headers = {**HIDDEN.headers, **said}
    for source, mark, status in ((OUTSIDE, "1", 403), (INSIDE, None, 401)):
        door.seen()
        answer = door.get("/", headers, "POST", source, body=HIDDEN.body)
        assert answer.status == status
        (request,) = door.seen()
        assert request.headers.get("zopestack-outside") == mark
        assert "zopestack_outside" not in request.headers


def test_who_is_on_the_machine_reaches_an_instance_itself(door: Door) -> None:
    insider = Visitor(door.stack.instances[0].address, "127.0.0.1")
    assert insider.ask(HIDDEN).status == 401
