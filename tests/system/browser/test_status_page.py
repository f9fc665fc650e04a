"""The status page in a browser: with 2 and with 40 instances, light and dark, by keyboard, and as
a screen reader gets it.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import quote

import pytest
from selenium.webdriver.common.keys import Keys

from tests.support import axe, figures, freeports
from tests.support.fetch import fetch
from tests.support.supervised import Supervised
from tests.system.browser.chromium import Browser
from tests.system.browser.legible import illegible
from zopestack.supervisor.page.answers import PATHS

#: What a visitor of the site may send, as the last name of a path.
MARKUP = "<img src=x onerror=alert(1)><script>alert(2)<"
NUMBER = "<b>7</b>"
SECRET = "tell-nobody"

#: What axe-core is to check; it has no rule of its own for "best practices" in WCAG.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

AXE = """
const done = arguments[arguments.length - 1]
axe.run(document, { runOnly: arguments[0] }).then(
  found => done([found.passes.length, found.violations.map(each =>
    [each.id, ...each.nodes.map(node => node.html)].join(' '))]))
"""

#: Counts the looks of the page, and those of which it has asked the server.
COUNTED = """
window.looks = window.asked = 0
const [later, get] = [window.setTimeout, window.fetch]
window.setTimeout = (...given) => { window.looks++; return later(...given) }
window.fetch = (...given) => { window.asked++; return get(...given) }
"""


@contextmanager
def stack_of(instances: int) -> Iterator[Supervised]:
    """That many, each a process with a real agent."""
    with ExitStack() as used:
        blocks = [freeports.reserve() for _ in range(2)]
        for block in blocks:
            used.callback(block.release)
        stack = used.enter_context(Supervised(instances=1, threads=2))
        stack.configure(
            instances=instances,
            base_port=blocks[0].http,
            agent_base_port=blocks[1].http,
            metrics_address=f"127.0.0.1:{stack.ports.spare}",
        )
        stack.start()
        stack.wait_serving()
        assert stack.stack.metrics.metrics_address
        figures.listening(stack.stack.metrics.metrics_address)
        yield stack


@pytest.fixture(scope="module")
def two() -> Iterator[Supervised]:
    with stack_of(2) as stack:
        yield stack


@pytest.fixture(scope="module")
def forty() -> Iterator[Supervised]:
    with stack_of(40) as stack:
        yield stack


@pytest.fixture(scope="module", params=[2, 40])
def stack(request: pytest.FixtureRequest) -> Supervised:
    found = request.getfixturevalue({2: "two", 40: "forty"}[request.param])
    assert isinstance(found, Supervised)
    return found


@pytest.fixture(scope="module")
def reader() -> Iterator[Browser]:
    with Browser() as started:
        yield started


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> str:
    return axe.fetched(tmp_path_factory.mktemp("axe"))


def home(stack: Supervised) -> str:
    return f"http://{stack.stack.metrics.metrics_address}/"


def shown(reader: Browser, stack: Supervised, width: int = 1280, scheme: str = "light") -> None:
    """Open the page and wait until all of it is there."""
    reader.show(width, scheme)
    reader.open(home(stack))
    names = [each.name for each in stack.stack.instances]
    reader.until("the instances", lambda: texts(reader, "#rows th") == names)
    reader.until("the hour", lambda: "last hour: " in reader.find(".range").text)
    reader.until("doctor", lambda: reader.find("#examined").text.startswith("At "))


def texts(reader: Browser, selector: str) -> list[str]:
    return [str(each.text) for each in reader.all(selector)]


@contextmanager
def held(stack: Supervised) -> Iterator[None]:
    """A request that instance1 works on meanwhile."""
    address = stack.stack.instances[0].address
    over = stack.directory / MARKUP
    with socket.create_connection((address.host, address.port)) as client:
        client.sendall(
            f"GET /hold{quote(str(over))}?password={SECRET} HTTP/1.1\r\nHost: x\r\n"
            f"X-Request-ID: {NUMBER}\r\nConnection: close\r\n\r\n".encode()
        )
        try:
            yield
        finally:
            over.touch()
            client.makefile("rb").read()
            over.unlink()


def tree(reader: Browser) -> list[dict[str, Any]]:
    """What a screen reader gets, without what is ignored."""
    found = reader.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    return [
        {
            "role": node["role"]["value"],
            "name": node.get("name", {}).get("value", ""),
            **{each["name"]: each["value"].get("value") for each in node.get("properties", ())},
        }
        for node in found
        if not node["ignored"]
    ]


def named(found: list[dict[str, Any]], role: str) -> list[str]:
    return [str(node["name"]) for node in found if node["role"] == role]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_it_can_be_read(
    stack: Supervised, reader: Browser, rules: str, width: int, scheme: str
) -> None:
    with held(stack):
        shown(reader, stack, width, scheme)
        reader.until("the request", lambda: texts(reader, "#requests tr"))
        assert illegible(reader, least=10 * len(stack.stack.instances)) == []
        assert reader.run("return document.documentElement.scrollWidth") <= width
        behind = reader.run("return getComputedStyle(document.body).backgroundColor")
        assert (behind == "rgb(255, 255, 255)") is (scheme == "light")
        reader.run(rules)
        passed, violated = reader.driver.execute_async_script(AXE, RULES)
    assert violated == []
    assert passed > 20


def test_it_asks_here_only_and_complains_of_nothing(stack: Supervised, reader: Browser) -> None:
    reader.open("about:blank")
    reader.traffic()
    reader.errors()
    shown(reader, stack)
    traffic = reader.traffic()
    assert {one.url.removeprefix(home(stack).rstrip("/")) for one in traffic} == set(PATHS)
    assert {(one.method, one.status) for one in traffic} == {("GET", 200)}
    assert reader.errors() == []


def test_what_a_screen_reader_gets(stack: Supervised, reader: Browser) -> None:
    with held(stack):
        shown(reader, stack)
        reader.until("the request", lambda: texts(reader, "#requests tr"))
        found = tree(reader)
    instances = [each.name for each in stack.stack.instances]
    assert named(found, "heading") == [
        stack.stack.directory.name,
        "Now, and the last hour",
        "Instances",
        "Slowest requests now",
        "What doctor finds",
    ]
    assert named(found, "rowheader") == instances
    assert named(found, "columnheader")[:3] == ["Instance", "State", "Threads"]
    assert {"Runs for", "Request", "User"} <= set(named(found, "columnheader"))
    images = [name for name in named(found, "image") if name]
    assert images[0].startswith("1 busy for ")
    assert images[0].endswith(", 1 free")
    assert images.count("2 free") == len(instances) - 1
    assert sum(name.startswith("busy threads, last hour: ") for name in images) == len(instances)
    (status,) = (node for node in found if node["role"] == "status")
    assert status["live"] == "polite"
    (alert,) = (node for node in found if node["role"] == "alert")
    assert alert["live"] == "assertive"
    assert f"{len(instances)} of {len(instances)} instances serving." in named(found, "StaticText")
    regions = {node["name"]: node for node in found if node["role"] == "region"}
    assert regions.keys() == {"Instances", "Slowest requests now"}
    assert [node["pressed"] for node in found if node["role"] == "button"] == ["false"]


def test_it_is_used_by_keyboard(two: Supervised, reader: Browser) -> None:
    with held(two):
        shown(reader, two)
        reader.until("the request", lambda: texts(reader, "#requests tr"))
        seen = []
        for _ in range(5):
            reader.driver.switch_to.active_element.send_keys(Keys.TAB)
            active = reader.driver.switch_to.active_element
            assert active.is_displayed()
            outline = "return getComputedStyle(document.activeElement).outlineStyle"
            assert reader.run(outline) == "solid"
            seen.append(active.get_attribute("aria-labelledby") or active.text)
    assert seen == [
        "Skip to the instances",
        "Pause",
        "HAProxy's own page",
        "instances",
        "slowest-title",
    ]


def test_who_pauses_it_can_read_in_peace(two: Supervised, reader: Browser) -> None:
    shown(reader, two)
    reader.run(COUNTED)
    button = reader.find("#pause")
    button.send_keys(Keys.SPACE)
    assert button.get_attribute("aria-pressed") == "true"
    # One may be on its way.
    reader.until("the next look", lambda: reader.run("return looks > 1"))
    asked = reader.run("window.looks = 0; return asked")
    reader.until("two more", lambda: reader.run("return looks > 2"))
    assert reader.run("return asked") == asked
    button.send_keys(Keys.SPACE)
    reader.until("an answer", lambda: reader.run(f"return asked > {asked}"))


def test_what_is_there_stays_while_it_is_told_anew(two: Supervised, reader: Browser) -> None:
    """Else a screen reader would begin again, and the focus be lost."""
    shown(reader, two)
    reader.run("for (const e of document.querySelectorAll('#rows tr, #findings li')) e.kept = true")
    reader.find("#pause").send_keys("")
    before = reader.find("#when").text
    with held(two):
        reader.until("a busy thread", lambda: reader.all("#rows .busy"))
    reader.until("no busy thread", lambda: not reader.all("#rows .busy"))
    reader.until("another time", lambda: reader.find("#when").text != before)
    assert reader.run("return [...document.querySelectorAll('#rows tr')].every(e => e.kept)")
    assert reader.run("return document.activeElement.id") == "pause"


def test_what_visitors_send_is_text(two: Supervised, reader: Browser) -> None:
    with held(two):
        shown(reader, two)
        reader.until("the request", lambda: texts(reader, "#requests tr"))
        (row,) = reader.all("#requests tr")
        cells = [cell.text for cell in reader.all("#requests td")]
        assert cells[1:] == ["instance1", f"GET /hold{two.directory / MARKUP}", "-", NUMBER]
        assert reader.all("img, main script, main b") == []
        assert SECRET not in reader.driver.page_source
        assert SECRET not in row.text


@pytest.mark.parametrize(
    "attack",
    [
        "document.body.innerHTML = '<img src=x>'",
        "document.write('<p>x</p>')",
        "document.body.setAttribute('onclick', 'alert(1)')",
        "document.createElement('script').text = 'alert(1)'",
    ],
)
def test_the_browser_makes_neither_markup_nor_code_of_text(
    two: Supervised, reader: Browser, attack: str
) -> None:
    shown(reader, two)
    caught = f"try {{ {attack} }} catch (why) {{ return why.message }} return 'it was done'"
    assert "requires 'Trusted" in reader.run(caught)
    reader.errors()


def test_nothing_is_sent_elsewhere(two: Supervised, reader: Browser) -> None:
    shown(reader, two)
    reader.traffic()
    reader.errors()
    address = two.stack.balancer.local_address
    reader.run(
        f"fetch('http://{address}/stolen').catch(() => 0); new Image().src = 'http://{address}/x'"
    )
    refused = reader.until("both", lambda: reader.errors())
    assert all("Content Security Policy" in each for each in refused)
    assert [one.url for one in reader.traffic() if str(address) in one.url and one.status] == []


def test_the_name_of_a_stranger_leads_nowhere(two: Supervised, reader: Browser) -> None:
    address = two.stack.metrics.metrics_address
    assert address
    reader.open(f"http://evil.example:{address.port}/")
    assert "There is no host of this name here." in reader.find("body").text
    assert "instance1" not in reader.driver.page_source
    reader.errors()


def test_one_that_stops_is_told_first_and_in_words(two: Supervised, reader: Browser) -> None:
    shown(reader, two)
    assert reader.find("#verdict").text == "2 of 2 instances serving."
    two.supervisorctl("stop", "instance2")
    try:
        verdict = reader.until(
            "the verdict",
            lambda: (text := reader.find("#verdict").text).startswith("away") and text,
        )
        assert verdict == "away: instance2; 1 of 2 instances serving."
        assert reader.driver.title == f"\N{BALLOT X} {two.stack.directory.name}"
        states = ["serving", "stopped"]
        reader.until("its state", lambda: texts(reader, "#rows .state") == states)
        assert reader.all("#rows .threads")[1].get_attribute("aria-label") == "2 away"
    finally:
        two.supervisorctl("start", "instance2")
    reader.until("it again", lambda: reader.find("#verdict").text == "2 of 2 instances serving.")
    assert reader.driver.title == two.stack.directory.name


def test_when_nothing_answers_it_says_since_when(two: Supervised, reader: Browser) -> None:
    shown(reader, two)
    two.supervisorctl("stop", "metrics")
    try:
        said = reader.until("the alert", lambda: reader.find("#silent").text)
        assert said.startswith("Since ")
        assert "there is no answer, and what is shown is older" in said
    finally:
        two.supervisorctl("start", "metrics")
    reader.until("an answer", lambda: not reader.find("#silent").text)
    reader.errors()


def test_the_last_hour_grows_from_the_right(two: Supervised, reader: Browser) -> None:
    address = two.stack.metrics.metrics_address
    assert address
    shown(reader, two)

    def drawn() -> bool:
        paths = reader.run(
            "return [...document.querySelectorAll('#figures svg:not(:empty)')]"
            ".map(e => [...e.children].map(p => p.getAttribute('d')))"
        )
        return len(paths) == 6 and all("L239.5" in path for path in paths[4])

    reader.until("a line of two samples", drawn)
    hour = json.loads(fetch(address, "/hour.json").body)
    assert len(hour["stack"]["busy"]) >= 2
