"""What a foreign file says -> decisions about photos of a dataset, each with the dataset's label as `old`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from trifacet.clean.exchange.meaning import UnclearError, meaning
from trifacet.clean.exchange.photos import Photos, UnmatchedError
from trifacet.clean.exchange.said import Names, Problem, Said, Told
from trifacet.core.decisions import USE, YEARS, Decision, Source
from trifacet.core.manifest import Manifest

Thing = tuple[str, str]  # photo_id and attribute


@dataclass(frozen=True)
class Ruled:
    """Decisions, what agreed with the given labels and is left out, and all that stops an import."""

    decisions: tuple[Decision, ...]
    n_agreed: int = 0
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Author:
    """Who a file's rulings are by, where it does not tell: a name, how sure, why, and of which source."""

    who: str
    certainty: str = ""
    reason: str = ""
    source: Source = "human"


@dataclass(frozen=True)
class _Value:
    """One value that somebody gives one photo, and where the file says so."""

    photo: str
    attribute: str
    value: str
    said: Said

    @property
    def thing(self) -> tuple[str, str, str]:
        return self.photo, self.attribute, self.said.who


def given_labels(manifest: Manifest) -> dict[str, dict[str, str]]:
    """What stands of each photo, as decisions write it: text, "" for none."""
    names = [*manifest.schema.names, YEARS, "dropped_because"]
    keys = [*names[:-1], USE]
    rows = manifest.table.select("photo_id", *names).iter_rows()
    return {photo: {key: _text(v) for key, v in zip(keys, values, strict=True)} for photo, *values in rows}


def _text(value: object) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def rulings_of(
    told: Told,
    manifest: Manifest,
    *,
    names: Names,
    author: Author,
    is_confirming: bool = False,
    others: Iterable[Decision] = (),
) -> Ruled:
    """The decisions that a file comes to: where it differs from the given label.

    What agrees is a confirmation. It becomes a decision too where somebody else, in this file or among `others`, says
    otherwise of the same thing, so that the difference is seen and settled; with is_confirming always.
    """
    values, problems = _values(told, manifest, names=names, author=author)
    kept, more = _without_contradictions(values, names=names)
    problems += more
    given = given_labels(manifest)
    opinions: dict[Thing, set[str]] = {}
    for one in kept:
        opinions.setdefault((one.photo, one.attribute), set()).add(one.value)
    for other in others:
        opinions.setdefault((other.subject, other.attribute), set()).add(other.new)
    made, n_agreed = [], 0
    for one in kept:
        old = given[one.photo][one.attribute]
        if old == one.value and not is_confirming and opinions[one.photo, one.attribute] == {old}:
            n_agreed += 1
            continue
        made.append(_decision(one, old, author=author))
    return Ruled(tuple(made), n_agreed, (*told.problems, *problems), told.notes)


def _decision(one: _Value, old: str, *, author: Author) -> Decision:
    return Decision(
        who=one.said.who,
        subject=one.photo,
        attribute=one.attribute,
        old=old,
        new=one.value,
        reason=one.said.reason or author.reason,
        certainty=one.said.certainty or author.certainty,
        source=one.said.source or author.source,
    )


def _values(told: Told, manifest: Manifest, *, names: Names, author: Author) -> tuple[list[_Value], list[Problem]]:
    photos = Photos(manifest.photo_ids)
    found: dict[str, str | UnmatchedError] = {}
    known: dict[tuple[str, str], dict[str, str] | UnclearError] = {}  # words are few, so each is looked up once
    values, problems = [], []
    for said in told.said:
        if said.path not in found:
            try:
                found[said.path] = photos.find(said.path)
            except UnmatchedError as why:
                found[said.path] = why
                problems.append(Problem(said.place, said.path, str(why)))
        photo = found[said.path]
        word = (said.key, said.text)
        if word not in known:
            known[word] = _meaning(*word, names=names)
        means = known[word]
        if isinstance(means, UnclearError):
            problems.append(Problem(said.place, said.path, f"{said.key}: {means}"))
        elif isinstance(photo, str):
            by = replace(said, who=said.who or author.who)
            values += [_Value(photo, attribute, value, by) for attribute, value in means.items()]
    return values, problems


def _meaning(key: str, text: str, *, names: Names) -> dict[str, str] | UnclearError:
    try:
        return meaning(key, text, names=names)
    except UnclearError as why:
        return why


def _without_contradictions(values: Sequence[_Value], *, names: Names) -> tuple[list[_Value], list[Problem]]:
    """Each thing once for each author; years instead of the class of age that they lie in."""
    first: dict[tuple[str, str, str], _Value] = {}
    problems = []
    for one in values:
        before = first.setdefault(one.thing, one)
        if before.value != one.value:
            why = f"{one.attribute} is {one.value or 'none'} here and {before.value or 'none'} at {before.said.place}"
            problems.append(Problem(one.said.place, one.said.path, why))
    age = names.schema.age
    for (photo, attribute, who), one in list(first.items()):
        years = first.get((photo, YEARS, who))
        if age is None or attribute != age.name or years is None or not years.value:
            continue
        band = age.classes[int(age.band(float(years.value)))]
        if band != one.value:
            why = f"{age.name} is {one.value or 'none'} and {years.value} years"
            problems.append(Problem(one.said.place, one.said.path, why))
        del first[photo, attribute, who]
    return list(first.values()), problems
