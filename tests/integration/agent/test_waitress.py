"""waitress's own functional tests, against the agent's server: with one thread, and with more."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.support import polling

#: One thread cannot serve another request beside one that sleeps.
TWO_AT_ONCE = "SleepyThreadTests"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """waitress's release, whose tests are not in its wheel."""
    directory = tmp_path_factory.mktemp("waitress")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--no-binary", "waitress", "--no-build-isolation", "--dest", str(directory)]
    subprocess.run([*command, f"waitress=={version('waitress')}"], check=True)
    (release,) = directory.glob("*.tar.gz")
    # Python's own tarfile has no safe way of it before 3.11.4.
    subprocess.run(["tar", "--extract", "--file", release, "--directory", directory], check=True)
    return directory / release.name.removesuffix(".tar.gz")


@pytest.mark.parametrize("threads", [1, 4])
def test_what_waitress_promises(sources: Path, threads: int) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["-p", "inline_waitress", "-c", os.devnull, "--rootdir", str(sources)]
    command += ["tests/test_functional.py", "-k", f"not {TWO_AT_ONCE}" if threads == 1 else ""]
    done = subprocess.run(
        command,
        cwd=sources,
        env=os.environ
        | {
            "PYTHONPATH": str(Path(polling.__file__).parent),
            "INLINE_WAITRESS_THREADS": str(threads),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    assert " passed" in done.stdout
