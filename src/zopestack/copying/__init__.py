"""``bin/copy-storage``: the databases of one storage, copied into another."""
