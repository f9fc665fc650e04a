"""scripts/tune on a real site, a copy of which it measures."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import pytest

from tests.support import describe
from tests.support.harness import Site, until
from zopestack_bench import cli, search, target, tune
from zopestack_bench.farm import Farm
from zopestack_bench.probe import status

PAGE = """<i tal:content="request/URL"></i>"""

SECTIONS = """
[instance]
zcml-additional =
    <include package="Products.Five" />

[supervisor]
port = {port}
user = admin
password = secret
programs =
    900 beside /bin/sleep [1000000]
"""

#: What may not change.
FILES = ("buildout.cfg", ".installed.cfg", "parts", "bin", "my-templates", "extra.cfg")


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """One instance behind https, with /Plone/page shown as www.example.com/page."""
    with Site(instances=1) as running:
        last = "stats hide-version\n"
        describe.template(running.directory, "my-templates", "haproxy.cfg.j2", last, last)
        (running.directory / "extra.cfg").write_text("http-response set-header X-Extra yes\n")
        running.configure(
            SECTIONS.format(port=running.ports.spare + 1),
            metrics_address=f"127.0.0.1:{running.ports.spare + 2}",
            backup="daily 02:30 keep 14",
            sites="www.example.com = /Plone",
            https_address=f"127.0.0.1:{running.ports.spare}",
            tls_certificate="self-signed",
            http_redirect="off",
            templates="my-templates",
            frontend_extra="extra.cfg",
        )
        running.start()
        folder = {"id": "Plone", "title": ""}
        add = "manage_addProduct/OFSP/manage_addFolder"
        running.post(f"/{add}", folder, at="instance1", login=running.admin)
        add = "/Plone/manage_addProduct/PageTemplates/manage_addPageTemplate"
        page = {"id": "page", "title": "", "text": PAGE}
        running.post(add, page, at="instance1", login=running.admin)
        yield running


def files(site: Site) -> dict[str, float]:
    """When each generated file of the site was written."""
    return {
        str(path): path.stat().st_mtime
        for name in FILES
        for path in (site.directory / name, *(site.directory / name).rglob("*"))
    }


def test_a_copy_of_the_site_is_measured_and_the_site_left_alone(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in ("/page", "/page?again", "/no-such-page"):
        site.request("GET", path, headers={"Host": "www.example.com"})
    log = site.stack.access_log
    until("the log", lambda: "/no-such-page" in log.read_text())
    pids, before = site.pids(), files(site)
    # Memory for one instance, and time for one round and no more.
    urls = ("--url", "http://www.example.com/page", "--url", "/nowhere", "--log", str(log))
    monkeypatch.setattr(sys, "argv", ["tune", *urls, "--memory", "200M", "--minutes", "0"])
    monkeypatch.setattr(search, "ENOUGH", 1)
    monkeypatch.chdir(site.directory)
    tune.main()
    said = capsys.readouterr().out
    assert "asking for 3 pages once" in said
    assert "left out, an error without a login: 1 pages, such as" in said
    assert "http://www.example.com/nowhere" in said
    assert " errors" not in said
    for layout in ("1x1", "1x2"):
        assert re.search(rf"^{layout} +[1-9][0-9.]+ +\d+ +\d+ MB ", said, re.MULTILINE)
    assert re.search(r"^1x1 switch-interval 0.5ms +\d", said, re.MULTILINE)
    assert "no difference: nothing is better" in said or "\n[stack]\ninstances = 1\n" in said
    # Nothing of the site has changed, and nothing is left.
    assert (site.pids(), files(site)) == (pids, before)
    assert not list(site.stack.var.glob("bench-*"))
    assert site.get("/").status == 421


def test_a_page_is_measured_by_its_path_in_zope_whatever_the_sites(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(site.directory)
    monkeypatch.setattr(sys, "argv", ["bench", "--url", "/Plone/page"])
    bench = cli.Bench(cli._arguments())
    assert bench.workload
    with Farm([bench.layouts["1x1"]], print, bench.stack, hosts=False) as farm:
        # Nothing of theirs is started again.
        ours, theirs = ({each.address for each in x.stack.listeners()} for x in (farm, site))
        assert not ours & theirs
        assert "beside" in site.supervised()
        assert "beside" not in farm.supervised()
        for name in ("1x1", "1x1 direct"):
            with target.running(farm, bench.layouts[name]) as running:
                assert status(running.address, bench.workload.paths[0]) == 200


def test_what_would_keep_the_file_from_being_changed_is_found_first(site: Site) -> None:
    configuration = site.directory / "buildout.cfg"
    text = configuration.read_text()
    changed = text + "\n[instance1]\nthreads = 1\n"
    configuration.write_text(changed)
    line = len(changed.splitlines())
    try:
        command = (sys.executable, "-m", "zopestack_bench.tune", "--url", "/page", "--write")
        done = site.run(*command, check=False)
    finally:
        configuration.write_text(text)
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"buildout.cfg cannot be changed: [instance1] threads (buildout.cfg:{line}) wins over the "
        "same option of the stack; delete it first"
    ]
