"""The dashboard for Grafana: checked with the types that Grafana's authors publish.

No registry that the tests may use has a Grafana to load it into.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import describe, grafana
from zopestack.model import Stack
from zopestack.render.files import render

#: With everything that has panels of its own.
FULL = {
    "instances": "2",
    "backup": "daily 02:30 keep 14",
    "https-address": "8443",
    "tls-certificate": "self-signed",
    "metrics-address": "9404",
}


@pytest.fixture(scope="module")
def types(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("grafana")
    grafana.install(directory)
    return directory


def text(stack: Stack) -> str:
    return render(stack)[stack.grafana_dashboard]


def panels(stack: Stack) -> Iterator[dict[str, Any]]:
    return iter(json.loads(text(stack))["panels"])


@pytest.mark.parametrize("options", [FULL, {}], ids=["full", "plain"])
def test_it_is_one_by_grafanas_own_types(types: Path, home: Path, options: dict[str, str]) -> None:
    assert grafana.complaints(types, text(describe.read(home, options))) == ""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('"schemaVersion": 36', '"schemaVersion": "36"'),
        ('"legendFormat":', '"legend":'),
        ('"fillOpacity":', '"opacity":'),
        ('"unit":', '"units":'),
        ('{"mode": "line"}', '{"mode": "red"}'),
        ('"gridPos":', '"grid":'),
        ('"refresh": 2', '"refresh": 9'),
    ],
)
def test_the_types_find_what_is_wrong(types: Path, home: Path, right: str, wrong: str) -> None:
    good = text(describe.read(home, FULL))
    assert right in good
    assert "error TS" in grafana.complaints(types, good.replace(right, wrong))


def test_panels_do_not_overlap_and_have_numbers_of_their_own(home: Path) -> None:
    found = [*panels(describe.read(home, FULL))]
    numbers = [each["id"] for each in found]
    assert len(numbers) == len(set(numbers))
    taken: set[tuple[int, int]] = set()
    for at in (each["gridPos"] for each in found):
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_what_a_stack_does_not_have_has_no_panel(home: Path) -> None:
    plain, full = (
        {each["title"] for each in panels(describe.read(home, options))} for options in ({}, FULL)
    )
    assert full - plain == {"Age of backups", "Certificates"}


def test_two_stacks_of_a_machine_are_two_to_grafana(home: Path) -> None:
    """Of the same name, too; and a path may have what JSON and YAML quote."""
    made = []
    for name in ("one/site", "two/site-é"):
        stack = describe.read(home / name)
        files = render(stack)
        dashboard = json.loads(files[stack.grafana_dashboard])
        assert dashboard["title"].endswith(name)
        assert f"uid: {dashboard['uid']}\n" in files[stack.grafana_datasource]
        assert f"name: {dashboard['uid']}\n" in files[stack.grafana_dashboards]
        # Grafana reads every file of that directory.
        where = json.dumps(str(stack.grafana_dashboard.parent))
        assert f"path: {where}\n" in files[stack.grafana_dashboards]
        beside = {path for path in files if path.parent == stack.grafana_dashboard.parent}
        assert beside == {stack.grafana_dashboard}
        sources = {each["datasource"]["uid"] for each in panels(stack) if "datasource" in each}
        assert sources == {dashboard["uid"]}
        made.append(dashboard["uid"])
    assert made[0] != made[1]
