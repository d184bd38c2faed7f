"""What a dataset is, in numbers: classes, ages, cuts, splits; and what its classes look like, gathered in one pass."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np
import polars as pl

from trifacet.core.errors import count_text
from trifacet.core.manifest import IS_PSEUDO, Manifest
from trifacet.core.predictions import ImageArray
from trifacet.core.schema import MISSING, Attribute, IntArray, LabelSchema
from trifacet.pages.contact import as_data_uri, thumbnail_uri
from trifacet.pages.html import readable
from trifacet.pixels.looks import Looks
from trifacet.pixels.preprocess import Geometry, fit

MEAN_PX = 96  # sides of a mean face
AROUND_YEARS = (-2, -1, 0, 1, 2)  # years by which an edge is moved to show what a cut does

Combination = tuple[int, ...]  # a class id per attribute, MISSING where it is not known


@dataclass(frozen=True)
class Count:
    """Photos, and people among those whose person is known; None where no photo's person is."""

    photos: int
    people: int | None


@dataclass(frozen=True)
class Cut:
    """What moving one edge of the age classes does: photos and people that change class, and counts on both sides."""

    edge: int
    is_given: bool
    moved: Count
    below: Count
    above: Count


@dataclass(frozen=True)
class Data:
    """A dataset as it is shown: its kept photos, how they look, and pictures of them (None for none).

    name: what the page calls it. notes: what a person should know before reading on. remarks: how it was read.
    n_rejected: files that are no photos.
    """

    name: str
    manifest: Manifest
    looks: Looks
    pictures: Pictures | None = None
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    n_rejected: int = 0

    @property
    def n_unread(self) -> int:
        """Files that are no photos, and photos that could not be read."""
        return len(self.looks.failed) + self.n_rejected


@dataclass(frozen=True)
class Pictures:
    """Data URIs: a mean face per class (attribute, class id), per combination of labels, and of all; and photos.

    means: with the number of photos behind each. sheets: rows of the manifest by combination, in the order shown.
    """

    means: dict[tuple[str, int], tuple[str, int]]
    joint_means: dict[Combination, tuple[str, int]]
    mean: str
    sheets: dict[Combination, list[int]]
    thumbnails: dict[int, str]


def has_people(manifest: Manifest) -> bool:
    """Whether it is known of any photo whom it shows."""
    return bool((manifest.table["person_id"] != "").any())


def count(rows: pl.DataFrame) -> Count:
    """How many photos and people these rows are."""
    known = rows["person_id"].filter(rows["person_id"] != "")
    return Count(rows.height, known.n_unique() if len(known) else None)


def by_class(manifest: Manifest, attribute: Attribute) -> list[tuple[str | None, Count]]:
    """Photos and people of each class of an attribute, then of None where a label is not known, if there are any."""
    parts = manifest.table.partition_by(attribute.name, as_dict=True)
    empty = manifest.table.clear()
    found = [(name, count(parts.get((name,), empty))) for name in attribute.classes]
    return [*found, *([(None, count(parts[None,]))] if (None,) in parts else [])]


def combinations(manifest: Manifest) -> list[Combination]:
    """The classes of each photo, in row order."""
    return [tuple(row) for row in manifest.classes.tolist()]


def cube(manifest: Manifest, *, of_people: bool = False) -> IntArray:
    """How many photos, or known people, each combination of classes has: one axis per attribute.

    Photos without one of the labels are left out.
    """
    table, schema = manifest.table, manifest.schema
    whole = table.select("person_id", *schema.names).drop_nulls(list(schema.names))
    if of_people:
        whole = whole.filter(pl.col("person_id") != "").unique()
    made = np.zeros(schema.sizes, dtype=np.int64)
    places = [a.ids(whole[a.name].to_list()) for a in schema.attributes]
    np.add.at(made, tuple(places), 1)
    return made


def evenness(counts: IntArray) -> float:
    """How alike classes are in number: 0 all photos in one class .. 1 as many in each; 1 for a single class.

    Source: Pielou 1966, Journal of Theoretical Biology 13: the entropy of the shares by its largest value.
    """
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum() / np.log(len(counts))) if len(counts) > 1 else 1.0


def by_year(manifest: Manifest) -> dict[int, Count]:
    """Photos and people of each whole year of age that occurs, ascending; empty where no age is known."""
    table = manifest.table.filter(pl.col("age_years").is_not_null()).with_columns(pl.col("age_years").floor())
    parts = table.partition_by("age_years", as_dict=True)
    return {int(key[0]): count(rows) for key, rows in sorted(parts.items(), key=lambda part: float(str(part[0][0])))}


def cuts(manifest: Manifest) -> dict[int, list[Cut]]:
    """What each edge of the age classes would do when it were moved, by the edge; of the photos whose years are known.

    An edge is moved by up to two years, as far as the next edge and the years of the schema allow.
    """
    age, found = manifest.schema.age, dict[int, list[Cut]]()
    table = manifest.table.filter(pl.col("age_years").is_not_null())
    if age is None or age.edges is None or table.is_empty():
        return {}
    first, last = manifest.schema.years
    ends = [first, *(int(edge) for edge in age.edges), last + 1]
    years = pl.col("age_years")
    for below, edge, above in zip(ends, ends[1:], ends[2:], strict=False):
        for moved in (edge + by for by in AROUND_YEARS):
            if not below < moved < above:
                continue
            is_moved = (years >= min(edge, moved)) & (years < max(edge, moved))
            found.setdefault(edge, []).append(
                Cut(
                    edge=moved,
                    is_given=moved == edge,
                    moved=count(table.filter(is_moved)),
                    below=count(table.filter((years >= below) & (years < moved))),
                    above=count(table.filter((years >= moved) & (years < above))),
                )
            )
    return found


def parts_of(manifest: Manifest, column: str) -> dict[str, Manifest]:
    """The photos of each split, or fold, by its name, in order; empty where the column is."""
    values = manifest.table[column].drop_nulls().unique().sort().to_list()
    order = [v for v in ("train", "val", "test") if v in values] if column == "split" else values
    return {str(value): manifest.where(pl.col(column) == value) for value in order}


def divided_people(manifest: Manifest) -> dict[str, list[str]]:
    """The splits of each person who has photos in several."""
    known = manifest.table.filter((pl.col("person_id") != "") & pl.col("split").is_not_null())
    found = known.group_by("person_id").agg(pl.col("split").unique().sort()).sort("person_id")
    return {person: splits for person, splits in found.iter_rows() if len(splits) > 1}


def combination_name(schema: LabelSchema, combination: Combination) -> str:
    """The classes in words, labels that are not known left out: `worn, male`; "no label" where none is known."""
    names = [a.classes[i] for a, i in zip(schema.attributes, combination, strict=True) if i != MISSING]
    return readable("/".join(names)) if names else "no label"


def choose_sheets(manifest: Manifest, *, n_per_class: int, seed: int) -> dict[Combination, list[int]]:
    """Rows to show of each combination of labels that occurs: drawn by the seed, people before second photos of them.

    The same photos are chosen whatever the order of the manifest.
    """
    groups, ids = manifest.groups, manifest.photo_ids
    rows = defaultdict[Combination, list[int]](list)
    for row, combination in enumerate(combinations(manifest)):
        rows[combination].append(row)
    order = sorted(rows, key=lambda c: tuple(i if i != MISSING else np.inf for i in c))
    return {c: _drawn(sorted(rows[c], key=ids.__getitem__), groups, n=n_per_class, seed=seed) for c in order}


def choose_any(manifest: Manifest, *, n: int, seed: int) -> dict[Combination, list[int]]:
    """Rows to show of all photos, drawn likewise."""
    rows = sorted(range(len(manifest)), key=manifest.photo_ids.__getitem__)
    return {(): _drawn(rows, manifest.groups, n=n, seed=seed)}


def _drawn(rows: Sequence[int], groups: Sequence[str], *, n: int, seed: int) -> list[int]:
    shuffled = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]
    seen = defaultdict[str, int](int)
    turns = []
    for place, row in enumerate(shuffled):
        turns.append((seen[groups[row]], place, row))
        seen[groups[row]] += 1
    return [row for _, _, row in sorted(turns)[:n]]


class Gathering:
    """Sums of photos by combination of labels, and thumbnails of chosen ones, while photos are looked at."""

    def __init__(self, manifest: Manifest, sheets: dict[Combination, list[int]]) -> None:
        self.sheets = sheets
        self.thumbnails: dict[int, str] = {}
        self._schema, self._combinations = manifest.schema, combinations(manifest)
        self._crops = manifest.crops
        self._has_faces = any(crop is not None for crop in self._crops)
        self._geometry = Geometry(MEAN_PX, MEAN_PX, crop="face" if self._has_faces else "middle_square")
        self._shown = {row for rows in sheets.values() for row in rows}
        self._sums: dict[Combination, tuple[IntArray, int]] = {}
        self._lock = Lock()

    def add(self, row: int, image: ImageArray) -> None:
        """Takes in one photo (H, W, 3) uint8; from any thread. Sums are of whole numbers, so order changes nothing."""
        if row in self._shown:
            self.thumbnails[row] = thumbnail_uri(image)
        crop = self._crops[row]
        if self._has_faces and crop is None:
            return  # its middle is no face, and would blur those of the others
        fitted, combination = fit(image, self._geometry, crop=crop), self._combinations[row]
        with self._lock:
            total, n = self._sums.get(combination) or (np.zeros(fitted.shape, dtype=np.int64), 0)
            total += fitted
            self._sums[combination] = (total, n + 1)

    def pictures(self) -> Pictures:
        """What was gathered."""
        by_attribute = {
            (attribute.name, i): _mean([s for c, s in self._sums.items() if c[place] == i])
            for place, attribute in enumerate(self._schema.attributes)
            for i in range(len(attribute.classes))
        }
        everything = _mean(list(self._sums.values()))
        return Pictures(
            means={key: mean for key, mean in by_attribute.items() if mean is not None},
            joint_means=dict(self._joint_means()),
            mean=everything[0] if everything else "",
            sheets=self.sheets,
            thumbnails=self.thumbnails,
        )

    def _joint_means(self) -> Iterator[tuple[Combination, tuple[str, int]]]:
        for combination in self.sheets:
            if combination in self._sums and (mean := _mean([self._sums[combination]])):
                yield combination, mean


def _mean(sums: Sequence[tuple[IntArray, int]]) -> tuple[str, int] | None:
    """The mean face of photos as a data URI, and of how many; None of none."""
    n = sum(one for _, one in sums)
    if not n:
        return None
    return as_data_uri((np.sum([total for total, _ in sums], axis=0) / n).round().astype(np.uint8)), n


def kept(manifest: Manifest) -> tuple[Manifest, tuple[str, ...]]:
    """The photos that were not dropped, without the attributes of which none has a label; and what to know of it.

    The schema stays as it is where nothing is labelled.
    """
    rows = manifest.where(pl.col("dropped_because").is_null())
    schema = rows.schema
    names = [name for name in schema.names if rows.table[name].null_count() < len(rows)]
    notes = []
    if n := len(manifest) - len(rows):
        notes.append(f"left out, because somebody dropped them: {count_text(n, 'photo')}")
    if n := rows.table.filter(IS_PSEUDO).height:
        notes.append(f"with labels that a model gave, not a person: {count_text(n, 'photo')}")
    lacking = [name for name in schema.names if name not in names]
    if names and lacking:
        notes.append(f"no photo has a label of {', '.join(lacking)}")
    return (replace(rows, schema=schema.part(names)) if names else rows), tuple(notes)
