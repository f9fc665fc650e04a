"""Makes the picture of the status page for the documentation; takes 5 minutes.

    .venv/bin/python -m tests.system.browser.picture docs/pictures/status.png

The stack is a real one of four instances, with a few visitors at a time. Samples are taken every
second, so that its hour lasts 4 minutes.
"""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path

from PIL import Image

from scripts.bootstrap import say
from tests.support import figures, ledger
from tests.support.fetch import fetch
from tests.support.harness import Site
from tests.system.browser.chromium import Browser

#: Runs ``metrics`` with samples of a second.
QUICK = """
from zopestack.supervisor import scrapes
from zopestack.supervisor.page import watcher
watcher.INTERVAL, watcher.FRESH = 1.0, 0.5
scrapes.main()
"""

#: What the directory would be called; that of a test has no name that tells anything.
NAME = "mysite"

WIDTH = 1280

#: Enough for text on two grounds, and a fourth of the bytes.
COLOURS = 32

SLOW = "/ledger/slow?seconds={}"


@contextmanager
def visited(site: Site, path: str, pause: float) -> Iterator[None]:
    """A visitor who asks for a page again and again meanwhile.

    :param pause: seconds between an answer and the next question.
    """
    over = threading.Event()
    door = site.stack.balancer.local_address

    def visit() -> None:
        while not over.wait(pause):
            with suppress(OSError, HTTPException):
                fetch(door, path)

    visitor = threading.Thread(target=visit, daemon=True)
    visitor.start()
    yield
    over.set()


@contextmanager
def quick_metrics(site: Site) -> Iterator[None]:
    site.supervisorctl("stop", "metrics", check=True)
    command = [sys.executable, "-c", QUICK, str(site.stack.stack_file)]
    process = subprocess.Popen(command, env=site.environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Have an hour of 4 minutes, then some trouble, and take the picture."""
    file = Path(sys.argv[1])
    with Site(ledger.SECTIONS, instances=4, threads=2, backup="daily 02:30 keep 14") as site:
        site.configure(ledger.SECTIONS, metrics_address=f"127.0.0.1:{site.ports.spare}")
        say("starting")
        site.start()
        ledger.create(site, visitors=1)
        page = site.stack.status_page
        page.write_text(page.read_text().replace(site.stack.directory.name, NAME))
        address = site.stack.metrics.metrics_address
        assert address
        with quick_metrics(site):
            figures.listening(address)
            say("visiting for 4 minutes")
            with visited(site, "/ledger/page", 0.1), visited(site, SLOW.format(0.3), 0.2):
                threading.Event().wait(60)
                with visited(site, SLOW.format(1.2), 0.1), visited(site, SLOW.format(0.7), 0.05):
                    threading.Event().wait(70)
                with visited(site, "/ledger/broken", 0.4):
                    threading.Event().wait(30)
                site.supervisorctl("drain", "instance3", check=True)
                site.supervisorctl("stop", "instance4", check=True)
                for seconds in (60, 50):
                    threading.Thread(
                        target=fetch,
                        args=(site.stack.balancer.local_address, SLOW.format(seconds)),
                        daemon=True,
                    ).start()
                threading.Event().wait(20)
                photograph(f"http://{address}/", file)
        say(f"{file} is there, {file.stat().st_size >> 10} kB")


def photograph(url: str, file: Path) -> None:
    """Write what a browser shows of the page once everything is there."""
    with Browser() as browser:
        browser.show(WIDTH, "light")
        browser.open(url)
        browser.until("doctor", lambda: browser.find("#examined").text.startswith("At "))
        browser.until("curves", lambda: browser.all("#figures path"))
        height = browser.run("return document.documentElement.scrollHeight")
        size = {"width": WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": False}
        browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        picture = Image.open(io.BytesIO(browser.driver.get_screenshot_as_png()))
        picture.convert("RGB").quantize(COLOURS).save(file, optimize=True)


if __name__ == "__main__":
    main()
