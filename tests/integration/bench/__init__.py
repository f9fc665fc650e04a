"""The benchmark against small servers."""
