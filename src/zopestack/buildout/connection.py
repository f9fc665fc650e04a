"""Connect to relational databases as an instance does, and change nothing.

``python -m zopestack.buildout.connection`` reads what zope.conf would include, by the name of the
database, from standard input, so that no secret is on a command line. It needs the instances' eggs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from io import StringIO
from itertools import combinations
from typing import Any

#: Where nobody answers, and where the database cannot be used.
NO_ANSWER, REFUSED = "no answer", "refused"

SCHEMA = """
<schema>
  <import package="ZODB"/>
  <section type="ZODB.storage" name="*" attribute="storage"/>
</schema>
"""


def main() -> None:
    """Print what is wrong with which database: by its name, a status and one line, as JSON."""
    print(json.dumps(dict(_problems(json.load(sys.stdin)))))


def _problems(texts: dict[str, str]) -> Iterator[tuple[str, tuple[str, str]]]:
    # bin/buildout imports this module for its name and statuses, and has none of these eggs.
    import ZConfig
    from relstorage.adapters.interfaces import (  # type: ignore[import-untyped]
        DriverNotAvailableError,
    )
    from ZODB.POSException import StorageError

    from zopestack.copying import relational

    schema = ZConfig.loadSchemaFile(StringIO(SCHEMA))
    adapters: dict[str, Any] = {}
    for name, text in texts.items():
        try:
            found, _ = ZConfig.loadConfigFile(schema, StringIO(text))
            adapters[name] = relational.adapter(found.storage.config.base.config)
            relational.used(adapters[name])
        except ZConfig.ConfigurationError as why:
            yield name, (REFUSED, _line(why.message))
        except DriverNotAvailableError as why:
            no_driver = "no egg has a driver of RelStorage; name one under eggs"
            yield name, (REFUSED, f"{no_driver}. {_line(why)}")
        except StorageError as why:
            yield name, (REFUSED, _line(why))
        # A driver has exceptions of its own.
        except Exception as why:
            yield name, (REFUSED if _answered(why) else NO_ANSWER, _line(why))
        else:
            continue
        adapters.pop(name, None)
    for one, other in combinations(adapters, 2):
        if relational.same(adapters[one], adapters[other]):
            yield other, (REFUSED, f"it is the same database as {one}: name another")


def _line(why: object) -> str:
    return " ".join(str(why).split()).rstrip(".")


def _answered(why: Exception) -> bool:
    """Whether it is the server that refuses: PostgreSQL says FATAL (its manual, "Message Severity
    Levels"); numbers of MySQL's clients begin at 2000 (its manual, "Error Message Sources").
    """
    number = why.args[0] if why.args else None
    if isinstance(number, int):
        return not 2000 <= number < 3000
    return "FATAL" in str(why)


if __name__ == "__main__":
    main()
