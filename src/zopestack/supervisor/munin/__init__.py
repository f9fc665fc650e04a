"""``bin/munin-plugin``: the stack's figures for Munin, a graph for each question."""
