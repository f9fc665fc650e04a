"""What a client of ZEO is told in several places, and what of it cannot go together."""

from __future__ import annotations

from collections.abc import Mapping

from zopestack.config.errors import Places, error
from zopestack.config.overrides import Section
from zopestack.features.storage import check_shared
from zopestack.model import Stack

#: Options of plone.recipe.zope2instance by which it puts something around ``<zeoclient>``, in place
#: of which TLS has another section.
AROUND = ("before-storage", "demo-storage")


def check(stack: Stack, parts: Mapping[str, Section], written: Places) -> None:
    """Check the blobs of every database, and what stands around the main one.

    :param parts: by part, the options that a user sets for it.
    :param written: where each of these is written.
    :raises Refused: for a directory of blobs that is not there.
    :raises UserError: for an option that TLS leaves no place for.
    """
    if stack.storage.shared_blob:
        for each in stack.databases.databases:
            check_shared(stack.blobs_of(each))
    for part, options in parts.items() if stack.storage.ssl else ():
        for option in AROUND:
            if option in options and part != "zeo":
                expected = (
                    "nothing with [stack] zeo-certificate. Write what stands around the storage "
                    "under storage-wrapper"
                )
                raise error(written[part, option], option, options[option], expected)
