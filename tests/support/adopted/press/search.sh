#!/bin/sh
test -e var/search/db || { mkdir -p var/search && groonga -n var/search/db shutdown; }
exec groonga -s --protocol http --bind-address 127.0.0.1 -p "$1" var/search/db
