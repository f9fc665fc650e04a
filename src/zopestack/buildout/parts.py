"""The buildout parts of a Stack: plain sections for the recipes that users know."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from zopestack.agent.configuration import Configuration
from zopestack.buildout import clients, databases, logs, storages
from zopestack.config.overrides import UNKNOWN_TO_RECIPE
from zopestack.features.instances import CALLBACKS, Instance
from zopestack.features.memory import LOADER
from zopestack.features.option import SUPERVISOR
from zopestack.model import Stack

Section = Mapping[str, str]

#: The recipe of the generated files and its part.
FILES = "stack-files"

#: The agent, as an instance's pipeline names it.
AGENT = "egg:zopestack#agent"

#: What marks an instance's own requests to the site, for the lane kept for them.
MARKER = "egg:zopestack#callbacks"

#: The part of the programs that supervisord runs beside the instances.
GUARDS = "stack-guards"

#: The part of the scripts of ``[supervisor] plugins``.
PLUGINS = "supervisor-plugins"

#: Scripts that a recipe makes without being asked by an option (plone.recipe.zeoserver 4).
SCRIPTS_OF_RECIPES = ("repozo",)

#: What keeps add-ons out of the stack's way, be they among the eggs or asked for by one of them.
#: plone.observability answers health checks on port 8081 of every network, which is the usual port
#: of instance1, from each instance (1.2.0, ``health/server.py``). The agent answers them here.
NEIGHBOURS = {"PLONE_OBSERVABILITY_HEALTH_PORT": "0"}

#: The part of the programs that back up and restore.
BACKUPS = "stack-backups"

#: The part of Munin's plugin, and what munin-node-configure looks for in its text (Munin's guide,
#: "Magic markers").
MUNIN, MARKERS = "stack-munin", "#%# family=auto\n#%# capabilities=autoconf"


def parts(
    stack: Stack, overrides: Mapping[str, Section], relational: bool = False
) -> dict[str, dict[str, str]]:
    """Name and options of every part, in the order they are installed.

    :param overrides: by part, the user's own options, which win over those made here.
    :param relational: whether bin/copy-storage may have to read from a relational database.
    """
    made = {
        FILES: {"recipe": "zopestack:files"},
        **({"zeo": _zeo(stack, overrides["zeo"])} if stack.storage.serves else {}),
        SUPERVISOR: {**_supervisor(stack), **overrides[SUPERVISOR]},
    }
    for instance in (*_loader(stack), *(stack.instances or (stack.pattern,))):
        own = overrides[instance.name]
        options = {
            **_instance(stack, instance),
            **logs.options(stack, own),
            **storages.main(stack, own),
        }
        made[instance.name] = _completed(options, stack, instance)
    # After the parts of the recipes, which write scripts of these names, too: that of the instances
    # every script of their eggs, with their own paths and `initialization`.
    if stack.storage.serves:
        made |= databases.pack(stack, made["zeo"])
    elif stack.relstorages:
        made |= storages.pack(made[stack.pattern.name])
    made |= storages.copy(stack, made[stack.pattern.name], relational)
    scripts = ["adopt", "guard-instances", "reload-haproxy", "run-haproxy", "serve-metrics"]
    scripts.append("write-access-log")
    if stack.varnish.in_front:
        scripts += ["reload-varnish", "run-varnish"]
    eggs = ["zopestack"]
    if stack.storage.serves:
        scripts.append("run-zeo")
        # Those of the database server, such as a storage of the user's.
        eggs.append(made["zeo"]["eggs"])
    made[GUARDS] = {
        "recipe": "zc.recipe.egg:scripts",
        "eggs": "\n".join(eggs),
        "scripts": "\n".join(scripts),
    }
    if stack.own.plugins:
        made[PLUGINS] = {
            "recipe": "zc.recipe.egg:scripts",
            "eggs": "\n".join(stack.own.plugins),
        }
    if stack.storage.serves or stack.relstorages:
        # What the instances have opens a relational database.
        first = made[GUARDS if stack.storage.serves else stack.pattern.name]
        made[BACKUPS] = {**_backups(stack), "eggs": first["eggs"]}
    made[MUNIN] = _munin(stack)
    return made


def _loader(stack: Stack) -> tuple[Instance, ...]:
    """What Zope is loaded as, once for all instances: one of them that serves nobody."""
    first = stack.pattern
    return (replace(first, name=LOADER),) if stack.memory.share_memory else ()


def names(stack: Stack, overrides: Mapping[str, Section]) -> frozenset[str]:
    """What parts, and scripts in ``bin``, are called without those of extra instances."""
    made = parts(replace(stack, instances=stack.balanced_here), overrides)
    scripts = (script for part in made.values() for script in part.get("scripts", "").split())
    return frozenset({*made, *scripts, *SCRIPTS_OF_RECIPES})


def distributions(made: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Every distribution the parts ask for, once: their recipes and their eggs."""
    asked = []
    for options in made.values():
        asked += [options["recipe"].partition(":")[0], *_lines(options.get("eggs", ""))]
    return list(dict.fromkeys(asked))


def _instance(stack: Stack, instance: Instance) -> dict[str, str]:
    return {
        "recipe": "plone.recipe.zope2instance",
        "eggs": "\n".join(stack.zope.eggs),
        # The initial administrator is made with the database; a name without a password keeps
        # the recipe from asking at the terminal and from writing a password.
        "user": f"{stack.zope.user}:",
        "http-address": str(instance.address),
        # The port opens when Zope is ready. The recipe would open it first thing, and
        # HAProxy would send requests to an instance that still waits for ZEO.
        "http-fast-listen": "off",
        "var": str(stack.var),
        # Nothing has used the temporary storage since Zope 4; without
        # Products.TemporaryFolder an instance does not start with it (docs/explanation/
        # measured.rst, "Starting and stopping Zope").
        "zodb-temporary-storage": "off",
        "pipeline": "translogger\negg:Zope#httpexceptions\nzope",
        # One larger than HAProxy lets through never begins; this is for chunked ones.
        # waitress refuses what reaches its limit, HAProxy what exceeds it.
        "max-request-body-size": str(stack.limits.max_body_size + 1),
    }


def _completed(options: dict[str, str], stack: Stack, instance: Instance) -> dict[str, str]:
    """What a user's own pipeline, variables and threads have to go with."""
    pipeline = options["pipeline"].split()
    needed = [AGENT, MARKER] if stack.lane(CALLBACKS) else [AGENT]
    pipeline = [each for each in needed if each not in pipeline] + pipeline
    variables = {name: str(path) for name, path in stack.directories.shared.items()}
    variables |= NEIGHBOURS
    variables |= _variables(options.get("environment-vars", ""))
    variables |= agent(stack, instance).environment()
    needed_eggs = storages.eggs(stack)
    # Options of the Stack, which the recipe does not know.
    recipes = {name: text for name, text in options.items() if name not in UNKNOWN_TO_RECIPE}
    return recipes | {
        # The agent, and what sets up the database, whatever eggs a user names.
        "eggs": "\n".join(dict.fromkeys([*_lines(options["eggs"]), *needed_eggs, "zopestack"])),
        "pipeline": "\n".join(pipeline),
        "environment-vars": "\n".join(f"{name} {value}" for name, value in variables.items()),
        "zope-conf-additional": "\n".join(_zope_conf(options, stack, instance)),
        "threads": str(instance.threads),
        # A port alone is every network to the recipe, and loopback to a stack.
        "http-address": str(instance.address),
    }


#: A section of the user's own that stands for the one made here: zope.conf takes one only.
FORM_LIMITS = re.compile(r"\s*<dos_protection\b", re.IGNORECASE)


def _zope_conf(options: Section, stack: Stack, instance: Instance) -> list[str]:
    """Lines of zope.conf that the recipe has no option for, then the user's own."""
    own = options.get("zope-conf-additional", "").splitlines()
    # HAProxy connects from the address that it connects to. From there Zope takes the client's
    # address out of X-Forwarded-For, as request.getClientAddr().
    every = stack.hosts.proxies or (instance.address.reachable.host,)
    made = [f"trusted-proxy {each}" for each in every]
    if not any(map(FORM_LIMITS.match, own)):
        made += _form_limits(stack)
    return [*made, *databases.zope_conf(stack, options), *own]


def _form_limits(stack: Stack) -> list[str]:
    return [
        "<dos_protection>",
        f"  form-memory-limit {stack.limits.form_memory_limit}",
        # Files of a form, which HAProxy has limited already.
        f"  form-disk-limit {stack.limits.max_body_size}",
        f"  form-part-limit {stack.limits.form_part_limit}",
        "</dos_protection>",
    ]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _variables(text: str) -> dict[str, str]:
    """Variables as plone.recipe.zope2instance takes them: one a line, or pairs in one line."""
    lines = text.strip().splitlines()
    if len(lines) == 1:
        words = text.split()
        return dict(zip(words[::2], words[1::2], strict=False))
    pairs = (line.split(None, 1) for line in lines if line.strip())
    return {pair[0]: pair[1] if len(pair) > 1 else "" for pair in pairs}


def agent(stack: Stack, instance: Instance) -> Configuration:
    """What the agent of an instance is told."""
    lane = stack.lane_of(instance)
    told = instance.balanced and stack.balances and stack.instances
    return Configuration(
        name=instance.name,
        host=instance.agent.host,
        port=instance.agent.port,
        http_host=instance.address.reachable.host,
        http_port=instance.address.port,
        threads=instance.threads,
        stop_grace=stack.lifecycle.stop_grace,
        drain_delay=stack.timings.drain_delay,
        hung_after=lane.durations.hung,
        stuck_after=stack.stuck_seconds(lane),
        request_timeout=lane.durations.request,
        long_request=lane.durations.long_request,
        body_timeout=stack.limits.timeout_http_request,
        conflicts=str(stack.conflicts_lock),
        warm_up=stack.lifecycle.warm_up,
        switch_interval=instance.switch_interval,
        mount_points=stack.databases.mount_points,
        drained=str(stack.drained(instance)),
        stacks=str(stack.stacks(instance)),
        jobs=str(stack.jobs_file),
        haproxy=str(stack.haproxy_socket) if told else "",
        server=f"{instance.lane}/{instance.server}" if told else "",
        hosts=stack.hosts.answered(instance.address),
        balancers=stack.hosts.balancers_reached_at,
    )


def _zeo(stack: Stack, own: Section) -> dict[str, str]:
    options = {
        "recipe": "plone.recipe.zeoserver",
        "eggs": "ZEO",
        "zeo-address": str(stack.storage.zeo_address),
        "var": str(stack.var),
        "file-storage": str(stack.database),
        "blob-storage": str(stack.blobs),
        "zeo-log-max-size": str(stack.rotation.log_size),
        "zeo-log-old-files": str(stack.rotation.log_files),
        **own,
    }
    if tls := "\n".join(clients.ssl(stack.storage.ssl)):
        # The recipe has no option for what stands in <zeo>; it only prints this one there.
        options["read-only"] = f"{own.get('read-only', 'false')}\n{tls}"
    if lines := [*databases.zeo_conf(stack, own), *own.get("zeo-conf-additional", "").splitlines()]:
        options["zeo-conf-additional"] = "\n".join(lines)
    return options


def _backups(stack: Stack) -> dict[str, str]:
    modules = {"backup": "backup", "restore": "restore", "run-schedule": "schedule"}
    if stack.relstorages:
        # That of ZEO is told what ZEO calls the databases.
        modules["pack"] = "pack"
    return {
        "recipe": "zc.recipe.egg:scripts",
        # In bin only: a wheel would put programs with such names beside everybody's own.
        "entry-points": "\n".join(
            f"{script}=zopestack.supervisor.{module}:main" for script, module in modules.items()
        ),
        "scripts": "\n".join(modules),
        "arguments": repr(str(stack.stack_file)),
    }


def _munin(stack: Stack) -> dict[str, str]:
    return {
        "recipe": "zc.recipe.egg:scripts",
        "eggs": "zopestack",
        "entry-points": "munin-plugin=zopestack.supervisor.munin.cli:main",
        "scripts": "munin-plugin",
        "arguments": repr(str(stack.stack_file)),
        "initialization": MARKERS,
    }


def _supervisor(stack: Stack) -> dict[str, str]:
    return {
        "recipe": "zc.recipe.egg:scripts",
        "eggs": "supervisor\nzopestack",
        "scripts": "supervisord\nsupervisorctl",
        # Both take the configuration by default, and a -c typed by hand still wins.
        "initialization": "from zopestack.supervisor import entry\n"
        f"entry.prepare(sys.argv, {str(stack.supervisord_conf)!r}, "
        f"{str(stack.supervisor_socket)!r}, {str(stack.lock)!r}, {str(stack.copying)!r})",
    }
