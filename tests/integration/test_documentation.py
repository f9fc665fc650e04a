"""Every configuration, command, path and address in the documentation is one of the package."""

from __future__ import annotations

import inspect
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from supervisor.supervisorctl import DefaultControllerPlugin
from zc.buildout import configparser

from zopestack import files
from zopestack.buildout import certificates
from zopestack.buildout.parts import parts
from zopestack.config import overrides
from zopestack.config.read import Buildout, Configuration, read
from zopestack.features.certificates import CHAIN, KEY
from zopestack.features.option import Option
from zopestack.features.storage import LAYOUT
from zopestack.model import OPTIONS, Stack
from zopestack.render.programs import programs
from zopestack.supervisor import up
from zopestack.supervisor.plugin import Plugin
from zopestack.supervisor.trace import NUMBER
from zopestack_bench import cli

CHECKOUT = Path(__file__).parents[2]
DOCS = CHECKOUT / "docs"
BUILDOUT = (CHECKOUT / "buildout.cfg").read_text(encoding="utf-8")

#: What a person reads, by name: the pages of docs/ and the texts at the top.
PAGES = {
    str(path.relative_to(CHECKOUT)): path.read_text(encoding="utf-8")
    for path in sorted((*CHECKOUT.glob("*.rst"), *DOCS.rglob("*.rst")))
    if DOCS / "changes" not in path.parents and DOCS / "_build" not in path.parents
}
EVERYTHING = "\n".join(PAGES.values())

#: What the parts of a stack put into bin/ under names that are in no option.
SCRIPTS_OF_RECIPES = {"repozo", "zeopack", "zodbpack"}

#: Programs in a virtual environment that the pages run.
OF_ENVIRONMENTS = {"adopt", "buildout", "pip", "python", "sphinx-build"}

#: Commands of a shell that the pages may use besides the project's own.
SHELL = {"cat", "cp", "curl", "cut", "ln", "mkdir", "python3"}
SHELL |= {"loginctl", "npm", "ssh", "sudo", "systemctl", "varnishlog", "varnishstat"}

Sections = dict[str, dict[str, str]]


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in a language, wherever they are indented to."""
    found = re.findall(
        rf"^( *)\.\. code-block:: {language}\n\n((?:\1   .*\n|\n)+)", page, re.MULTILINE
    )
    return [
        re.sub(rf"^{indent}   ", "", block, flags=re.MULTILINE).strip() + "\n"
        for indent, block in found
    ]


def configurations() -> Iterator[object]:
    """Each configuration, called by its page and its last line."""
    for name, page in PAGES.items():
        for block in blocks(page, "ini"):
            yield pytest.param(block, id=f"{name}: {block.splitlines()[-1].strip()}")


def commands() -> list[str]:
    """What the pages have a person type, each once."""
    lines = "".join("".join(blocks(page, "console")) for page in PAGES.values()).splitlines()
    return list(dict.fromkeys(line.removeprefix("$ ") for line in lines if line.startswith("$ ")))


def comments() -> Iterator[tuple[str, str, str]]:
    """Each option of buildout.cfg: its name, its value, and the comment above it."""
    comment: list[str] = []
    for line in BUILDOUT.splitlines():
        if line.startswith("#"):
            comment.append(line.removeprefix("#").strip())
            continue
        if " = " in line:
            name, value = line.split(" = ")
            yield name, value, " ".join(comment)
        comment = []


def parse(text: str) -> Sections:
    """The sections of a buildout configuration."""
    parsed = configparser.parse(io.StringIO(text), "a page")
    return {name: dict(section) for name, section in parsed.items()}


def furnish(sections: Sections, home: Path) -> None:
    """Have what an example names on the machine of its reader, below ``home``."""
    section = sections.get("stack", {})
    if "hosts" in section:
        # Any address of 127.0.0.0/8 is one of this machine, which may so be any of the hosts.
        for option in {"hosts", "virtual-address"} & section.keys():
            section[option] = section[option].replace("10.0.0.", "127.0.0.")
        section.setdefault("host", section["hosts"].split()[0])
    for option in {"tls-certificate", "acme-challenge", "blob-storage"} & section.keys():
        if section[option].startswith("/"):
            section[option] = f"{home}{section[option]}"
            Path(section[option]).mkdir(parents=True)
    certificate = Path(section.get("tls-certificate", ""))
    if certificate.is_absolute():
        certificates.make_self_signed(home / "made.pem", ["www.example.com", "example.com"])
        (home / "made.pem").rename(certificate / CHAIN)
        (home / "made.pem.key").rename(certificate / KEY)
    if "blob-storage" in section:
        Path(section["blob-storage"], LAYOUT).touch()
    for option in {"zeo-certificate", "zeo-authenticate"} & section.keys():
        made = home / option
        certificates.make_self_signed(made, [])
        section[option] = str(home / f"{option}.pem")
        files.write(
            Path(section[option]),
            made.read_text() + made.with_name(f"{option}.key").read_text(),
            mode=0o600,
        )
    if extra := section.get("frontend-extra"):
        (home / extra).write_text("http-response set-header X-Example yes\n")


def described(sections: Sections, home: Path) -> Configuration:
    """What a configuration describes; one without [stack], four instances."""
    furnish(sections, home)
    where = Buildout(directory=home, bin=home / "bin", parts=home / "parts")
    section = sections.get("stack", {"instances": "4"})
    (home / section.get("templates", "")).mkdir(exist_ok=True)
    own = {role: sections[name] for role, name in overrides.own(list(sections), section).items()}
    return read("stack", section, own, where)


def made(of: Configuration) -> dict[str, dict[str, str]]:
    """The parts."""
    return parts(of.stack, of.overrides)


def without_markup(text: str) -> str:
    """A sentence of the table of options as a comment has it."""
    return text.replace("``", "").replace("*i*", "i")


def test_every_defence_is_held_by_a_test_that_exists() -> None:
    page = PAGES["docs/explanation/defences.rst"]
    rows = page.partition("What is kept out\n---")[2].partition("\n\n\n")[0]
    held = re.findall(r"^     - (``\w+\.py``.*)$", rows, re.MULTILINE)
    assert len(held) == rows.count("   * - ") - 1 > 20
    for cell in held:
        for file, names in re.findall(r"``(\w+\.py)``((?: ``[A-Z]+``)*)", cell):
            texts = [path.read_text("utf-8") for path in (CHECKOUT / "tests").rglob(file)]
            assert texts, file
            for name in re.findall(r"[A-Z]+", names):
                assert any(f"\n{name} = (" in text for text in texts), (file, name)


def test_the_diagram_shows_the_default_ports(home: Path) -> None:
    diagram = (DOCS / "pictures/stack.svg").read_text("utf-8")
    shown = set(re.findall(r":(\d{4})<", diagram))
    of = described({"stack": {"instances": "2"}}, home).stack
    assert shown <= {str(listener.address.port) for listener in of.listeners()}
    balancer = of.balancer
    least = (balancer.local_address, balancer.stats_address, of.storage.zeo_address)
    assert shown >= {str(address.port) for address in least}


@pytest.mark.parametrize("block", list(configurations()))
def test_every_configuration_is_accepted(block: str, home: Path) -> None:
    sections = parse(block)
    found = described(sections, home)
    own = {*made(found), *found.stack.groups.names}
    roles = overrides.own(list(sections), sections.get("stack", {}))
    others = {name for name, section in sections.items() if "recipe" in section}
    assert set(sections) <= {"buildout", "versions", *others, *own, *roles.values()}


def test_every_host_of_a_configuration_is_accepted(home: Path) -> None:
    block = blocks(PAGES["docs/howto/hosts.rst"], "ini")[0]
    names = re.findall(r"^ +(\w+) +10\.", block, re.MULTILINE)
    running = set()
    for name in names:
        sections = parse(block)
        sections["stack"]["host"] = name
        running |= {*described(sections, home).stack.programs}
    assert running == {"haproxy", "zeo", "instance1", "instance2", "instance3", "instance4"}


def test_the_pin_that_is_shown_is_the_version_of_setup_py() -> None:
    version = re.search(r'version="([^"]+)"', (CHECKOUT / "setup.py").read_text("utf-8"))
    assert version
    assert f"zopestack = {version[1]}\n" in PAGES["docs/howto/adopt.rst"]


#: Instances outside the balancer, a group, and programs beside Zope, as examples have them.
EXAMPLE = {
    "stack": {
        "instances": "4",
        "extra-instances": "worker\ndebug manual",
        "groups": "rest = /++api++",
        "varnish": "front",
        "share-memory": "on",
    },
    "supervisor": {
        "programs": "50 redis redis-server\n250 volto1 node\n250 volto2 node",
        "groups": "20 caches redis",
    },
}

#: A database without a server.
SQLITE = {"stack": {"storage": "relstorage"}, "relstorage": {"type": "sqlite3"}}

#: The databases beside the main one.
MOUNTED = {"databases": "intranet = /intranet"}

#: As the page about backups has it.
SCHEDULED = {"stack": {"backup": "daily 02:30 keep 14"}}


@pytest.mark.parametrize("command", commands())
def test_every_command_exists(command: str, home: Path) -> None:
    program, *arguments = command.split()
    place, _, name = program.rpartition("/")
    found = described({**EXAMPLE, "stack": {**EXAMPLE["stack"], **MOUNTED}}, home)
    known = made(found)
    if place == "scripts":
        assert (CHECKOUT / program).exists()
    elif place == "bin":
        scripts = {each for part in known.values() for each in part.get("scripts", "").split()}
        assert name in {"buildout", *scripts, *known, *SCRIPTS_OF_RECIPES}
    elif place:
        assert place in ("env/bin", ".venv/bin")
        assert name in OF_ENVIRONMENTS
    else:
        assert name in {*SHELL, "towncrier"}
    if name == "supervisorctl":
        action, *names = (word for word in arguments if not word.startswith("-"))
        if action == "hosts":
            # The command that each of them runs.
            action, *names = (word for word in names if word != "app2")
        assert any(hasattr(kind, f"do_{action}") for kind in (DefaultControllerPlugin, Plugin))
        instances = {each.name for each in found.stack.instances} | {*found.stack.groups.names}
        own = {each.namespec for each in programs(found.stack, {})}
        own |= {f"{group.name}:*" for group in found.stack.own.groups}
        if action == "trace":
            assert NUMBER.fullmatch(names.pop())
        if action in ("profile", "logs"):
            names = [each for each in names if not each.isdigit()]
        if action == "logs":
            names = [each for each in names if each != found.stack.access_log.stem]
        assert set(names) <= {*found.stack.programs, *instances, *own, "all"}
    for argument in arguments:
        if argument.startswith(("tests/", "templates/", "docs/")) and "_build" not in argument:
            assert (CHECKOUT / argument).exists()
        if argument.startswith("var/"):
            assert home / argument in known_paths(found.stack, home)


def test_the_help_of_up_knows_every_option_that_is_shown() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", up.__name__, "--help"], capture_output=True, text=True, check=True
    )
    options, _, rest = answer.stdout.partition("examples:")
    used = re.findall(r"scripts/up (--[a-z-]+)", EVERYTHING + rest)
    assert used
    assert all(option in options for option in used)


def known_paths(of: Stack, home: Path) -> set[Path]:
    """Everything below ``home`` that the pages may name."""
    derived = inspect.getmembers(Stack, lambda each: isinstance(each, property))
    paths = {getattr(of, name) for name, _ in derived}
    known = {path for path in paths if isinstance(path, Path)} | {of.database.parent}
    known |= set(of.directories.shared.values())
    for each in of.databases.databases:
        known |= {of.database_of(each), of.blobs_of(each)}
    for program in programs(of, {}):
        known |= {of.logs / f"{program.name}.log", of.logs / f"{program.name}.out.log"}
    return known | {
        of.logs / "supervisord.log",
        of.var / of.instances[0].name,
        of.var / "supervisord.pid",
        of.var / "zeo.pid",
        of.var / "tls",
        home / cli.OUT,
    }


def test_every_path_is_one_that_is_made(home: Path) -> None:
    named = set(re.findall(r"``((?:var|parts)/[^`]+)``", EVERYTHING))
    assert len(named) > 10
    lite = described({**SQLITE, "stack": {**SQLITE["stack"], **MOUNTED}}, home).stack
    every = {"stack": {**SCHEDULED["stack"], "varnish": "front"}}
    made = known_paths(described(every, home).stack, home) | {*lite.private}
    made |= {Path(path) for each in lite.relstorages for path in each.directories}
    assert {path for path in named if home / path not in made} == set()


def test_the_addresses_are_the_default_ones(home: Path) -> None:
    examples = {"http-address = 127.0.0.1:8080", "https-address = 127.0.0.1:8443"}
    examples |= {"http-address = 127.0.0.1:8090", "volto-address = 127.0.0.1:3000"}
    examples |= {"volto-address = 127.0.0.1:3000 127.0.0.1:3001", "port = 127.0.0.1:9001"}
    examples |= {"127.0.0.1:3000 volto1", "127.0.0.1:3001 volto2"}
    examples |= {"http://127.0.0.1:6081", "resolvers = 127.0.0.1:8600"}
    examples |= {"metrics-address = 127.0.0.1:9404", "http://127.0.0.1:9404/metrics"}
    examples |= {"http://127.0.0.1:9404/", "-L 9404:127.0.0.1:9404"}
    text = EVERYTHING
    for line in sorted(examples, key=len, reverse=True):
        text = text.replace(line, "")
    of = described({}, home).stack
    shown = set(re.findall(r"127\.0\.0\.1:\d+", text))
    assert shown <= {str(listener.address) for listener in of.listeners()}
    assert f"http://{of.balancer.stats_address}/" in PAGES["README.rst"]


def test_buildout_cfg_comments_every_line() -> None:
    assert [name for name, _, comment in comments() if not comment] == []


@pytest.mark.parametrize(
    "option", [option for option in OPTIONS.values() if f"\n{option.name} = " in BUILDOUT]
)
def test_buildout_cfg_says_what_the_table_says(option: Option) -> None:
    shown = {name: (value, comment) for name, value, comment in comments()}
    assert shown[option.name] == (option.default, without_markup(option.help))


def test_buildout_cfg_has_few_options_and_all_are_known() -> None:
    section = parse(BUILDOUT)["stack"]
    assert section.pop("recipe") == "zopestack"
    assert section.keys() <= OPTIONS.keys()
    assert {"instances", "threads"} <= section.keys()
    assert len(section) <= 5


def test_what_points_at_a_page_finds_it() -> None:
    """A comment names a page of docs/, or a section of it: docs/explanation/x.rst, "Title"."""
    sources = [*CHECKOUT.glob("*.*"), *CHECKOUT.glob("templates/*"), *CHECKOUT.glob("src/**/*.py")]
    cited = 0
    for source in filter(Path.is_file, sources):
        # The citation may go on in the next line of a comment.
        text = re.sub(r"\s+(#:?|;|--)?\s*", " ", source.read_text(encoding="utf-8"))
        for page, title in re.findall(r'((?:docs/\w+/|README)[\w-]*\.rst)(?:, "([^"]+)")?', text):
            where = f"{source.relative_to(CHECKOUT)} cites {page} {title}"
            assert page in PAGES, where
            assert not title or re.search(rf"^{re.escape(title)}\n[=~-]+$", PAGES[page], re.M), (
                where
            )
            cited += 1
    assert cited
