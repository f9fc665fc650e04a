"""Without scripts/up: ``pip install zc.buildout && buildout`` in a clone, and zopestack
installed as a wheel for someone else's buildout."""

from __future__ import annotations

import venv
import zipfile
from collections.abc import Callable

import pytest

from scripts.bootstrap import read_pins
from tests.support.checkout import PATIENCE, Checkout
from tests.support.harness import CHECKOUT, COMMANDS, Site

#: Most of it is pip, which fetches and builds.
pytestmark = pytest.mark.timeout(900)


def test_clone_is_provisioned_without_uv(make_checkout: Callable[..., Checkout]) -> None:
    """Buildout fetches one distribution at a time, and imports what it has just fetched.

    What takes long in that, Zope, is there beforehand; zopestack, all it needs and the
    recipes of the parts are not.
    """
    site = make_checkout(instances=2)
    venv.create(site.directory / "env", with_pip=True)
    install(site, "zc.buildout", "wheel", "Zope", "ZEO")
    said = site.run("env/bin/buildout", timeout=PATIENCE).stdout
    assert not (site.directory / ".venv").exists()
    for fetched in ("supervisor", "plone.recipe.zeoserver", "plone.recipe.zope2instance"):
        assert f"Getting distribution for '{fetched}==" in said
    site.run("bin/supervisord")
    site.wait_ready()
    assert site.get("/").status == 200
    # Run again, there is nothing to do and nothing to fetch.
    again = site.run("env/bin/buildout").stdout
    assert "Getting distribution" not in again
    assert "Installing" not in again


def test_wheel_in_another_buildout(make_site: Callable[..., Site]) -> None:
    site = make_site(instances=2)
    site.run(
        *(COMMANDS / "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
        *("--wheel-dir", ".", CHECKOUT),
    )
    (wheel,) = site.directory.glob("*.whl")
    templates = {f"zopestack/templates/{path.name}" for path in CHECKOUT.glob("templates/*")}
    assert templates <= set(zipfile.ZipFile(wheel).namelist())
    venv.create(site.directory / "env")
    recipes = ("plone.recipe.zeoserver", "plone.recipe.zope2instance")
    install(site, str(wheel), "Zope", "ZEO", *recipes, "wheel", "pip")
    site.run("env/bin/buildout", "-U", "-o")
    site.run("bin/supervisord")
    site.wait_ready()
    assert site.get("/").status == 200
    assert str(CHECKOUT / "src") not in (site.stack.bin / "instance1").read_text(encoding="utf-8")


def install(site: Site, *requirements: str) -> None:
    """Install into the environment ``env`` of a site, at the pinned versions."""
    pins = site.directory / "pins.txt"
    pinned = read_pins(CHECKOUT / "versions.cfg").items()
    pins.write_text("".join(f"{name}=={pin}\n" for name, pin in pinned), encoding="utf-8")
    site.run(
        *(COMMANDS / "uv", "pip", "install", "--system-certs", "--quiet"),
        *("--python", "env/bin/python", "-c", str(pins), *requirements),
    )
