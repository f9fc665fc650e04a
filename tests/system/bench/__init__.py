"""The benchmark on real instances."""
