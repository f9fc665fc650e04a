"""Headless Chromium for a test, with everything it loads and everything it complains about.

    with Browser(trusted=certificate) as browser:
        browser.open("https://www.example.com:8443/")
        assert browser.find("h1").text == "Welcome"
        assert browser.traffic()[0].status == 200
        assert browser.errors() == []

Every host name leads to 127.0.0.1, so a page that wants something from elsewhere does not
get it, and the test sees that it asked.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

Seen = TypeVar("Seen")

#: Seconds any one thing gets, many times what it takes on 2 busy cores.
PATIENCE = 60

ARGUMENTS = (
    "--headless=new",
    # Its sandbox wants a user other than root; what it opens here is our own.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Containers have a small /dev/shm.
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * 127.0.0.1",
)


#: Whether this is another page than before, and whole.
LOADED = "return !window.before && document.readyState == 'complete'"


@dataclass(frozen=True)
class Exchange:
    """A request of the browser and what came of it.

    :param status: 0 where there was no answer.
    :param failure: Chromium's word for what went wrong, such as ``net::ERR_FAILED``.
    """

    method: str
    url: str
    status: int = 0
    failure: str = ""

    @property
    def over(self) -> bool:
        """Whether anything has come of it."""
        return bool(self.status or self.failure)

    @property
    def good(self) -> bool:
        """Whether it was answered, and with no error."""
        return 200 <= self.status < 400 and not self.failure


class Browser:
    """One browser with a fresh profile.

    :param trusted: a PEM file with the one certificate it takes beside those of known
        authorities; as if its user had looked at it and accepted it.
    """

    def __init__(self, trusted: Path | None = None) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix="zb-", ignore_cleanup_errors=True)
        options = webdriver.ChromeOptions()
        for argument in (*ARGUMENTS, f"--user-data-dir={self._profile.name}"):
            options.add_argument(argument)
        if trusted:
            options.add_argument(f"--ignore-certificate-errors-spki-list={_key_hash(trusted)}")
        options.accept_insecure_certs = False
        options.enable_bidi = True
        options.binary_location = _program("chromium")
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        # Given both programs, Selenium does not look for others to download.
        self.driver = webdriver.Chrome(options, Service(_program("chromedriver")))
        self.driver.set_page_load_timeout(PATIENCE)
        self.open("about:blank")
        self.traffic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, why: BaseException | None, at: TracebackType | None
    ) -> None:
        self.driver.quit()
        self._profile.cleanup()

    # Going somewhere.

    @property
    def url(self) -> str:
        """Where the current page or frame is."""
        return str(self.run("return location.href"))

    def open(self, url: str) -> None:
        """Go to a page and wait until it is loaded."""
        self.driver.get(url)

    def log_in(self, url: str, name: str, password: str) -> None:
        """Go to a page and answer the browser's login prompt."""
        network = self.driver.network
        prompt = network.add_auth_handler(name, password)
        # driver.get would wait for the page and not let the prompt be answered.
        self.driver.browsing_context.navigate(self.driver.current_window_handle, url, wait="none")
        self.until("an answer", lambda: any(x.url.startswith("https:") for x in self.traffic()))
        self.until("the page", lambda: self.run(LOADED))
        network.remove_auth_handler(prompt)

    def click(self, element: WebElement) -> None:
        """Click on something that leads to another page, and wait until that is there."""
        self._leave(element.click)

    def follow(self, text: str) -> None:
        """Click on the link that reads so."""
        self.click(self.driver.find_element(By.LINK_TEXT, text))

    def follow_to(self, url: str) -> None:
        """Have the page or frame go to another page, as a link in it does."""
        self._leave(lambda: self.run("location.assign(arguments[0])", url))

    def _leave(self, act: Callable[[], object]) -> None:
        self.run("window.before = true")
        act()
        self.until("the next page", lambda: self.run(LOADED))

    @contextmanager
    def frame(self, name: str) -> Iterator[None]:
        """Look at a frame of the page."""
        self.driver.switch_to.frame(name)
        try:
            yield
        finally:
            self.driver.switch_to.default_content()

    # Looking and typing.

    def show(self, width: int, scheme: str) -> None:
        """Be a screen of so many pixels; its user likes a ``light`` or a ``dark`` scheme."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def find(self, selector: str) -> WebElement:
        """The first element that the CSS selector matches, once there is one."""
        return self.until(selector, lambda: self.all(selector))[0]

    def all(self, selector: str) -> list[WebElement]:
        """Every element that the CSS selector matches now."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def choose(self, selector: str, text: str) -> None:
        """Choose from a list what reads so."""
        Select(self.find(selector)).select_by_visible_text(text)

    def paste(self, element: WebElement, text: str) -> None:
        """Put text in place of all that an editor has."""
        element.send_keys(Keys.CONTROL, "a")
        self.driver.execute_cdp_cmd("Input.insertText", {"text": text})

    def run(self, script: str, *arguments: object) -> Any:
        """What JavaScript returns, run in the page."""
        return self.driver.execute_script(script, *arguments)

    def until(self, awaited: str, look: Callable[[], Seen]) -> Seen:
        """Look until something is seen; what was seen then."""
        wait = WebDriverWait(self.driver, PATIENCE, 0.1, [StaleElementReferenceException])
        return wait.until(lambda _: look(), f"waited for {awaited} at {self.driver.current_url}")

    def links(self) -> set[str]:
        """Everything the page or frame leads to or loads, as full URLs."""
        found = self.run(
            "return [...document.querySelectorAll('[href], [src], form')]"
            ".map(e => e.href || e.src || e.getAttribute('action'))"
            ".map(url => new URL(url || '', location.href).href)"
        )
        return set(found)

    # What happened since the last look.

    def traffic(self) -> list[Exchange]:
        """The requests since the last call; those inside the browser are left out.

        A request on its way, such as for an icon, is waited for.
        """
        events: list[dict[str, Any]] = []
        found: list[Exchange] = []

        def answered() -> bool:
            log = self._log("performance")
            events.extend(json.loads(entry["message"])["message"] for entry in log)
            every = _exchanges(events)
            found[:] = [one for one in every if one.url.startswith(("http", "file", "ws"))]
            return all(one.over for one in found)

        self.until("what was asked for", answered)
        return found

    def errors(self) -> list[str]:
        """What the console shows in red since the last call."""
        return [entry["message"] for entry in self._log("browser") if entry["level"] == "SEVERE"]

    def _log(self, kind: str) -> list[dict[str, Any]]:
        return list(self.driver.get_log(kind))


def _exchanges(events: list[dict[str, Any]]) -> list[Exchange]:
    """What the events of Chrome's DevTools protocol, domain Network, come to."""
    asked: dict[str, Exchange] = {}
    frames: dict[str, str] = {}
    done: list[Exchange] = []
    for event in events:
        told = event["params"]
        number = told.get("requestId", "")
        match event["method"]:
            case "Network.requestWillBeSent":
                if redirect := told.get("redirectResponse"):
                    before = asked[number]
                    done.append(Exchange(before.method, before.url, redirect["status"]))
                frames[number] = told.get("frameId", "")
                asked[number] = Exchange(told["request"]["method"], told["request"]["url"])
            case "Page.frameNavigated":
                # What the page before still waited for, as an icon, has no end.
                left = told["frame"]["id"]
                asked = {n: one for n, one in asked.items() if one.over or frames.get(n) != left}
            case "Network.responseReceived":
                answered = told["response"]
                before = asked.get(number, Exchange("GET", answered["url"]))
                asked[number] = Exchange(before.method, answered["url"], answered["status"])
            case "Network.loadingFailed" if number in asked and not told.get("canceled"):
                before = asked[number]
                # What the page's own policy forbids has no text.
                why = told["errorText"] or told.get("blockedReason", "")
                asked[number] = Exchange(before.method, before.url, before.status, why)
            case "Network.loadingFailed":
                # The user went on before it was there.
                asked.pop(number, None)
    return [*done, *asked.values()]


def _key_hash(certificate: Path) -> str:
    """SHA-256 of a certificate's public key, as Chromium names keys (RFC 7469, 2.4)."""
    public = _openssl("x509", "-noout", "-pubkey", read=certificate.read_bytes())
    der = _openssl("pkey", "-pubin", "-outform", "der", read=public)
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


def _openssl(*command: str, read: bytes) -> bytes:
    return subprocess.run(["openssl", *command], input=read, capture_output=True, check=True).stdout


def _program(name: str) -> str:
    found = shutil.which(name)
    assert found, f"no {name}: apt-get install chromium chromium-driver"
    return found
