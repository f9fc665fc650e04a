"""``bin/instance1 run read_ledger.py``: prints how often each number was applied, as JSON."""

import json

app = globals()["app"]
books = {visitor: dict(book) for visitor, book in app.ledger.books.items()}
print("LEDGER " + json.dumps(books))
