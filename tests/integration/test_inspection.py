"""What keeps an instance from starting, or from being balanced, is found in its files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.started import Started
from zopestack.buildout.inspection import said

ZOPE_CONF = """\
%define INSTANCEHOME {home}
instancehome $INSTANCEHOME
%define CLIENTHOME {home}/var
clienthome $CLIENTHOME
debug-mode off
<environment>
    ZOPESTACK_NAME instance1
</environment>
<zodb_db main>
    cache-size 30000
    <zeoclient>
      server 127.0.0.1:8400
    </zeoclient>
    mount-point /
</zodb_db>
"""

WSGI_INI = """\
[server:main]
paste.server_factory = plone.recipe.zope2instance:main
use = egg:plone.recipe.zope2instance#main
listen = 127.0.0.1:8081
threads = 1

[app:zope]
use = egg:Zope#main
zope_conf = {home}/etc/zope.conf

[pipeline:main]
pipeline = egg:zopestack#agent egg:Zope#httpexceptions zope

[loggers]
keys = root

[handlers]
keys = eventlog

[formatters]
keys =

[logger_root]
level = INFO
handlers = eventlog

[handler_eventlog]
class = FileHandler
args = (r'{home}/var/event.log', 'a')
kwargs = {{}}
level = NOTSET
"""

SITE_ZCML = """\
<configure xmlns="http://namespaces.zope.org/zope">
  <include package="Products.Five" />
</configure>
"""

FILES = {"etc/zope.conf": ZOPE_CONF, "etc/wsgi.ini": WSGI_INI, "etc/site.zcml": SITE_ZCML}

#: For each line of JSON, prints what is wrong as a list; each time in a fork with Zope imported.
SERVER = """
import json, os, sys
import Zope2.Startup.handlers, Zope2.Startup.options, Zope2.Startup.serve, paste.deploy
from zopestack.buildout.inspection import objections

for line in sys.stdin:
    if not os.fork():
        print(json.dumps(list(objections(**json.loads(line)))), flush=True)
        os._exit(0)
    os.wait()
"""


@dataclass(frozen=True)
class Case:
    """One edit of one file, and what is said of it."""

    file: str
    old: str
    new: str
    says: str


CASES = [
    Case("zope.conf", "cache-size 30000", "cache-size many", "invalid literal for int()"),
    Case("zope.conf", "debug-mode off", "debug-mode maybe", "not a valid boolean value"),
    Case("zope.conf", "debug-mode off", "no-such-key 1", "'no-such-key' is not a known key name"),
    Case("zope.conf", "debug-mode off", "%import no.such.package", "no.such"),
    Case("zope.conf", "{home}/var", "{home}/nowhere", "nowhere"),
    Case("zope.conf", "</zodb_db>", "", "Zope does not accept"),
    Case("zope.conf", "NAME instance1", "NAME instance2", "set ZOPESTACK_NAME to instance1 for"),
    Case("site.zcml", "</configure>", "", "site.zcml is not XML: no element found"),
    Case("site.zcml", "Products.Five", "no.such", "includes no.such, which none of the eggs has"),
    Case("wsgi.ini", "class = FileHandler", "class = NoSuch", "cannot be set up"),
    Case("wsgi.ini", "kwargs = {{}}", "kwargs = {{'maxBytes': 1}}", "unexpected keyword argument"),
    Case("wsgi.ini", "{home}/var/event.log", "{home}/no/event.log", "not a directory to write to"),
    Case("wsgi.ini", "egg:zopestack#agent ", "", "leaves the agent out of its pipeline"),
    Case("wsgi.ini", "egg:Zope#http", "egg:no-such-egg#http", "names what cannot be loaded"),
    Case("wsgi.ini", "egg:Zope#main", "egg:Zope#none", "names what cannot be loaded"),
    Case("wsgi.ini", "127.0.0.1:8081", "8081", "listens on 8081, but HAProxy asks 127.0.0.1:8081"),
    Case("wsgi.ini", "threads = 1", "threads = 4", "has threads = 4, but HAProxy sends 1 requests"),
    Case("wsgi.ini", "threads = 1", "", "has threads = , but HAProxy sends 1 requests at once"),
    Case("wsgi.ini", "instance#main", "instance#none", "names a server that cannot be loaded"),
]


def asked(home: Path) -> dict[str, object]:
    """What is to be inspected: the files of ``home``."""
    return {
        "part": str(home),
        "wsgi_ini": str(home / "etc/wsgi.ini"),
        "address": "127.0.0.1:8081",
        "threads": 1,
        "environment": {"ZOPESTACK_NAME": "instance1"},
    }


class Inspector:
    """Inspects files of an instance as its interpreter does, but without its start."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def objections(self, home: Path) -> list[str]:
        """What is wrong with the files of ``home``."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(asked(home)) + "\n")
        self._process.stdin.flush()
        found: list[str] = json.loads(self._process.stdout.readline())
        return found


@pytest.fixture(scope="module")
def inspector() -> Iterator[Inspector]:
    command = [sys.executable, "-c", SERVER]
    with Started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Inspector(process)
        process.communicate()


@pytest.fixture
def part(tmp_path: Path) -> Path:
    """The files of an instance that starts."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "var").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text.format(home=tmp_path))
    return tmp_path


def test_good_files(part: Path, inspector: Inspector) -> None:
    assert inspector.objections(part) == []
    # Nothing is written, no log file either.
    assert list((part / "var").iterdir()) == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.new}"[:30])
def test_one_edit_is_found_and_named(case: Case, part: Path, inspector: Inspector) -> None:
    text = FILES[f"etc/{case.file}"]
    assert text.count(case.old) >= 1
    file = part / "etc" / case.file
    file.write_text(text.replace(case.old, case.new, 1).format(home=part))
    found = inspector.objections(part)
    assert len(found) == 1
    assert case.says in found[0]
    assert str(file) in found[0]
    assert "\n" not in found[0]


def test_a_wsgi_ini_that_is_gone(part: Path, inspector: Inspector) -> None:
    (part / "etc/wsgi.ini").unlink()
    assert any("wsgi.ini" in each for each in inspector.objections(part))


def test_what_else_is_printed_is_no_objection(part: Path) -> None:
    (part / "noisy.py").write_text("import logging\nprint('x')\nHandler = logging.StreamHandler\n")
    text = WSGI_INI.replace("class = FileHandler", "class = noisy.Handler")
    text = text.replace("(r'{home}/var/event.log', 'a')", "(sys.stdout,)")
    (part / "etc/wsgi.ini").write_text(text.format(home=part))
    done = subprocess.run(
        [sys.executable, "-m", "zopestack.buildout.inspection"],
        env={**os.environ, "PYTHONPATH": str(part)},
        input=json.dumps(asked(part)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "x\n" in done.stderr
    assert done.stdout.strip() == ""


def test_an_own_zope_conf_without_a_part(part: Path, inspector: Inspector) -> None:
    shutil.rmtree(part / "etc")
    assert any("zope.conf" in each for each in inspector.objections(part))


def test_what_is_said_has_the_kind_of_an_error_that_is_no_sentence() -> None:
    assert said(KeyError("dbname")) == "KeyError: 'dbname'"
    assert said(ValueError("a sentence\nin two lines")) == "a sentence in two lines"
    assert said(ValueError("x")) == "ValueError: x"
