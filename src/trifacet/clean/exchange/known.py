"""Label errors of the original dataset that people found, with how sure they are; applied to nothing by itself.

The list stands in known_corrections.csv: folders and photos by pattern, so that somebody of the same number in another
dataset is not meant. certain: public lists agree, and a look at the photos shows it. likely: they agree that the label
is wrong, not on what is right. disputed: some change it, others keep it.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import PurePosixPath

from trifacet.clean.exchange.rulings import given_labels
from trifacet.core.decisions import Decision, why_no_value
from trifacet.core.errors import error, first_few, pick
from trifacet.core.manifest import Manifest

LEVELS = ("certain", "likely", "disputed")  # each as sure as those before it, or less
WHO = "known corrections"


@dataclass(frozen=True)
class Correction:
    """One line of the list. subject: a folder's pattern, `/`, a file's pattern; old "" where only the pattern tells."""

    subject: str
    scope: str
    attribute: str
    old: str
    new: str
    certainty: str
    reason: str

    @property
    def number(self) -> str:
        """The number of the person, which a folder's name begins with."""
        return self.subject.partition("_")[0]


@dataclass(frozen=True)
class Known:
    """What of the list is about this data: decisions, and the lines that stand already, are absent, or do not fit."""

    decisions: tuple[Decision, ...]
    n_done: int
    absent: tuple[str, ...]
    other: tuple[str, ...]


def read_corrections() -> list[Correction]:
    """The list, as it ships."""
    text = files("trifacet.clean.exchange").joinpath("known_corrections.csv").read_text(encoding="utf-8")
    return [Correction(**row) for row in csv.DictReader(text.splitlines())]


def known_corrections(manifest: Manifest, *, certainty: str = LEVELS[0]) -> Known:
    """The corrections of people who are in this data, folder and label as listed, of this certainty or a higher one.

    Raises:
        ConfigError: TRI100, no such certainty. StoreError: TRI712, none of these people is here.
    """
    pick(dict.fromkeys(LEVELS), certainty, what="certainty")
    wanted = LEVELS[: LEVELS.index(certainty) + 1]
    here = _Here(manifest)
    made: list[Decision] = []
    absent, other, n_done = [], [], 0
    for correction in read_corrections():
        if correction.certainty not in wanted:
            continue
        if correction.number not in here.numbers:
            absent.append(correction.number)
            continue
        found = here.decisions(correction)
        if isinstance(found, str):
            other.append(f"{correction.number}: {found}")
        else:
            made += found
            n_done += not found
    other = list(dict.fromkeys(other))  # a person with two corrections is left out for one reason
    if not made and not n_done:
        got = first_few(other, 3) if other else f"none of {len(dict.fromkeys(absent)):,} people"
        raise error("TRI712", "none of the known corrections is about this data", got=got)
    return Known(tuple(made), n_done, tuple(dict.fromkeys(absent)), tuple(other))


class _Here:
    """The folders and people of a dataset."""

    def __init__(self, manifest: Manifest) -> None:
        self.schema, self.given = manifest.schema, given_labels(manifest)
        self.folders: dict[str, list[str]] = {}
        self.person_of: dict[str, str] = {}
        self.members: dict[str, list[str]] = {}
        for photo, person in manifest.table.select("photo_id", "person_id").iter_rows():
            self.folders.setdefault(PurePosixPath(photo).parent.name, []).append(photo)
            self.person_of[photo] = person
            self.members.setdefault(person, []).append(photo)
        self.numbers = {name.partition("_")[0] for name in self.folders} | {*self.members} - {""}

    def decisions(self, correction: Correction) -> list[Decision] | str:
        """What a correction comes to here; none where it stands already, words where it does not fit."""
        folder, _, file = correction.subject.partition("/")
        found = [name for name in self.folders if fnmatchcase(name, folder)]
        if len(found) != 1:
            return "another folder" if not found else f"several folders: {first_few(found)}"
        photos = [p for p in self.folders[found[0]] if fnmatchcase(PurePosixPath(p).name, file)]
        if not photos:
            return f"no {file} in {found[0]}"
        if why := self._why_not(correction):
            return why
        values = {self.given[photo][correction.attribute] for photo in photos}
        if values == {correction.new}:
            return []
        old = correction.old or (next(iter(values)) if len(values) == 1 else "")
        if not old or any(self.given[photo][correction.attribute] != old for photo in photos):
            return f"{correction.attribute} is '{first_few(sorted(values))}', not '{correction.old}'"
        person = self.person_of[photos[0]]
        if correction.scope == "person" and person and sorted(self.members[person]) == sorted(photos):
            return [_decision(correction, "person", subject=person, old=old)]
        return [_decision(correction, "photo", subject=photo, old=old) for photo in photos]

    def _why_not(self, correction: Correction) -> str:
        reasons = [why_no_value(correction.attribute, v, schema=self.schema) for v in (correction.old, correction.new)]
        return next(filter(None, reasons), "")


def _decision(correction: Correction, scope: str, *, subject: str, old: str) -> Decision:
    told = {"scope": scope, "subject": subject, "old": old, "who": WHO, "source": "rule"}
    more = {"attribute": correction.attribute, "new": correction.new, "reason": correction.reason}
    return Decision.model_validate(told | more | {"certainty": correction.certainty})
