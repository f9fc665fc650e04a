"""Make the objects by which other databases are seen in the main one.

zope.conf says where a database is mounted, but Zope finds nothing there until an object of
Products.ZODBMountPoint is in the main database. Each instance looks when it starts, so that one is
made for a main database of any age, such as one that comes from a backup. Where several start at
once, the commit of one succeeds, and the others find its object.

That object makes the folder that it shows, where a look finds none, and keeps it. Without a commit
that folder is in the memory of one process only, and what is put into it is lost. So each look is
committed, and what the object keeps of a look that could not be committed is forgotten.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ZODB.POSException import ConflictError

from zopestack.agent import own_thread, storage

logger = logging.getLogger("zopestack.agent")

#: How often to try while others change the same folder: once they have mounted it, and then what
#: else there may be.
TRIES = 5


class Unusable(Exception):
    """A database cannot be mounted; the message says why."""


def make(paths: Iterable[str]) -> None:
    """Mount what is not mounted yet. Where that cannot be done, the instance's health says why.

    :param paths: in Zope.
    :raises ZODB.POSException.StorageError: if a database cannot be reached.
    """
    for path in paths:
        try:
            _make(path)
        except Unusable as why:
            name = f"mount point {path}"
            own_thread.failed[name] = f"{name}: {why}"
            logger.error("%s", own_thread.failed[name])


def _make(path: str) -> None:
    import transaction

    for left in reversed(range(TRIES)):
        try:
            with _application() as application:
                if new := not _mounted(application, path):
                    _mount(application, path)
                transaction.get().note(f"mounted {path}")
                transaction.commit()
        except ConflictError:
            if not left:
                raise
            storage.synchronize()
        else:
            if new:
                logger.info("mounted %s", path)
            return


@contextmanager
def _application() -> Iterator[Any]:
    """Zope's root, as its system user sees it."""
    import transaction
    import Zope2
    from AccessControl.SecurityManagement import newSecurityManager, noSecurityManager
    from AccessControl.users import system

    application = Zope2.app()
    newSecurityManager(None, system)
    try:
        yield application
    finally:
        noSecurityManager()
        transaction.abort()
        application._p_jar.cacheMinimize()
        application._p_jar.close()


def _mounted(application: Any, path: str) -> bool:
    """Whether a path is mounted.

    :raises Unusable: where it cannot be.
    """
    from Acquisition import aq_base
    from Products.ZODBMountPoint.MountedObject import getMountPoint

    *above, name = path.strip("/").split("/")
    container = application
    for number, step in enumerate(above, 1):
        container = _own(container, step)
        if container is None:
            raise Unusable(
                f"there is no /{'/'.join(above[:number])} yet; restart an instance when there is"
            )
    found = _own(container, name)
    if found is None:
        return False
    if getMountPoint(found) is None:
        raise Unusable(
            "the main database has an object there; export it, delete it, restart an instance, "
            "and import it"
        )
    if hasattr(aq_base(found), "mount_error_"):
        raise Unusable(f"the database cannot be mounted: {found.mount_error_()[1]}")
    return True


def _own(container: Any, name: str) -> Any:
    """An object of a folder itself, which Zope would else look for above, too."""
    from Acquisition import aq_base

    has = getattr(aq_base(container), "hasObject", None)
    return container._getOb(name) if has and has(name) else None


def _mount(application: Any, path: str) -> None:
    from Products.ZODBMountPoint.MountedObject import manage_addMounts
    from zExceptions import BadRequest

    try:
        manage_addMounts(application, (path,))
    except BadRequest as why:
        raise Unusable(f"no object can be called that: {why}") from None
