"""Varnish: which program, how it is started, and what a running one is told."""
