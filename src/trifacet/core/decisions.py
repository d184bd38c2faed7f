"""Decisions: what people (or rules) ruled about photos, as events that are only ever added, and their replay."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trifacet.core.errors import count_text, error, first_few
from trifacet.core.files import check_suffix, keep_inputs, write_text
from trifacet.core.manifest import Manifest, check_manifest
from trifacet.core.schema import LabelSchema

USE, VERDICT, YEARS, PERSON = "use", "verdict", "age_years", "person_id"
USES = ("", "dropped", "unusable", "not_a_face")  # "": the photo is used
# What a reviewer says of a photo that changes nothing of it; "" takes it back.
VERDICTS = ("", "seen", "flagged", "confirmed", "dismissed", "unsure", "skipped")

Source = Literal["human", "model", "rule"]


class Decision(BaseModel):
    """One event: who ruled when that of a photo (or of all photos of a person) one thing is `new` and no longer `old`.

    attribute: an attribute of the schema, `age_years`, `person_id`, `use` (one of USES) or `verdict` (one of VERDICTS).
    old, new: class names, numbers as text, "" for none. certainty: how sure its author is, in a word. undo_of: the
    number of the event that this one takes back, 0 for none. batch: what was ruled at one stroke shares it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    number: int = Field(default=0, ge=0)
    at: str = ""
    who: str = ""
    scope: Literal["photo", "person"] = "photo"
    subject: str = Field(min_length=1)
    attribute: str = Field(min_length=1)
    old: str = ""
    new: str = ""
    reason: str = ""
    source: Source = "human"
    certainty: str = ""
    undo_of: int = Field(default=0, ge=0)
    batch: str = ""


COLUMNS = tuple(Decision.model_fields)
NEEDED = ("subject", "attribute", "old", "new")  # of a CSV that somebody wrote


@dataclass(frozen=True)
class Refused:
    """A decision that does not fit the manifest, and why."""

    decision: Decision
    why: str


@dataclass(frozen=True)
class Replayed:
    """The manifest after the decisions, the table of what changed, and the decisions that were refused.

    changes: photo_id, attribute, old, new, who, reason: a row for each photo and attribute that ends differently.
    n_so_already: decisions whose every photo was as they say before them, though not `old`.
    """

    manifest: Manifest
    changes: pl.DataFrame
    refused: tuple[Refused, ...]
    n_so_already: int = 0


def replay(manifest: Manifest, decisions: Sequence[Decision]) -> Replayed:
    """The manifest as the decisions leave it, one after another; one whose `old` is not what stands is refused.

    A band of age that contradicts the years takes the years away; years give their band. Verdicts change nothing.
    """
    state, people = _state(manifest)
    last: dict[tuple[str, str], Decision] = {}
    refused, n_so_already = [], 0
    for decision in decisions:
        if _is_so_already(decision, state, people=people):
            n_so_already += 1
            continue
        if why := _why_not(decision, state, people=people, schema=manifest.schema):
            refused.append(Refused(decision, why))
            continue
        for photo in _photos(decision, people):
            for attribute, value in _consequences(decision, state[photo], schema=manifest.schema):
                state[photo][attribute] = value
                last[photo, attribute] = decision
    return Replayed(*_applied(manifest, state, last=last), tuple(refused), n_so_already)


def _state(manifest: Manifest) -> tuple[dict[str, dict[str, str]], dict[str, list[str]]]:
    """What stands of each photo, as text, and the photos of each person."""
    names = [*manifest.schema.names, YEARS, PERSON, "dropped_because"]
    state, people = {}, dict[str, list[str]]()
    for photo, *values in manifest.table.select("photo_id", *names).iter_rows():
        state[photo] = {n: _text(v) for n, v in zip([*names[:-1], USE], values, strict=True)} | {VERDICT: ""}
        people.setdefault(state[photo][PERSON], []).append(photo)
    people.pop("", None)
    return state, people


def _text(value: object) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _photos(decision: Decision, people: dict[str, list[str]]) -> list[str]:
    return [decision.subject] if decision.scope == "photo" else people.get(decision.subject, [])


def _is_so_already(decision: Decision, state: dict[str, dict[str, str]], *, people: dict[str, list[str]]) -> bool:
    """Whether a decision was applied before: nothing of it is left to do, though its `old` stands nowhere."""
    name, photos = decision.attribute, [photo for photo in _photos(decision, people) if photo in state]
    if not photos or name == VERDICT or _same(decision.old, decision.new):
        return False
    return all(_same(state[photo].get(name, decision.old), decision.new) for photo in photos)


def _why_not(
    decision: Decision, state: dict[str, dict[str, str]], *, people: dict[str, list[str]], schema: LabelSchema
) -> str:
    """Why a decision cannot be applied; "" where it can."""
    attribute, photos = decision.attribute, _photos(decision, people)
    if not photos or (decision.scope == "photo" and decision.subject not in state):
        is_person = decision.scope == "photo" and decision.subject in people
        return f"no such {decision.scope}" + ("; it is a person: scope person" if is_person else "")
    if why := why_no_value(attribute, decision.new, schema=schema):
        return why
    if attribute == VERDICT:
        return ""
    other = [photo for photo in photos if not _same(state[photo][attribute], decision.old)]
    if other:
        return f"{attribute} of {first_few(other, 2)} is '{state[other[0]][attribute]}', not '{decision.old}'"
    return ""


def why_no_value(attribute: str, value: str, *, schema: LabelSchema) -> str:
    """Why nothing can be ruled to have this value; "" where it can."""
    known = {a.name: ("", *a.classes) for a in schema.attributes} | {USE: USES, VERDICT: VERDICTS}
    if attribute == PERSON:
        return ""
    if attribute == YEARS:
        first, last = schema.years
        try:
            return "" if not value or first <= float(value) < last + 1 else f"{value} years are outside {first}..{last}"
        except ValueError:
            return f"'{value}' is no number of years"
    if attribute not in known:
        return f"no attribute '{attribute}'"
    return (
        "" if value in known[attribute] else f"'{value}' is no {attribute}: {', '.join(filter(None, known[attribute]))}"
    )


def _same(one: str, two: str) -> bool:
    """Whether two texts mean the same value: 30 and 30.0 do."""
    if one == two:
        return True
    try:
        return float(one) == float(two)
    except ValueError:
        return False


def _consequences(decision: Decision, now: dict[str, str], *, schema: LabelSchema) -> list[tuple[str, str]]:
    """What a decision sets of one photo: itself, and what follows of it for years and their band."""
    changes = [(decision.attribute, decision.new)]
    age = schema.age
    if age is not None and decision.attribute == YEARS and decision.new:
        changes.append((age.name, age.classes[int(age.band(float(decision.new)))]))
    is_band = age is not None and decision.attribute == age.name and bool(now[YEARS])
    if age is not None and is_band and age.classes[int(age.band(float(now[YEARS])))] != decision.new:
        changes.append((YEARS, ""))
    return changes


def _applied(
    manifest: Manifest, state: dict[str, dict[str, str]], *, last: dict[tuple[str, str], Decision]
) -> tuple[Manifest, pl.DataFrame]:
    """The manifest with the values that stand at the end, and the table of what differs."""
    before, _ = _state(manifest)
    ids = manifest.photo_ids
    rows = [
        (photo, name, before[photo][name], state[photo][name], by.who, by.reason, by.certainty)
        for (photo, name), by in last.items()
        if name != VERDICT and not _same(before[photo][name], state[photo][name])
    ]
    names = ("photo_id", "attribute", "old", "new", "who", "reason", "certainty")
    changes = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row").sort("photo_id", "attribute")
    columns = [
        pl.Series(name, [state[photo][name] or None for photo in ids], dtype=pl.String())
        for name in manifest.schema.names
    ]
    years = [state[photo][YEARS] for photo in ids]
    columns += [
        pl.Series(YEARS, [float(v) if v else None for v in years], dtype=pl.Float32()),
        pl.Series(PERSON, [state[photo][PERSON] for photo in ids], dtype=pl.String()),
        pl.Series("dropped_because", [state[photo][USE] or None for photo in ids], dtype=pl.String()),
    ]
    labels = {row[0]: f"ruled by {row[4] or 'somebody'}" for row in rows if row[1] in (*manifest.schema.names, YEARS)}
    given = manifest.table["label_source"].to_list()
    told = [labels.get(photo, source) for photo, source in zip(ids, given, strict=True)]
    columns.append(pl.Series("label_source", told, dtype=pl.String()))
    made = replace(manifest, table=manifest.table.with_columns(columns), stage="apply")
    check_manifest(made, where="the manifest after these decisions")
    return made, changes


def refuse(refused: Sequence[Refused], *, n_decisions: int, where: object) -> None:
    """Stops where some of so many decisions were refused, the first few told. Raises StoreError TRI701."""
    if refused:
        told = list(dict.fromkeys(f"{r.decision.scope} {r.decision.subject}: {r.why}" for r in refused))
        what = f"{len(refused):,} of {count_text(n_decisions, 'decision')} cannot be applied"
        is_elsewhere = len(refused) == n_decisions and all(r.why.startswith("no such") for r in refused)
        do = "They are about other photos: check which data they belong to." if is_elsewhere else ""
        raise error("TRI701", what, where=where, got="; ".join(told[:5]), do=do)


def check_new_decisions(out: Path, *inputs: Path | None) -> None:
    """Refuses a CSV that is there: people edit decisions, so none is replaced. Raises ConfigError TRI104."""
    check_suffix(out, ".csv", what="decisions")
    keep_inputs(out, *inputs)
    if out.exists():
        do = "Name a new file: people edit decisions, so none is replaced."
        raise error("TRI104", "something is there already", where="--out", got=f"'{out}'", do=do)


def write_decisions(path: Path | str, decisions: Iterable[Decision]) -> None:
    """Writes decisions as CSV, a column a field, which people may edit."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    quoting = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for decision in decisions:
        row = [getattr(decision, name) for name in COLUMNS]
        # a lone carriage return ends a line for readers, yet Python 3.11 and 3.12 write it bare
        (quoting if any("\r" in str(cell) for cell in row) else writer).writerow(row)
    write_text(Path(path), text.getvalue())


def read_decisions(path: Path | str) -> list[Decision]:
    """The decisions of a CSV, in its order; every mistake is told at once.

    Raises:
        StoreError: TRI702, not readable, columns that are not known or lack, or rows that break a rule.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as content:
            reader = csv.DictReader(content)
            columns, rows = reader.fieldnames or [], list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise error("TRI702", "cannot be read as CSV", where=path, got=str(problem)) from problem
    do = f"Needed are {', '.join(NEEDED)}; there may be {', '.join(c for c in COLUMNS if c not in NEEDED)}."
    if foreign := [name for name in columns if name not in COLUMNS]:
        raise error("TRI702", "columns that decisions do not have", where=path, got=first_few(foreign), do=do)
    if lacking := [name for name in NEEDED if name not in columns]:
        raise error("TRI702", "columns are missing", where=path, got=first_few(lacking), do=do)
    made, wrong = [], []
    for line, row in enumerate(rows, start=2):
        if None in row or None in row.values():  # too many cells, or too few: an empty `new` must be meant
            wrong.append(f"line {line}: not the {len(columns)} cells that the header has")
            continue
        try:
            made.append(Decision.model_validate({k: v for k, v in row.items() if v not in ("", None)}))
        except ValidationError as problem:
            first = problem.errors()[0]
            wrong.append(f"line {line}, {'.'.join(map(str, first['loc'])) or 'row'}: {first['msg']}")
    if wrong:
        raise error("TRI702", f"{len(wrong):,} rows cannot be read", where=path, got="; ".join(wrong[:5]))
    return made
