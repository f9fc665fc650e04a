"""What ``supervisorctl help`` says of the commands that the plugin adds or replaces."""

from __future__ import annotations

#: By command.
HELP = {
    "update": """\
update [NAME ...|all]
    Apply what bin/buildout has changed, of all programs or of these. Instances are restarted
    one at a time, each back in rotation before the next one is touched, and HAProxy is
    reloaded without dropping a connection. The first failure ends the command with exit
    status 1; the same command goes on from there once it is mended.""",
    "roll": """\
roll [NAME ...|all] [--at-once K]
    Restart instances one at a time (or K at a time) without losing a request. Each instance is
    drained, stopped, started, warmed up and back in rotation before the next one is touched. The
    name of a group of instances stands for them; never are all of several gone at once. So are
    servers of Volto that are programs of your own, one at a time, where volto-address names them.
    The first failure ends the command with exit status 1; the other instances keep serving.
      roll                    every instance, one after the other
      roll instance2          only this one
      roll rest               those of the group rest
      roll volto1 volto2      two servers of Volto
      roll all --at-once 2    every instance, two at a time""",
    "hosts": """\
hosts [--from HOST] COMMAND [ARGUMENT ...]
    Run one of these commands on every host of the stack, one host after the other, in the order of
    `hosts` in buildout.cfg: here, and over your own ssh, which must not ask for a password. First
    every host is asked whether its supervisord runs, and the clocks are compared; nothing is done
    unless all is well. The first failure ends the command with exit status 1 and says where.
      hosts roll              restart the instances of all hosts, one host after the other
      hosts --from app2 roll  go on from app2, once it is mended
      hosts update            apply what bin/buildout has changed on each host
      hosts status            the processes of every host""",
    "drain": """\
drain NAME [NAME ...]
    Take instances, or those of groups, out of rotation and wait until their running requests
    are done. The processes keep running; `ready` brings them back.""",
    "ready": """\
ready NAME [NAME ...]|all
    Bring drained instances back into rotation.""",
    "threads": """\
threads NAME [NAME ...]|all
    Show what every thread of these instances does now: its request and its stack, also while the
    instance hangs. Query strings and form values are not shown.""",
    "profile": """\
profile NAME [SECONDS]
    Watch an instance while it serves, 30 seconds unless you say how many, and draw a flame graph of
    where its time goes: an SVG file in var/log, for a browser. This needs py-spy, and the right to
    look into the process: as root, or where the sysctl kernel.yama.ptrace_scope is 0.
      profile instance2       for 30 seconds
      profile instance2 5     for 5 seconds""",
    "doctor": """\
doctor [--releases]
    Look for what is known to go wrong: in the settings, on this machine, and in how the site
    serves. Each finding is advice, a warning or an error, with what was seen and what to change.
    The exit status is 0 for nothing or advice, 1 for a warning, 2 for an error.
    With --releases, also ask the index that pip is set up for whether installed packages have a
    newer release of the same branch. It cannot say which of these mend a hole.""",
    "logs": """\
logs [-f] [-n LINES] [PROGRAM ...]
    Show the last lines of all logs, or of those of these programs, in the order of time: 20, or as
    many as you say. With -f, go on with what is written from now on; Ctrl-C ends it.
      logs -f                    everything as it happens
      logs -n 100 access zeo     what was asked for, and what ZEO said""",
    "trace": """\
trace NUMBER
    Show what the logs have of one request: when it arrived, from whom, which instance had it, how
    long it waited, how it ended, and what the instance has logged meanwhile. The number is on the
    page of an error; its first 8 characters will do.
      trace 551c253f""",
    "stack": """\
stack [--watch|--json]
    Show a table: instance, its group where there are groups, state, pid, uptime, memory, busy
    threads, requests in flight and queued, requests answered, Python's switch interval, and
    HAProxy's last health check. Then your own programs: state, pid, uptime, memory, and CPU since
    the start. Below: when the last backup and pack were, why one failed since, and when the next is
    due.
      stack --watch    live, with requests a second; Ctrl-C ends it
      stack --json     for a program""",
}
