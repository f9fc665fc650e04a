"""Times and sizes that are no options, each with its reason. Tests make them shorter."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timings:
    """Seconds."""

    #: HAProxy opens a connection to an instance. It is on this machine: a second is long.
    connect: float = 5
    #: A client's connection is kept open between two requests.
    keep_alive: float = 15
    #: Clients that got 503 are asked to wait.
    retry_unavailable: float = 5
    #: Clients that got 429 are asked to wait: the period of the rate.
    rate_period: float = 10
    #: The previous HAProxy may finish transfers after a reload, at least: long enough for a large
    #: download, short enough that processes do not pile up.
    hard_stop: float = 3600
    #: A client's counters are kept after its last request.
    counters: float = 60
    #: After a client has written, its requests have the instances ask for what is new. Longer than
    #: an instance that was frozen stays in rotation; only then is it so far behind.
    written: float = 60
    #: HAProxy's cache keeps a response at most, so that a change is seen soon.
    cached: float = 60
    #: Varnish keeps a page beyond its time, for when no instance serves: a long night.
    stale: float = 24 * 3600
    #: Varnish keeps an idle connection to HAProxy. HAProxy keeps it longer, so that none is closed
    #: just as a request is sent.
    fetch_idle: float = 60
    #: Varnish remembers that a page is not to be kept, and hands on requests for it as they come.
    #: A change of the site's settings is seen so soon.
    not_kept: float = 120

    #: HAProxy asks each instance for its health, and waits for an answer, which a thread of its own
    #: gives within milliseconds. A frozen process accepts connections and never answers: with
    #: ``check_fall`` it is out of rotation after 5 s at most.
    check_interval: float = 1
    check: float = 1.5
    #: HAProxy looks whether requests wait: as many seconds as leave, of 100 ms, the time to ask
    #: an agent. A look costs 0.15 ms of CPU.
    look: float = 0.080
    #: The same once there has been no request for ``quiet``. Only who comes then, together with
    #: others that hold every slot and need no thread, may wait for longer than 100 ms.
    look_quiet: float = 0.25
    quiet: float = 5
    #: The same while an instance is given no requests.
    look_closed: float = 0.010
    #: The same at an instance that lends slots while nobody waits.
    look_lent: float = 0.025

    #: HAProxy asks DNS for the addresses of instances (``discover``), and again where no answer
    #: comes.
    lookup: float = 1
    #: An instance keeps its place in HAProxy after its address has left the answer: a name server
    #: may leave one out once. Health checks know earlier that it has gone.
    lookup_left: float = 5
    #: All keep theirs while no name server answers.
    lookup_silent: float = 24 * 3600

    #: HAProxy waits for the first byte of a response before it looks at it: longer than any
    #: ``timeout-server``, which ends the wait.
    inspect: float = 7 * 24 * 3600

    #: With several hosts: the system asks whether the other end of a silent connection is there
    #: still, first after ``probe_idle``, then ``probes`` times at the interval. No answer to any
    #: means that its host has gone.
    probe_idle: float = 5
    probe_interval: float = 2
    #: With an address that moves: keepalived asks HAProxy, and gives it as long to answer. Whole
    #: seconds, because keepalived takes no others here.
    alive: float = 1
    #: A balancer tells the others that it has the address. Another one takes it when three have
    #: not come, and up to one more of these later (RFC 9568, 6.1).
    advertisement: float = 0.5
    #: Between balancers, which say something at least every 3 s (HAProxy's ``peers.c``,
    #: ``PEER_HEARTBEAT_TIMEOUT``): as many times over.
    peers: float = 30

    #: An instance gets from its start to its first answer: Plone on a slow machine, several
    #: times over.
    start: float = 180
    #: Between a stop signal and a kill, for what is left when nothing is in flight: waitress
    #: waits up to 5 s for its threads, then Zope closes the database
    #: (docs/explanation/measured.rst, "Starting and stopping Zope").
    stop: float = 15

    @property
    def dead_host(self) -> float:
        """Until a connection to a host that has gone without a word counts as broken."""
        return self.probe_idle + self.probe_interval * Sizes.probes

    @property
    def drain_delay(self) -> float:
        """An instance that is to stop keeps serving, so that balancers that it cannot tell have
        seen its 404: the check after the next one is over by then.
        """
        return 2 * self.check_interval


@dataclass(frozen=True)
class Sizes:
    """Bytes, or numbers of things."""

    #: Health checks without an answer until an instance gets no requests, and with one until it
    #: gets them again.
    check_fall: int = 2
    check_rise: int = 1
    #: Answers that are missing until a balancer gives the address away, and that it needs to get
    #: it.
    alive_fall: int = 2
    alive_rise: int = 2
    #: Questions to a host that does not answer, until its connections count as broken.
    probes: int = 3
    #: Bytes of an answer of DNS: the most that HAProxy takes over UDP (its manual,
    #: "accepted_payload_size"), for a few hundred addresses.
    answer: int = 8192
    #: Questions to DNS without an answer until none is expected.
    lookups: int = 3
    #: HAProxy tries a request again on another instance, where nothing was sent.
    retries: int = 3
    #: The same with Varnish, which only has requests that may be sent twice. When its process has
    #: gone, each connection that it has left fails once.
    varnish_retries: int = 30
    #: Slots that one instance lends at once; more than one client may hold.
    lent: int = 80
    #: The largest response that HAProxy's cache keeps.
    cached: int = 262144
    #: Bytes of the largest response that Varnish keeps, or reads ahead of its client: images of a
    #: page, not downloads.
    kept: int = 10 << 20
    #: Header lines of a message that Varnish takes: more than HAProxy does (its manual,
    #: "tune.http.maxhdr").
    header_lines: int = 160
    #: Bytes of a request's URL that are let through, and of its headers: as many as HAProxy takes
    #: of both together by itself.
    headers: int = 15360
    #: Bytes that HAProxy reads at once, and so the most that a request's headers may have for it to
    #: answer with a page (its manual, "tune.bufsize"); by itself 16384.
    buffer: int = 32768
    #: Bytes of a line of the access log: the most that HAProxy takes (its manual, "log"), and more
    #: than 16 kB of a request become where every character is written as three.
    log_line: int = 65535
    #: Bytes of the request's first line in it; a longer one is refused. By itself HAProxy logs 1024
    #: (its manual, "tune.http.logurilen").
    logged_request: int = 16384
    #: Bytes of the referrer and of the user agent in a line of the access log.
    logged_header: int = 256
    #: Connections that only the status page and the metrics may use.
    stats_connections: int = 50
    #: Clients that are remembered; 100,000 take 10 MB.
    clients: str = "100k"
