"""Errors a user can act on: a stable code, what happened, where, what was got, what to do.

A programmer's broken contract is a ValueError or TypeError; everything here is about a user's input or machine.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

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
        head = head if head.endswith((".", "?", "!")) else head + "."
        return f"{head} {self.do}".rstrip()


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


class MachineError(TrifacetError):
    """TRI9xx: disk, memory, device, places to write."""

    exit_status = 11


_FAMILIES: dict[str, type[TrifacetError]] = {
    "1": ConfigError,
    "2": ManifestError,
    "3": PredictionsError,
    "4": RunError,
    "5": BundleError,
    "6": MissingExtraError,
    "9": MachineError,
}


class Entry(NamedTuple):
    """One row of the catalogue: the heading in the reference, why it happens, what helps."""

    title: str
    why: str
    remedy: str


CATALOGUE: dict[str, Entry] = {
    "TRI100": Entry(
        "A name is not known",
        "A name (of a recipe, a backbone, a column, an option's value) is not among those that exist.",
        "Take the suggested name, or list what there is.",
    ),
    "TRI101": Entry(
        "The recipe has mistakes",
        "One or more keys are unknown or hold a value that does not fit. Every mistake is listed at once.",
        "Correct each line that is named; `trifacet config show RECIPE` prints every key with its origin.",
    ),
    "TRI102": Entry(
        "A settings file cannot be read",
        "The file does not exist, or is not valid YAML or JSON.",
        "Check the path; the message names the line where reading stopped.",
    ),
    "TRI103": Entry(
        "The label schema is not usable",
        "Attributes, class names or age edges contradict each other.",
        "Give each attribute at least two distinct classes, and one more class than it has edges.",
    ),
    "TRI104": Entry(
        "An option has a value that does not fit",
        "A command-line option could not be understood or lies outside its range.",
        "The message says what the option takes; `--help` gives the form and the default.",
    ),
    "TRI105": Entry(
        "The user's own module:function cannot be used",
        "The module cannot be imported, has no such name, or returned something else than promised.",
        "Check that Python finds the module from the folder you stand in and that the name is spelled right.",
    ),
    "TRI200": Entry(
        "A manifest breaks its rules",
        "A class lies outside the schema, a photo has two rows, or an age lies off the year grid.",
        "Make it again with `trifacet ingest`, or correct the rows that are named.",
    ),
    "TRI201": Entry(
        "A person stands in two splits",
        "Photos of one person are in several splits or folds: a score would be measured on people seen in training.",
        "Split again with `trifacet split`; an image-level split needs `--allow-leak` and stamps every later score.",
    ),
    "TRI202": Entry(
        "A file is not what was asked for",
        "The file is not a table of this kind, is damaged, or was written by a newer trifacet.",
        "Pass the right file; update trifacet when the format is newer.",
    ),
    "TRI203": Entry(
        "The photos are not where the manifest says",
        "The folder of photos recorded in the manifest does not exist (any more).",
        "Put it back, or ingest the folder again.",
    ),
    "TRI204": Entry(
        "A photo changed since it was ingested",
        "A photo's bytes no longer match the hash in the manifest, or it cannot be decoded any more.",
        "Ingest the folder again, so that the manifest describes what is on disk.",
    ),
    "TRI205": Entry(
        "There is nothing to work on",
        "The folder, the manifest or the split holds no usable photo.",
        "Check the path and the rejects file, which gives each photo's reason.",
    ),
    "TRI300": Entry(
        "Predictions break their rules",
        "A row of probabilities does not sum to 1, an id appears twice, or a column is missing.",
        "Make the file again with `trifacet predict`.",
    ),
    "TRI301": Entry(
        "Two label schemas do not match",
        "Predictions, truth or a decision rule were made for other attributes, classes or age edges.",
        "Use files made under one schema; `trifacet config show` and the file's metadata tell which.",
    ),
    "TRI302": Entry(
        "Predictions and truth name different photos",
        "Some ids are on one side only.",
        "Predict on the photos that the truth names; the message gives the first ids.",
    ),
    "TRI400": Entry(
        "This is not a run",
        "The folder has no run.json, or it cannot be read.",
        "Pass the folder that `trifacet train --out` made.",
    ),
    "TRI401": Entry(
        "The run is not finished",
        "Training has not ended, so the run has no weights and no decision rule to use yet.",
        "Finish it with `trifacet train --resume RUN`.",
    ),
    "TRI402": Entry(
        "The place for the run is taken",
        "The output folder exists and is not empty.",
        "Choose another --out, or use --name, which numbers runs by itself; nothing is ever overwritten.",
    ),
    "TRI403": Entry(
        "Weights cannot be loaded",
        "A weights file is missing, damaged, or belongs to another network.",
        "Check the path and the model named in the recipe.",
    ),
    "TRI404": Entry(
        "Training cannot start on this data",
        "The manifest has no split, or one split lacks photos or labels that training needs.",
        "Run `trifacet split` first and check `trifacet ingest`'s class counts.",
    ),
    "TRI600": Entry(
        "An extra is not installed",
        "This command needs packages that the base install leaves out.",
        "Install the extra that is named, for example `pip install 'trifacet[train]'`.",
    ),
    "TRI900": Entry(
        "The disk is full",
        "Writing stopped because no space was left. What was there before is untouched.",
        "Free some space, or write to another disk, and run the command again.",
    ),
    "TRI901": Entry(
        "A place cannot be written",
        "The folder does not exist, is a file, or this user may not write there.",
        "Choose another path or correct its permissions.",
    ),
    "TRI902": Entry(
        "Out of memory",
        "The device or the machine has too little memory for this batch.",
        "Lower train.batch_size or data.image_size.",
    ),
}


def error(code: str, what: str, *, where: str = "", got: object = "", do: str = "") -> TrifacetError:
    """The error of `code`'s family, ready to raise. `do` defaults to the catalogue's remedy."""
    entry = CATALOGUE[code]
    return _FAMILIES[code[3]](code, what, where=str(where), got=str(got), do=do or entry.remedy)


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


def first_few(items: Sequence[object], n: int = 5) -> str:
    """The first `n` items in words, and how many there are when there are more."""
    shown = ", ".join(str(item) for item in items[:n])
    return shown if len(items) <= n else f"{shown}, ... ({len(items):,} in all)"
