from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from zopestack.features import cpus

V2 = {"proc/self/cgroup": "0::/\n"}
V2_NESTED = {"proc/self/cgroup": "0::/site.slice/zope.service\n"}
V1 = {"proc/self/cgroup": "5:memory:/box\n4:cpu,cpuacct:/box\n1:name=systemd:/box\n0::/box\n"}
V1_NESTED = {"proc/self/cgroup": "4:cpuacct,cpu:/pod/box\n"}


def tree(root: Path, files: Mapping[str, str]) -> Path:
    """A directory with these files, each below sys/fs/cgroup unless it says otherwise."""
    for name, text in files.items():
        path = root / name if name.startswith("proc") else root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def v1(group: str, quota: str, period: str = "100000") -> dict[str, str]:
    return {
        f"cpu{group}/cpu.cfs_quota_us": f"{quota}\n",
        f"cpu{group}/cpu.cfs_period_us": f"{period}\n",
    }


@pytest.fixture
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quotas are all that counts on this machine."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))


@pytest.mark.usefixtures("eight_cores")
@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        (V2, 8),
        (V2 | {"cpu.max": "max 100000\n"}, 8),
        (V2 | {"cpu.max": "200000 100000\n"}, 2),
        (V2 | {"cpu.max": "150000 100000\n"}, 1),
        (V2 | {"cpu.max": "390000 100000\n"}, 3),
        (V2 | {"cpu.max": "10000 100000\n"}, 1),
        (V2 | {"cpu.max": "100000 50000\n"}, 2),
        (V2 | {"cpu.max": "9900000 100000\n"}, 8),
        (V2 | {"cpu.max": "unheard of\n"}, 8),
        (V2 | {"cpu.max": ""}, 8),
        (V2_NESTED | {"site.slice/zope.service/cpu.max": "300000 100000\n"}, 3),
        (
            V2_NESTED
            | {
                "site.slice/zope.service/cpu.max": "600000 100000\n",
                "site.slice/cpu.max": "400000 100000\n",
                "cpu.max": "max 100000\n",
            },
            4,
        ),
        (V2_NESTED | {"site.slice/other.service/cpu.max": "100000 100000\n"}, 8),
        # In a container the group's own path is not there, its files are at the top.
        (V2_NESTED | {"cpu.max": "500000 100000\n"}, 5),
        (V1 | v1("/box", "-1"), 8),
        (V1 | v1("/box", "200000"), 2),
        (V1 | v1("/box", "250000"), 2),
        (V1 | v1("/box", "50000"), 1),
        (V1 | v1("/box", "75000", "25000"), 3),
        (V1 | v1("", "400000"), 4),
        (V1_NESTED | v1("/pod/box", "-1") | v1("/pod", "300000") | v1("", "-1"), 3),
        (V1_NESTED | v1("/pod/box", "500000") | v1("/pod", "300000"), 3),
        ({"proc/self/cgroup": "4:memory:/box\n"} | v1("/box", "200000"), 8),
    ],
    ids=[
        "no cgroups",
        "v2 without a limit",
        "v2 max",
        "v2 two cores",
        "v2 one and a half",
        "v2 almost four",
        "v2 a tenth",
        "v2 another period",
        "v2 more than there are",
        "v2 unreadable",
        "v2 empty",
        "v2 nested",
        "v2 the lowest of three",
        "v2 another group's",
        "v2 in a container",
        "v1 without a limit",
        "v1 two cores",
        "v1 two and a half",
        "v1 half",
        "v1 another period",
        "v1 in a container",
        "v1 limited by the middle",
        "v1 limited above",
        "v1 no cpu controller",
    ],
)
def test_quota(tmp_path: Path, files: Mapping[str, str], cores: int) -> None:
    assert cpus.usable(tree(tmp_path, files)) == cores


def test_affinity_of_the_process(tmp_path: Path) -> None:
    """Linux keeps it for each thread, so this one may be limited to one core."""
    one = min(os.sched_getaffinity(0))

    def limited() -> int:
        os.sched_setaffinity(0, {one})
        return cpus.usable(tmp_path)

    with ThreadPoolExecutor(max_workers=1) as thread:
        assert thread.submit(limited).result() == 1


def test_this_machine() -> None:
    assert 1 <= cpus.usable() <= len(os.sched_getaffinity(0))
