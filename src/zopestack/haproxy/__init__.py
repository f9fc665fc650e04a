"""HAProxy: the program, whether it accepts the files, and the one that runs."""
