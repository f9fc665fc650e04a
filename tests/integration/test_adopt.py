"""bin/adopt as people run it, and bin/buildout on what it has written."""

from __future__ import annotations

import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.adopting import PLACE

PROGRAMS = Path(sys.executable).parent

Done = subprocess.CompletedProcess[str]


def run(home: Path, *command: str | Path) -> Done:
    """Run a program without the user's own defaults for buildouts."""
    return subprocess.run(
        command,
        cwd=home,
        env={**os.environ, "BUILDOUT_HOME": str(home / "none")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=400,
    )


def adopt(home: Path, *arguments: str) -> Done:
    return run(home, PROGRAMS / "adopt", *arguments)


def files(home: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}


@pytest.fixture(scope="module", params=["campus", "council"])
def provisioned(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """A buildout that has been adopted, with plain Zope and the real recipes."""
    home = tmp_path_factory.mktemp("a") / request.param
    shutil.copytree(PLACE / request.param, home)
    before = files(home)
    done = adopt(home, "buildout.cfg", "--write")
    assert done.returncode == 0, done.stderr
    assert {**before, home / "stack.cfg": (home / "stack.cfg").read_bytes()} == files(home)
    built = run(home, PROGRAMS / "buildout", "-U", "-o", "-c", "stack.cfg")
    assert built.returncode == 0, built.stderr
    return home, request.param


def test_what_it_writes_provisions(provisioned: tuple[Path, str]) -> None:
    home, name = provisioned
    haproxy = (home / "parts/stack-files/haproxy.cfg").read_text()
    servers = re.findall(r"^    server (instance\d+) (\S+)", haproxy, re.MULTILINE)
    first, count, extras, part = {
        "campus": (11001, 4, {"zcdebug"}, "checkinterval"),
        "council": (8081, 3, {"instance-debug", "instance-async"}, "repozo"),
    }[name]
    ports = range(first, first + count)
    assert servers == [(f"instance{n}", f"127.0.0.1:{p}") for n, p in enumerate(ports, 1)]
    made = {path.name for path in (home / "bin").iterdir()}
    assert {*extras, "supervisord", part} <= made
    wanted = (home / "parts/stack-files/supervisord.conf").read_text()
    assert {*re.findall(r"^\[program:(.*)\]", wanted, re.MULTILINE)} >= extras


def test_zope_has_what_its_sections_said(provisioned: tuple[Path, str]) -> None:
    home, name = provisioned
    said = {"campus": "zeo 2\n", "council": "PUBLIC_URL https://council.example.org\n"}
    conf = (home / "parts/instance2/etc/zope.conf").read_text()
    assert said[name] in conf.replace("\t", " ")


def test_bin_adopt_is_there_after_bin_buildout(provisioned: tuple[Path, str]) -> None:
    home, _ = provisioned
    done = run(home, "bin/adopt", "buildout.cfg")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (home / "stack.cfg").read_text()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PLACE / "press", tmp_path / "press"))


def test_it_writes_beside_the_buildout_and_over_nothing(copy: Path) -> None:
    (copy / "buildout.cfg").chmod(0o640)
    for name in ("buildout.cfg", "versions.cfg"):
        before = files(copy)
        done = adopt(copy.parent, "press/buildout.cfg", "--write", name)
        assert done.returncode == 1
        assert done.stderr.startswith(f"Error: {copy / name} is there already; name another file")
        assert files(copy) == before
    done = adopt(copy.parent, "press/buildout.cfg", "--write", "new.cfg")
    assert done.stdout.startswith(f"{copy / 'new.cfg'} is written")
    assert (copy / "new.cfg").stat().st_mode & 0o777 == 0o640


def test_it_makes_nothing_that_buildout_would_make(copy: Path) -> None:
    with open(copy / "buildout.cfg", "a") as file:
        file.write(
            "\n[buildout]\neggs-directory = eggs\ndownload-cache = downloads\n"
            "extends-cache = extended\nextensions = mr.developer\n"
        )
    before = files(copy), {*copy.rglob("*")}
    done = adopt(copy, "buildout.cfg")
    assert done.returncode == 0, done.stderr
    assert "extensions = mr.developer" in done.stdout
    assert (files(copy), {*copy.rglob("*")}) == before


@pytest.mark.parametrize("name", ["nowhere.cfg", ".", "versions.cfg"])
def test_what_cannot_be_read_is_one_line(copy: Path, name: str) -> None:
    done = adopt(copy, name)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"Error: .*\n", done.stderr)
    assert Path(name).name in done.stderr


@pytest.fixture
def served() -> Iterator[str]:
    """The files of the examples, by http."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(PLACE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_files_elsewhere_are_read_and_stay_where_they_are(copy: Path, served: str) -> None:
    """What changes and is elsewhere is written anew; what does not change is still extended."""
    text = (copy / "base.cfg").read_text()
    url = f"{served}/press/versions.cfg"
    (copy / "base.cfg").write_text(text.replace("versions.cfg", url))
    assert f"extends = {url}\n" in adopt(copy, "buildout.cfg").stdout
    text = (copy / "buildout.cfg").read_text()
    (copy / "buildout.cfg").write_text(text.replace("base.cfg", f"{served}/press/base.cfg"))
    printed = adopt(copy, "buildout.cfg").stdout
    assert "\npress.policy = 1.4\n" in printed
    assert "\nextends =" not in printed
    assert f"[instance-settings] shared-blob ({served}/press/base.cfg)" in printed
