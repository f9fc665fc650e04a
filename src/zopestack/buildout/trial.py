"""Whether HAProxy, Varnish and keepalived accept their configuration, before it is put in place."""

from __future__ import annotations

import logging
import resource
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from math import ceil
from pathlib import Path

from zc.buildout import UserError

from zopestack import files
from zopestack.buildout import certificates, keepalived
from zopestack.haproxy import program
from zopestack.haproxy.blame import blame
from zopestack.haproxy.program import NO_STATE, Verdict
from zopestack.model import Stack
from zopestack.render import contract
from zopestack.render.files import balancer, render, varnish
from zopestack.varnish import program as varnish_program

#: The least that ``max-connections`` accepts.
LEAST = 10

logger = logging.getLogger(__name__)


def check(
    stack: Stack, material: Mapping[Path, str | Path], name: str, options: Mapping[str, str]
) -> None:
    """Render every file and have each program check its own; nothing is put in place.

    :param material: what :func:`certificates.material` has returned.
    :param name: of the section.
    :param options: its options.
    :raises UserError: where a program, or the contract, refuses a template or the user's own lines.
    :raises TemplateProblem: for a template that is missing or broken.
    """
    if not stack.balances:
        render(stack, dict.fromkeys(stack.programs, "trial"))
        return
    _check_descriptors(stack, name, options)
    where = f"[{name}] templates = {options.get('templates', '')}\n "
    # The digests are not known yet, but what a template does with them is rendered, too.
    haproxy_cfg = render(stack, dict.fromkeys(stack.programs, "trial"))[stack.haproxy_conf]
    if missing := contract.missing(stack, haproxy_cfg):
        raise UserError(f"{where} leaves out of haproxy.cfg {missing}.")
    verdict = tried(stack, material)
    said, blamed = blame(stack.extras, haproxy_cfg, verdict.said)
    if not verdict.accepted:
        if blamed:
            where = f"[{name}] {blamed} = {options[blamed]}\n "
        raise UserError(
            f"{where} makes a haproxy.cfg that HAProxy does not accept; nothing was changed. "
            f"It says:\n{said}"
        )
    others = (
        (stack.varnish_vcl, "Varnish", refused_rules),
        (stack.keepalived_conf, "keepalived", keepalived.refusal),
    )
    for path, who, refusal in others:
        if refused := refusal(stack):
            where = f"[{name}] templates = {options.get('templates', '')}\n "
            raise UserError(
                f"{where} makes a {path.name} that {who} does not accept; nothing was changed. "
                f"It says:\n{refused}"
            )
    if said:
        logger.warning("HAProxy accepts the configuration and says:\n%s", said)


def _check_descriptors(stack: Stack, name: str, options: Mapping[str, str]) -> None:
    """HAProxy's own check does not look at them, and a start fails without (``-c``)."""
    limits = [resource.getrlimit(resource.RLIMIT_NOFILE)[1]]
    with suppress(OSError, ValueError, IndexError):
        # What runs already reloads with the limit that it was started with.
        pid = int((stack.var / "supervisord.pid").read_text(encoding="ascii"))
        limits.append(resource.prlimit(pid, resource.RLIMIT_NOFILE)[1])
    limit = min(each for each in (*limits, float("inf")) if each != resource.RLIM_INFINITY)
    if limit < stack.descriptors:
        most = stack.connections - ceil((stack.descriptors - limit) / 2)
        lower = f", or lower max-connections to {most} or less" if most >= LEAST else ""
        raise UserError(
            f"[{name}] max-connections = {options.get('max-connections', 'auto')}\n"
            f"  HAProxy needs {stack.descriptors} file descriptors for {stack.connections} "
            f"connections, and may have {limit}. Raise the limit (ulimit -n, or LimitNOFILE of a "
            f"systemd unit) and start supervisord anew{lower}."
        )


def tried(stack: Stack, material: Mapping[Path, str | Path]) -> Verdict:
    """What HAProxy says of a Stack's configuration.

    Its files are rendered a second time for a temporary directory. What the installation is about
    to put into var is there, too; all else in var, the paths of sockets included, is as it is.

    :param material: what :func:`certificates.material` has returned.
    """
    with tempfile.TemporaryDirectory(prefix="zopestack-") as directory:
        home = Path(directory)
        elsewhere = replace(stack, parts=home / "parts")
        places = {path: home / path.name for path in (stack.server_state, *material)}
        for path, text in balancer(elsewhere).items():
            files.write(path, _moved(text, places))
        files.write(places[stack.server_state], NO_STATE, mode=0o600)
        certificates.put({places[path]: content for path, content in material.items()})
        verdict = program.check_file(stack.balancer.executable, elsewhere.haproxy_conf)
    back = {there: here for here, there in places.items()}
    said = _moved(verdict.said, {elsewhere.configuration: stack.configuration, **back})
    return replace(verdict, said=said)


def refused_rules(stack: Stack) -> str:
    """What Varnish says against its rules; empty where it accepts them, or there are none."""
    with tempfile.TemporaryDirectory(prefix="zopestack-") as directory:
        for path, text in varnish(stack).items():
            files.write(rules := Path(directory) / path.name, text)
            said = varnish_program.refusal(stack.varnish.executable, rules)
            return _moved(said, {rules: stack.varnish_vcl})
    return ""


def _moved(text: str, places: Mapping[Path, Path]) -> str:
    for old, new in places.items():
        text = text.replace(str(old), str(new))
    return text
