"""``bin/instance1 run read_attached.py``: prints the numbers whose blob is whole, as JSON."""

import json

from ZODB.POSException import POSKeyError


def whole(number, blob):
    try:
        with blob.open() as file:
            return file.read() == str(number).encode()
    except (POSKeyError, OSError):
        return False


app = globals()["app"]
found = {
    visitor: [number for number, blob in blobs.items() if whole(number, blob)]
    for visitor, blobs in app.ledger.attached.items()
}
print("ATTACHED " + json.dumps(found))
