"""Connect to a relational database as an instance does, and change nothing.

``python -m zopestack.buildout.connection`` reads what zope.conf would include from standard input,
so that no secret is on a command line. It needs the instances' eggs.
"""

from __future__ import annotations

import sys
from io import StringIO
from typing import Any

#: The exit status where nobody answers, and that where the database cannot be used.
NO_ANSWER, REFUSED = 3, 4

#: A table of RelStorage's, with history and without (RelStorage 4.3, ``adapters/schema.py``).
TABLE = "object_state"

SCHEMA = """
<schema>
  <import package="ZODB"/>
  <section type="ZODB.storage" name="*" attribute="storage"/>
</schema>
"""


def main() -> int:
    """Print what is wrong, in one line; the exit status."""
    import ZConfig
    from relstorage.adapters.interfaces import (  # type: ignore[import-untyped]
        DriverNotAvailableError,
    )
    from ZODB.POSException import StorageError

    schema = ZConfig.loadSchemaFile(StringIO(SCHEMA))
    try:
        found, _ = ZConfig.loadConfigFile(schema, StringIO(sys.stdin.read()))
        _connect(found.storage.config.base.config)
    except ZConfig.ConfigurationError as why:
        return _refuse(why.message)
    except DriverNotAvailableError as why:
        return _refuse(f"no egg has a driver of RelStorage; name one under eggs. {why}")
    except StorageError as why:
        return _refuse(str(why))
    # A driver has exceptions of its own.
    except Exception as why:
        print(_line(why))
        return REFUSED if _answered(why) else NO_ANSWER
    return 0


def _refuse(why: str) -> int:
    print(_line(why))
    return REFUSED


def _line(why: object) -> str:
    return " ".join(str(why).split()).rstrip(".")


def _connect(config: Any) -> None:
    from relstorage.options import Options  # type: ignore[import-untyped]

    # As its own factory does (RelStorage 4.3, ``config.RelStorageFactory``).
    config.driver = config.adapter.config.driver
    options = Options.copy_valid_options(config)
    options.adapter = config.adapter
    adapter = config.adapter.create(options)
    connection, cursor = adapter.connmanager.open()
    try:
        # Those of the server, too. A new database has none of RelStorage's.
        if TABLE in map(str.lower, adapter.schema.list_tables(cursor)):
            adapter.schema.verify()
    finally:
        adapter.connmanager.rollback_and_close(connection, cursor)


def _answered(why: Exception) -> bool:
    """Whether it is the server that refuses: PostgreSQL says FATAL (its manual, "Message Severity
    Levels"); numbers of MySQL's clients begin at 2000 (its manual, "Error Message Sources").
    """
    number = why.args[0] if why.args else None
    if isinstance(number, int):
        return not 2000 <= number < 3000
    return "FATAL" in str(why)


if __name__ == "__main__":
    sys.exit(main())
