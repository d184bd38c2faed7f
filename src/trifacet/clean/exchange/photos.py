"""Which photo of a dataset a foreign path means: the one that shares its longest ending, and no other."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from trifacet.core.errors import first_few


class UnmatchedError(ValueError):
    """No photo is meant, or several could be."""


class Photos:
    """The photos of a dataset by every ending of their ids, whole path components only."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._by_key = {_plain(photo): photo for photo in ids}
        self._by_ending: dict[str, list[str]] = {}
        for key, photo in self._by_key.items():
            for ending in _endings(key):
                self._by_ending.setdefault(ending, []).append(photo)
                if "." in ending.rsplit("/", 1)[-1]:  # some forms name photos without their extension
                    self._by_ending.setdefault(_stem(ending), []).append(photo)

    def find(self, path: str) -> str:
        """The id of the photo that a path means, which may be absolute, of another machine, or Windows'.

        The longest ending that any photo shares decides; it must be the whole id, the whole path, or two components at
        least: a bare file name says nothing where folders differ.

        Raises:
            UnmatchedError: no photo ends so, or several do.
        """
        key = _plain(path)
        if key in self._by_key:
            return self._by_key[key]
        for ending in _endings(key):
            found = self._by_ending.get(ending, [])
            if not found:
                continue
            if len(found) > 1:
                raise UnmatchedError(f"{len(found):,} photos end in {ending}: {first_few(found, 3)}")
            whole = _plain(found[0])
            if "/" in ending or ending in (key, whole, _stem(whole)):
                return found[0]
            break
        raise UnmatchedError("no such photo")


def _plain(path: str) -> str:
    """A path with `/` and composed letters: Windows writes the first otherwise, macOS the second."""
    return unicodedata.normalize("NFC", path.strip().replace("\\", "/")).lstrip("/")


def _endings(key: str) -> list[str]:
    """All endings of a path, the longest first."""
    parts = [part for part in key.split("/") if part]
    return ["/".join(parts[i:]) for i in range(len(parts))]


def _stem(ending: str) -> str:
    stem, dot, suffix = ending.rpartition(".")
    return stem if dot and "/" not in suffix else ending
