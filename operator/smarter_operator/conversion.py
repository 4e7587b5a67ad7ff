"""Converts our resources between the versions of the API: each version says how it becomes the stored one, and back."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from smarter_crds.base import GROUP, VERSION
from smarter_operator.cluster import Manifest
from smarter_operator.kinds import CHATBOT, REFERENCED

Change = Callable[[Manifest], Manifest]


class CannotConvert(Exception):
    """An object is of a version or kind that is not known."""


def unchanged(manifest: Manifest) -> Manifest:
    return manifest


@dataclass(frozen=True)
class Version:
    """How an object of one version becomes one of the stored version, and back; both return a new object."""

    to_stored: Change = unchanged
    from_stored: Change = unchanged


@dataclass(frozen=True)
class Conversions:
    """The versions of one API group, by name, for these kinds."""

    group: str
    kinds: frozenset[str]
    versions: Mapping[str, Version]

    def convert(self, objects: Iterable[Manifest], desired: str) -> list[Manifest]:
        """Return all objects in the version `desired` (`group/version`), or fail as a whole.

        Raises:
            CannotConvert: naming the first object that cannot be converted.
        """
        return [self._convert(manifest, desired) for manifest in objects]

    def _convert(self, manifest: Manifest, desired: str) -> Manifest:
        kind, current = str(manifest.get("kind")), str(manifest.get("apiVersion"))
        if kind not in self.kinds:
            raise CannotConvert(f"{kind!r} is no kind of {self.group} that this operator knows.")
        source, target = self._version(current), self._version(desired)
        if current == desired:
            return manifest
        return {**target.from_stored(source.to_stored(manifest)), "apiVersion": desired}

    def _version(self, api_version: str) -> Version:
        group, _, name = api_version.partition("/")
        if group != self.group or name not in self.versions:
            known = ", ".join(f"{self.group}/{name}" for name in self.versions)
            raise CannotConvert(f"The version {api_version!r} is not known to this operator; it knows {known}.")
        return self.versions[name]


CONVERSIONS = Conversions(
    group=GROUP,
    kinds=frozenset(kind.name for kind in (CHATBOT, *REFERENCED)) | {"HostClaim"},
    versions={VERSION: Version()},
)
"""Ours: one entry per served version."""
