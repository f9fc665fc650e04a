"""What a running Varnish is told, with its own program for that (varnishadm(1))."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

from zopestack.varnish import program

#: Timeout in seconds for one command; the longest one has a C compiler translate the rules.
TIMEOUT = 60


class Refused(Exception):
    """Varnish does not do what it is told; the message is its own."""


class Admin:
    """One Varnish.

    :param executable: varnishd, beside which its varnishadm is.
    :param directory: its working directory, with the secret for commands.
    """

    def __init__(self, executable: Path, directory: Path) -> None:
        self.words = [str(program.beside(executable, "varnishadm")), "-n", str(directory)]

    def command(self, *words: str) -> str:
        """Send one command and return the answer.

        :raises OSError: if Varnish does not answer.
        :raises Refused: if it refuses.
        """
        try:
            done = subprocess.run(
                [*self.words, *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise OSError(f"Varnish does not answer within {TIMEOUT} s") from None
        said = (done.stdout + done.stderr).strip()
        if done.returncode == 0:
            return done.stdout
        if "Command failed with error code" in said:
            raise Refused(said)
        raise OSError(said)

    def answers(self) -> bool:
        """Whether Varnish runs and can be told something."""
        try:
            self.command("ping")
        except (OSError, Refused):
            return False
        return True

    def take_up(self, rules: Path) -> bool:
        """Have new requests follow a file of rules; return whether they did not already.

        Pages stay, and requests under way end by the rules that they have begun with.

        :raises OSError: if Varnish does not answer.
        :raises Refused: if it does not accept the rules; the old ones stay.
        """
        text = rules.read_text(encoding="utf-8")
        known = self._known()
        active = next(name for name, state in known.items() if state == "active")
        if self.command("vcl.show", active).strip() == text.strip():
            return False
        name = f"rules-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        if name not in known:
            self.command("vcl.load", name, str(rules))
        self.command("vcl.use", name)
        for old in known.keys() - {name}:
            self.command("vcl.discard", old)
        return True

    def _known(self) -> dict[str, str]:
        """The rules that it has, without those that end once no request follows them."""
        answer = json.loads(self.command("vcl.list", "-j"))
        known = {each["name"]: each["status"] for each in answer if isinstance(each, dict)}
        return {name: status for name, status in known.items() if status != "discarded"}
