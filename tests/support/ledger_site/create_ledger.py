"""``bin/instance1 run create_ledger.py VISITORS``: puts the ledger into the database."""

import sys

import transaction
from ledgerproduct import Ledger

app = globals()["app"]
app._setObject("ledger", Ledger(int(sys.argv[-1])))
transaction.commit()
