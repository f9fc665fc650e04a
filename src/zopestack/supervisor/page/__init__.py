"""The status page: the stack at one look, and its last hour.

The program ``metrics`` answers it beside the figures for Prometheus. It is for who has an account
on this machine (:mod:`zopestack.supervisor.page.visitor`), because it names users and paths.
"""
