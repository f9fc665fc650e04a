"""How many CPU cores this process may use, for ``instances = auto``."""

from __future__ import annotations

import os
from pathlib import Path


def usable(root: Path = Path("/")) -> int:
    """Return how many cores this process may use: its affinity mask, limited by a CPU quota.

    The result is at least 1. A quota is rounded down, because a process for half a core would
    only be throttled.

    :param root: where to look for /proc and /sys.
    """
    cores = len(os.sched_getaffinity(0))
    quotas = [quota for quota in (_v2_quota(root), _v1_quota(root)) if quota is not None]
    return max(1, min(cores, *(int(quota) for quota in quotas))) if quotas else max(1, cores)


def _v2_quota(root: Path) -> float | None:
    """Return the lowest ``cpu.max``, in cores, from this process's cgroup to the root (kernel
    documentation, cgroup-v2, "CPU Interface Files")."""
    top = root / "sys/fs/cgroup"
    group = _own_group(root, controller="")
    if group is None:
        return None
    quotas = []
    for directory in (group, *group.parents):
        quota, _, period = _read(top / directory / "cpu.max").partition(" ")
        if quota.isdigit() and period.strip().isdigit():
            quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def _v1_quota(root: Path) -> float | None:
    """Return the lowest ``cpu.cfs_quota_us`` over ``cpu.cfs_period_us``, in cores, from this
    process's cgroup to the root."""
    top = root / "sys/fs/cgroup/cpu"
    group = _own_group(root, controller="cpu")
    if group is None:
        return None
    quotas = []
    for directory in (group, *group.parents):
        quota = _read(top / directory / "cpu.cfs_quota_us").strip()
        period = _read(top / directory / "cpu.cfs_period_us").strip()
        if quota.isdigit() and period.isdigit():
            quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def _own_group(root: Path, controller: str) -> Path | None:
    """Return this process's cgroup below the mount point, from /proc/self/cgroup."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        if controller in controllers.split(","):
            return Path(group.lstrip("/"))
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
