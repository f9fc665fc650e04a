"""uv goes where pip would, and does without a home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import packages
from zopestack.buildout.uv import environment, of_pip

LISTED = """\
global.index-url='https://a.example/simple'
global.extra-index-url='https://b.example/simple\\nhttps://c.example/simple'
global.timeout='5'
install.index-url='https://d.example/simple'
search.index='https://e.example/pypi'
:env:.proxy='http://proxy.example:3128'
"""

#: Without any setting.
PLAIN = {"UV_INDEX_STRATEGY": "unsafe-best-match"}


def test_settings_of_pip_and_what_they_are_called_by_uv() -> None:
    assert of_pip(LISTED) == {
        "UV_DEFAULT_INDEX": "https://d.example/simple",
        "UV_EXTRA_INDEX_URL": "https://b.example/simple https://c.example/simple",
        "ALL_PROXY": "http://proxy.example:3128",
        "HTTPS_PROXY": "http://proxy.example:3128",
        "HTTP_PROXY": "http://proxy.example:3128",
        "UV_HTTP_TIMEOUT": "5",
    }


def test_no_settings() -> None:
    assert of_pip("") == {}


def test_pip_says_them_itself(tmp_path: Path) -> None:
    """Of a file and of the environment; a variable of uv's own wins."""
    file = tmp_path / "pip.conf"
    file.write_text("[global]\nindex-url = https://a.example/simple\nfind-links = /\n /tmp\n")
    own = {
        "HOME": str(tmp_path),
        "PIP_CONFIG_FILE": str(file),
        "PIP_EXTRA_INDEX_URL": "https://b.example/simple",
        "UV_FIND_LINKS": "/mine",
    }
    made = environment(sys.executable, own)
    # The machine may have a certificate of its own.
    made.pop("SSL_CERT_FILE", "")
    assert made == {
        **own,
        **PLAIN,
        "UV_DEFAULT_INDEX": "https://a.example/simple",
        "UV_EXTRA_INDEX_URL": "https://b.example/simple",
    }


def test_a_python_without_pip_has_no_settings(tmp_path: Path) -> None:
    own = {"HOME": str(tmp_path)}
    assert environment("/bin/false", own) == {**own, **PLAIN}


def test_a_release_that_only_a_later_index_has(tmp_path: Path) -> None:
    """As pip does: all indexes that its settings name count alike, and missing ones do not."""
    for version, index in (("2.0", "first"), ("1.0", "second"), ("3.0", "third")):
        page = tmp_path / index / "example-egg" / "index.html"
        page.parent.mkdir(parents=True)
        packages.wheel(page.parent, "example_egg", version)
        (wheel,) = page.parent.iterdir()
        page.write_text(f'<!doctype html><a href="{wheel.name}">{wheel.name}</a>')
    indexes = {name: (tmp_path / name).as_uri() for name in ("first", "second", "third")}
    own = {
        **os.environ,
        "PIP_INDEX_URL": indexes["third"],
        "PIP_EXTRA_INDEX_URL": f"{indexes['first']} {indexes['second']}",
        "PIP_FIND_LINKS": f"/missing {(tmp_path / 'missing').as_uri()}",
    }
    done = subprocess.run(
        [Path(sys.executable).with_name("uv"), "pip", "install", "--target", tmp_path / "there",
         "example_egg==1.0"],
        env=environment(sys.executable, own),
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "there" / "example_egg-1.0.dist-info").is_dir()


@pytest.mark.parametrize(
    ("own", "cached"),
    [
        ({}, False),
        ({"HOME": ""}, False),
        ({"HOME": "/dev/null"}, False),
        ({"HOME": "/dev/null", "XDG_CACHE_HOME": "{home}"}, True),
        ({"HOME": "/dev/null", "UV_CACHE_DIR": "{home}/uv"}, True),
        ({"HOME": "{home}", "XDG_CACHE_HOME": "/dev/null"}, False),
        ({"HOME": "{home}"}, True),
    ],
)
def test_without_a_place_for_its_cache_uv_does_without(
    own: dict[str, str], cached: bool, tmp_path: Path
) -> None:
    own = {name: value.format(home=tmp_path) for name, value in own.items()}
    assert ("UV_NO_CACHE" not in environment("/bin/false", own)) == cached
