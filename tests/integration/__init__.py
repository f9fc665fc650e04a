"""One part of zopestack with the real program that it drives."""
