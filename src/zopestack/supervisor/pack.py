"""The program ``zeopack`` of a stack with several databases: it packs them one after the other.

It takes the options of the one that plone.recipe.zeoserver makes, which packs the main one only.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping


def main(address: tuple[str, int], storages: Mapping[str, str], days: str) -> int:
    """Pack; the exit status, 1 if the server does not answer.

    :param address: of the database server.
    :param storages: the blob directory of each storage.
    :param days: how many days of old revisions to keep, unless ``-D`` says.
    """
    from plone.recipe.zeoserver import pack  # type: ignore[import-untyped]

    given = _parser(storages, days).parse_args()
    failed = 0
    for name in [given.storage] if given.storage else storages:
        try:
            pack.main(*address, days=given.days, blob_dir=storages[name], storage=name)
        # How the recipe's own program says that the server does not answer.
        except SystemExit:
            failed = 1
        else:
            print(f"{name}: packed")
    return failed


def _parser(storages: Mapping[str, str], days: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Remove old revisions from the databases, while they are in use."
    )
    parser.add_argument(
        "-S", dest="storage", metavar="NAME", choices=list(storages), help="only this storage"
    )
    parser.add_argument(
        "-D",
        dest="days",
        metavar="DAYS",
        type=int,
        default=days,
        help="keep the revisions of so many days (default: %(default)s)",
    )
    return parser
