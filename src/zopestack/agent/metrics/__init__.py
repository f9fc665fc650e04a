"""What an instance tells Prometheus.

Each figure is declared beside what it is counted by, as a :class:`zopestack.figure.Figure`. The
path of a request only adds numbers; everything else is asked for at a scrape. Nothing is counted
before the agent starts, so that an instance that is a fork of the loader begins at zero.

The numbers are plain ones. Those of prometheus_client take a lock for each change, which a request
that is interrupted might keep and the garbage collector must not ask for, and they go to files
where ``PROMETHEUS_MULTIPROC_DIR`` is set.
"""
