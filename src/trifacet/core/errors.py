"""Errors a user can act on: a stable code, what happened, where, what was got, what to do.

A programmer's broken contract is a ValueError or TypeError; everything here is about a user's input or machine.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TypeVar

from trifacet.core.catalogue import CATALOGUE

T = TypeVar("T")


class TrifacetError(Exception):
    """What a user must know: `code`, `what`, `where`, `got`, `do`, and the `exit_status` of the command.

    The families below divide by the first digit of the code, so that a caller can catch one kind.
    """

    exit_status = 1

    def __init__(self, code: str, what: str, *, where: str = "", got: str = "", do: str = "") -> None:
        self.code, self.what, self.where, self.got, self.do = code, what, where, got, do
        super().__init__(str(self))

    def __str__(self) -> str:
        head = f"{self.code} {self.where}: {self.what}" if self.where else f"{self.code} {self.what}"
        if self.got:
            head += f", got {self.got}"
        head = head if head.endswith((".", "?", "!", "\n")) else head + "."
        gap = "" if head.endswith("\n") else " "
        return f"{head}{gap}{self.do}".rstrip()


class ConfigError(TrifacetError):
    """TRI1xx: a recipe, a schema or an option."""

    exit_status = 3


class ManifestError(TrifacetError):
    """TRI2xx: photos, labels, manifests, splits."""

    exit_status = 4


class PredictionsError(TrifacetError):
    """TRI3xx: predictions, truth, submissions."""

    exit_status = 5


class RunError(TrifacetError):
    """TRI4xx: run directories, weights, training."""

    exit_status = 6


class BundleError(TrifacetError):
    """TRI5xx: exported bundles."""

    exit_status = 7


class MissingExtraError(TrifacetError):
    """TRI6xx: an extra that is not installed."""

    exit_status = 8


class StoreError(TrifacetError):
    """TRI7xx: findings, decisions, and the store of rulings."""

    exit_status = 9


class MachineError(TrifacetError):
    """TRI9xx: disk, memory, device, places to write."""

    exit_status = 11


class PausedError(MachineError):
    """TRI904: training waits for space on the disk; nothing is lost."""

    exit_status = 12


_FAMILIES: dict[str, type[TrifacetError]] = {
    "1": ConfigError,
    "2": ManifestError,
    "3": PredictionsError,
    "4": RunError,
    "5": BundleError,
    "6": MissingExtraError,
    "7": StoreError,
    "9": MachineError,
}


def error(code: str, what: str, *, where: object = "", got: object = "", do: str = "") -> TrifacetError:
    """The error of `code`'s family, ready to raise. `do` defaults to the catalogue's remedy."""
    entry = CATALOGUE[code]
    kind = PausedError if code == "TRI904" else _FAMILIES[code[3]]
    return kind(code, what, where=str(where), got=str(got), do=do or entry.remedy)


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name that looks most like `name`, or None when none is near."""
    by_tail = {k.rsplit("/", 1)[-1]: k for k in known}
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    found = found or [by_tail[t] for t in difflib.get_close_matches(name, list(by_tail), n=1, cutoff=0.6)]
    return found[0] if found else None


def pick(table: Mapping[str, T], name: str, *, what: str, where: str = "", do: str = "") -> T:
    """The entry called `name`; a typo is answered with the nearest name.

    Raises:
        ConfigError: TRI100, no such name.
    """
    if name in table:
        return table[name]
    near = nearest(name, list(table))
    hint = f"Did you mean '{near}'?" if near else f"Known: {', '.join(sorted(table))}."
    raise error("TRI100", f"no {what} '{name}'.", where=where, do=f"{hint} {do}".rstrip())


def count_text(count: int, one: str, *, many: str = "") -> str:
    """A number of things: `1 photo`, `2,508 photos`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def first_few(items: Sequence[object], n: int = 5) -> str:
    """The first `n` items in words, and how many there are when there are more."""
    shown = ", ".join(str(item) for item in items[:n])
    return shown if len(items) <= n else f"{shown}, ... ({len(items):,} in all)"
