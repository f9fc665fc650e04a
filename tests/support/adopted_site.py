"""An example of ``tests/support/adopted`` as bin/adopt writes it, with its processes.

Its configuration is the text that docs/explanation/deployments.rst shows on the right. A
buildout.cfg extends it with what is this machine's: ports that are free, and who runs it.
"""

from __future__ import annotations

import getpass
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.adopting import PLACE, example
from tests.support.checkout import PATIENCE
from tests.support.harness import CHECKOUT, COMMANDS, Site
from zopestack.features.address import Address

#: What an example's extra instances get of a block of ports, their agents, and what it has beside
#: Zope: so many after the first.
EXTRAS, AGENTS, BESIDE = 10, 30, 15


class AdoptedSite(Site):
    """One of them.

    :param name: of the example.
    :param python: that of the environment for buildout, which installs into it what is missing.
    """

    def __init__(self, name: str, python: Path) -> None:
        self.name = name
        self.python = python
        super().__init__()
        sections = example(name).sections
        own = [section for section in sections if re.fullmatch(r"instance\d+", section)]
        # As many as it has, but of those that are alike two: more of them show no more.
        self.options["instances"] = min(int(sections["stack"]["instances"]), max(2, len(own)))
        if "storage" in sections["stack"]:
            # It has no ZEO.
            del self.options["zeo-address"]
        shutil.copytree(PLACE / name, self.directory, dirs_exist_ok=True)
        self.run(COMMANDS / "adopt", "buildout.cfg", "--write")
        self.configure()

    def configure(self, sections: str = "", **options: object) -> None:
        """Write buildout.cfg anew: the options so far with these over them."""
        self.set(**options)
        extras = example(self.name).sections["stack"].get("extra-instances", "").split("\n")
        names = [line.split()[0] for line in extras if line]
        here: dict[str, Mapping[str, object]] = {
            "buildout": {
                "extends": f"{CHECKOUT / 'versions.cfg'} stack.cfg",
                "os-user": getpass.getuser(),
            },
            "stack": self.options,
            "ports": {
                "haproxy": self.ports.http,
                "varnish": self.beside.port,
                "search": self.beside.port,
            },
            **{name: self._addresses(number) for number, name in enumerate(names)},
        }
        self.write(
            *(
                f"[{name}]\n" + "\n".join(f"{option} = {text}" for option, text in given.items())
                for name, given in here.items()
            ),
            sections,
        )

    def _addresses(self, number: int) -> Mapping[str, object]:
        first = self.ports.base + number
        return {
            "http-address": f"127.0.0.1:{first + EXTRAS}",
            "agent-address": f"127.0.0.1:{first + AGENTS}",
        }

    @property
    def beside(self) -> Address:
        """Where Varnish listens, or a search server."""
        return Address("127.0.0.1", self.ports.base + BESIDE)

    def buildout(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run buildout in the environment of the examples."""
        # The first one may install Plone.
        return self.run(
            *(self.python.parent / "buildout", "-U", *arguments), check=check, timeout=PATIENCE
        )

    @property
    def has_plone(self) -> bool:
        """Whether it runs Plone, and not only Zope."""
        sections = example(self.name).sections.values()
        return any("Plone" in section.get("eggs", "").split() for section in sections)
