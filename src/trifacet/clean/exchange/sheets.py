"""A photo with all that other tools are told of it: its given labels, why it is looked at, and people's rulings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trifacet.clean.exchange.rulings import given_labels
from trifacet.clean.exchange.said import NOTHING
from trifacet.core.decisions import USE, YEARS, Decision
from trifacet.core.findings import Findings
from trifacet.core.manifest import Manifest

Group = tuple[str, str, str, str]  # who, reason, certainty and source, which a form tells once for several labels


@dataclass(frozen=True)
class Sheet:
    """One photo. given: attribute -> value, "" for none. rulings: decisions about it, of the sayable attributes alone.

    width_px and height_px are None where the manifest does not know them.
    """

    photo_id: str
    path: Path
    relative: str
    width_px: int | None
    height_px: int | None
    given: Mapping[str, str]
    rulings: tuple[Decision, ...] = ()
    why: tuple[str, ...] = ()

    def grouped(self) -> dict[Group, dict[str, str]]:
        """The rulings' values by who rules, why, how surely, and of which source."""
        groups: dict[Group, dict[str, str]] = {}
        for ruling in self.rulings:
            group = (ruling.who, ruling.reason, ruling.certainty, ruling.source)
            groups.setdefault(group, {})[ruling.attribute] = ruling.new or NOTHING
        return groups


@dataclass(frozen=True)
class Sheets:
    """Photos to be written, and the decisions that such forms cannot say."""

    sheets: tuple[Sheet, ...]
    unsaid: tuple[Decision, ...]


def sheets_of(
    manifest: Manifest, decisions: Iterable[Decision], *, findings: Findings | None = None, is_all: bool = False
) -> Sheets:
    """The photos that were ruled on or found wanting, or all of them, in the manifest's order.

    A decision about a person is told of each of their photos. Forms of photos and labels cannot say that somebody is
    another person, that years are taken away, a verdict, or anything of a photo that is not here.
    """
    members: dict[str, list[str]] = {}
    for photo, person in manifest.table.select("photo_id", "person_id").iter_rows():
        members.setdefault(person, []).append(photo)
    there, sayable = set(manifest.photo_ids), {*manifest.schema.names, YEARS, USE}
    of_photo: dict[str, dict[tuple[str, str], Decision]] = {}
    unsaid = []
    for one in decisions:
        about = members.get(one.subject, []) if one.scope == "person" else [one.subject] if one.subject in there else []
        if one.attribute not in sayable or (one.attribute == YEARS and not one.new) or not about:
            unsaid.append(one)
            continue
        for photo in about:
            told = one.model_copy(update={"scope": "photo", "subject": photo})
            of_photo.setdefault(photo, {})[one.attribute, one.who] = told
    why = _reasons(findings)
    given, table = given_labels(manifest), manifest.table.select("photo_id", "path", "width_px", "height_px")
    made = [
        Sheet(
            photo,
            file,
            relative,
            width,
            height,
            given[photo],
            tuple(of_photo.get(photo, {}).values()),
            tuple(why.get(photo, ())),
        )
        for (photo, relative, width, height), file in zip(table.iter_rows(), manifest.paths, strict=True)
        if is_all or photo in of_photo or photo in why
    ]
    return Sheets(tuple(made), tuple(unsaid))


def _reasons(findings: Findings | None) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    if findings is not None:
        rows = findings.issues.sort("score").select("photo_id", "kind", "detail").iter_rows()
        for photo, kind, detail in rows:
            found.setdefault(photo, []).append(f"{kind.replace('_', ' ')}: {detail}" if detail else kind)
    return found


def words_of(names: Sequence[str]) -> tuple[str, ...]:
    """What may be chosen: these, and the word for none."""
    return (*names, NOTHING)
