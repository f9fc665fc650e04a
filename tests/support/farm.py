"""Real Zope instances, shared by all tests of the front end, each with a HAProxy of its own.

with farm.door(instances=1, sites="www.example.com = /Plone") as door:
    assert door.get("/", {"Host": "www.example.com"}).status == 200
    assert [request.path for request in door.seen()] == [...]
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from plone.recipe.zope2instance import recipe

from tests.support.deployment import Deployment
from tests.support.door import Door
from tests.support.fetch import fetch
from tests.support.harness import Site, until
from tests.support.relay import Relay
from zopestack.features.address import Address
from zopestack.features.instances import Instance

#: Put on the path of every instance.
PRODUCT = Path(__file__).parent / "product"

#: Bytes of what ``/stream`` delivers.
STREAM = 5 * 1024 * 1024

#: What of [stack] changes the instances themselves, and so is the same for every door.
#: instance1 and instance2 have one thread, the others two; these are the callback lane, for
#: those doors that have one.
INSTANCES = {"instances": 2, "callback-instances": 2, "max-body-size": "1MB"}

#: Folders in the database; the tests' ``sites`` show them.
FOLDERS = ("/Plone", "/inside", "/inside/intranet", "/deep", "/odd", "/other")

SECTIONS = """
[instance]
extra-paths = {product}
# Off by default; a site that needs it has it on.
zope-conf-additional =
    enable-xmlrpc on
    <zodb_db mounted>
      mount-point /mounted
      <zeoclient>
        server {zeo}
        storage mounted
        blob-dir {blobs}
        shared-blob-dir on
      </zeoclient>
    </zodb_db>
zcml-additional =
    <configure xmlns="http://namespaces.zope.org/zope">
      <include package="frontend_pages" />
    </configure>
environment-vars =
    FRONTEND_SEEN {seen}
    FRONTEND_FILE {file}
wsgi-ini-template = {ini}

[zeo]
zeo-conf-additional =
    <filestorage mounted>
      path {mounted}
    </filestorage>

[instance3]
threads = 2

[instance4]
threads = 2
"""

#: The pipeline stays as the package makes it; only what it ends in is wrapped.
RECORDED = """\
[filter-app:zope]
paste.filter_factory = frontend_pages.recorder:factory
next = publisher

[app:publisher]
"""


class Farm(Site):
    """ZEO and the instances, from ``bin/buildout``, started once.

    :ivar relay: between ZEO, which also serves a database ``mounted``, and instance2.
    """

    def __init__(self) -> None:
        super().__init__()
        ini = self.directory / "wsgi.ini.in"
        usual = recipe.default_wsgi_ini_template + recipe.default_wsgi_logging_ini_template
        ini.write_text(usual.replace("[app:zope]\n", RECORDED))
        self.seen = self.directory / "seen"
        self.seen.mkdir()
        file = self.directory / "file"
        file.write_bytes(bytes(STREAM))
        self.relay = Relay(("127.0.0.1", self.ports.zeo))
        sections = SECTIONS.format(
            product=PRODUCT,
            seen=self.seen,
            file=file,
            ini=ini,
            zeo=self.options["zeo-address"],
            mounted=self.directory / "mounted.fs",
            blobs=self.directory / "mounted-blobs",
        )
        self.options |= INSTANCES
        self.configure(sections)

    def buildout(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run buildout, and lead instance2 to ZEO through the relay."""
        done = super().buildout(*arguments, check=check)
        conf = self.stack.parts / "instance2/etc/zope.conf"
        zeo, relay = self.stack.storage.zeo_address, Address(*self.relay.address)
        conf.write_text(conf.read_text().replace(str(zeo), str(relay)))
        return done

    def start(self) -> None:
        """Start everything, with the folders in the database and seen by every instance."""
        super().start()
        for folder in FOLDERS:
            parent, _, name = folder.rpartition("/")
            add = f"{parent}/manage_addProduct/OFSP/manage_addFolder"
            self.post(add, {"id": name, "title": ""}, at="instance1", login=self.admin)
        for instance in self.stack.instances:
            until(f"{instance.name} to see the folders", lambda i=instance: self._complete(i))

    def _complete(self, instance: Instance) -> bool:
        return {fetch(instance.address, folder).status for folder in FOLDERS} == {200}

    def stop(self, patience: float = 0) -> None:
        """Kill it: nobody is served and no database is wanted any more."""
        Deployment.stop(self, patience)
        self.relay.close()

    def door(
        self,
        first: int = 1,
        sections: Mapping[str, Mapping[str, str]] | None = None,
        **options: object,
    ) -> Door:
        """A HAProxy in front of some of the instances.

        :param first: the number of its first instance.
        :param sections: of its groups.
        :param options: of [stack], with ``_`` for ``-``.
        """
        return Door(
            self.seen,
            self.ports.base + first - 1,
            self.ports.base + 20 + first - 1,
            {"max-body-size": INSTANCES["max-body-size"], **options},
            sections,
        )
