"""Tests, laid out as src/zopestack is; tests/stack runs whole deployments."""
