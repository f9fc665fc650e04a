"""The instances of one host, with what the user's own sections say of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from zopestack.config import overrides
from zopestack.config.errors import Place, Places
from zopestack.config.overrides import Section
from zopestack.features.instances import Instance
from zopestack.features.lanes import Lane


@dataclass(frozen=True)
class Applied:
    """The instances of one host with what the sections say of them.

    :param merged: by part, what a user sets for it.
    :param chains: by part, the sections that this may be in.
    :param sections: the user's own.
    :param places: of their options that are written elsewhere.
    """

    instances: tuple[Instance, ...]
    merged: Mapping[str, Section]
    chains: Mapping[str, Sequence[str]]
    sections: Mapping[str, Section]
    places: Places

    @classmethod
    def of(
        cls,
        made: tuple[Instance, ...],
        lanes: tuple[Lane, ...],
        groups: Collection[str],
        sections: Mapping[str, Section],
        places: Places,
    ) -> Applied:
        """The instances of one host, finished.

        :param made: as they follow from [stack].
        :param groups: names of groups.
        :raises UserError: on the first value that cannot be used.
        """
        known = overrides.chains(made, lanes)
        own = overrides.merged(known, groups, sections)
        read = cls(made, own, known, sections, places)
        return replace(read, instances=overrides.applied(made, own, read.written))

    def written(self, part: str, option: str) -> Place:
        """Where the user has written an option of a part."""
        return overrides.written(option, self.chains[part], self.sections, self.places)
