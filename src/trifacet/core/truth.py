"""Truth: what is known of photos that are scored, from a manifest or from a CSV of labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from trifacet.core.answers import ANSWER_COLUMN, ID_COLUMN, class_ids, locate, read_csv_texts, read_ids
from trifacet.core.errors import error, first_few
from trifacet.core.manifest import PERSONS_UNKNOWN, Manifest, read_manifest
from trifacet.core.schema import MISSING, Attribute, FloatArray, IntArray, LabelSchema, require_same_schema

PERSON_COLUMNS, YEARS_COLUMN = ("person_id", "person"), "age_years"
EXTRA = "x_"  # what columns begin with that no label is read from
UNFILLED = "a file to be filled in, not labels?"


@dataclass(frozen=True, eq=False)
class Truth:
    """Labels of N photos. ids is None where only the order of rows tells which photo is meant.

    classes: (N, attributes) int64, MISSING where not known. ages: (N,) years, NaN where not known.
    persons: N texts, "" where the person is unknown. splits: N names or None each.
    extras: what else the source tells of each photo, one `x_NAME` column each: what scores may be sliced by.
    """

    schema: LabelSchema
    ids: Sequence[str] | None
    classes: IntArray
    ages: FloatArray
    persons: Sequence[str]
    splits: Sequence[str | None]
    stamps: tuple[str, ...] = ()
    made_by: dict[str, str] = field(default_factory=dict)
    extras: pl.DataFrame = field(default_factory=pl.DataFrame)

    def __post_init__(self) -> None:
        n = len(self.classes)
        lengths = [len(self.ages), len(self.persons), len(self.splits), n if self.ids is None else len(self.ids)]
        lengths += [self.extras.height] if self.extras.width else []
        if set(lengths) != {n} or self.classes.shape != (n, len(self.schema.names)):
            raise ValueError(f"expected {n} rows of {len(self.schema.names)} classes, got {lengths}")

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def joint(self) -> IntArray:
        """Joint ids (N,) int64, MISSING where any label is not known."""
        return self.schema.encode(self.classes)

    @property
    def groups(self) -> IntArray:
        """A number (N,) per person; a photo whose person is unknown is its own person."""
        _, number = np.unique(np.array(self.persons, dtype=str), return_inverse=True)
        unknown = np.array([person == "" for person in self.persons], dtype=bool)
        return np.where(unknown, len(self) + np.arange(len(self)), number)

    @property
    def n_persons(self) -> int | None:
        """Number of people, or None when any photo's person is unknown."""
        return None if "" in self.persons else len(set(self.persons))

    def narrowed(self, schema: LabelSchema) -> Truth:
        """The truth of a schema's attributes alone, where all of them are this truth's own; else this truth."""
        own = self.schema.attributes
        if schema.years != self.schema.years or any(attribute not in own for attribute in schema.attributes):
            return self
        columns = [own.index(attribute) for attribute in schema.attributes]
        return replace(self, schema=schema, classes=self.classes[:, columns])

    def of(self, ids: Iterable[str]) -> Truth:
        """The rows of these photos alone, in their own order; ids without a row are left out."""
        wanted = set(ids)
        return self.rows(np.array([one in wanted for one in self.ids or ()], dtype=bool))

    def rows(self, which: IntArray | npt.NDArray[np.bool_]) -> Truth:
        """The chosen rows, by place or by mask."""
        places = np.arange(len(self))[which]
        if np.array_equal(places, np.arange(len(self))):  # nothing is copied where nothing changes
            return self
        return replace(
            self,
            ids=None if self.ids is None else [self.ids[i] for i in places],
            classes=self.classes[places],
            ages=self.ages[places],
            persons=[self.persons[i] for i in places],
            splits=[self.splits[i] for i in places],
            extras=self.extras[places] if self.extras.width else self.extras,
        )


def truth_of(manifest: Manifest) -> Truth:
    """The labels in a manifest, dropped photos left out."""
    kept = manifest.where(pl.col("dropped_because").is_null())
    return Truth(
        schema=kept.schema,
        ids=kept.photo_ids,
        classes=kept.classes,
        ages=kept.ages.astype(np.float64),
        persons=kept.table["person_id"].to_list(),
        splits=kept.table["split"].to_list(),
        stamps=kept.stamps,
        made_by=kept.inputs or {},
        extras=_extras(kept.table),
    )


def _extras(table: pl.DataFrame) -> pl.DataFrame:
    """A manifest's `x_NAME` columns, and its sources where there are several."""
    extras = pl.col(f"^{EXTRA}.*$")
    if f"{EXTRA}source" in table.columns or table["source"].n_unique() < 2:
        return table.select(extras)
    return table.select(extras, pl.col("source").alias(f"{EXTRA}source"))


def read_truth(path: Path, schema: LabelSchema | None = None) -> Truth:
    """The truth in a manifest (`.parquet`) or in a CSV with ImageID and any of ans and the attributes' names.

    In a CSV a label is a class name (any case) or a class id; an empty cell is not known. The age attribute's column
    holds years, or class names; `age_years` holds years and `age_class` ids or names whatever the numbers are.
    `person_id` (or `person`) is optional; other columns are kept as `extras`. A CSV without ImageID gives a truth
    without ids. `schema` is the one to score under: a manifest must have it or more attributes, a CSV is read with it.
    What looks like a mistake is a stamp: an `ans` that is the same everywhere, columns that were not used where an
    attribute has none.

    Raises:
        ManifestError: TRI202, not a manifest.
        PredictionsError: TRI301 another schema, TRI320 to TRI325 what is wrong with the CSV.
        ValueError: a CSV without a schema to read it with.
    """
    if path.suffix.lower() == ".parquet":
        truth = truth_of(read_manifest(path))
        if schema is not None:
            truth = truth.narrowed(schema)
            require_same_schema(schema, truth.schema, where=str(path))
        return truth
    if schema is None:
        raise ValueError("a CSV of labels is read with a schema, got None")
    table, where = read_csv_texts(path), str(path)
    ids = read_ids(table, where=where) if ID_COLUMN in table.columns else None
    persons = _persons(table)
    classes, ages = _labels(_Sheet(table, ids or [f"line {i + 2}" for i in range(table.height)], where), schema)
    return Truth(
        schema=schema,
        ids=ids,
        classes=classes,
        ages=ages,
        persons=persons,
        splits=[None] * table.height,
        stamps=((PERSONS_UNKNOWN,) if "" in persons else ()) + _doubts(table, schema),
        extras=table.select(**{EXTRA + c.removeprefix(EXTRA): c for c in _unused(table, schema)}),
    )


def joined(
    truth: Truth, ids: Sequence[str], *, where: str, by_row: bool = False, subset: bool = False
) -> tuple[Truth, IntArray]:
    """The truth of the photos `ids`, and where each of its rows stands among them, (N,) int64.

    Splits of a manifest that none of the ids belongs to are left out; within a split every photo must be there.
    by_row lets rows stand for photos where the truth has no ids. subset leaves out ids that the truth does not name.

    Raises:
        PredictionsError: TRI302 ids on one side only, TRI326 no ids, or rows that are not equally many.
    """
    if truth.ids is None:
        if not by_row:
            raise error("TRI326", "the truth has no ImageID column", where=where)
        if len(truth) != len(ids):
            got = f"{len(ids):,} predictions and {len(truth):,} rows of truth"
            raise error("TRI326", "joining by row needs equally many rows", where=where, got=got)
        return truth, np.arange(len(truth))
    places = locate(truth.ids, ids)
    touched = {split for split, place in zip(truth.splits, places, strict=True) if place != MISSING}
    if touched:
        within = np.array([split in touched for split in truth.splits], dtype=bool)
        truth, places = truth.rows(within), places[within]
    unpredicted = [one for one, place in zip(truth.ids or (), places, strict=True) if place == MISSING]
    unknown = [ids[i] for i in np.setdiff1d(np.arange(len(ids)), places).tolist()]
    if unpredicted or (unknown and not subset):
        sides = {"only in the truth": unpredicted, "only in the predictions": unknown}
        got = "; ".join(f"{side}: {first_few(few)}" for side, few in sides.items() if few)
        raise error("TRI302", "predictions and truth name different photos", where=where, got=got)
    return truth, places


def _persons(table: pl.DataFrame) -> list[str]:
    column = next((name for name in PERSON_COLUMNS if name in table.columns), None)
    return table[column].fill_null("").to_list() if column else [""] * table.height


def _doubts(table: pl.DataFrame, schema: LabelSchema) -> tuple[str, ...]:
    """What makes it doubtful that the labels are what they seem, in words."""
    doubts = []
    if ANSWER_COLUMN in table.columns and table.height > 1 and table[ANSWER_COLUMN].n_unique() == 1:
        value = table[ANSWER_COLUMN][0]
        doubts.append(f"the truth's ans is {value} in all {table.height:,} rows: {UNFILLED}")
    silent = [a.name for a in schema.attributes if not {*_columns(a)} & {*table.columns}]
    unused = _unused(table, schema)
    if silent and unused and ANSWER_COLUMN not in table.columns:
        doubts.append(f"the truth says nothing of {', '.join(silent)}; columns not used: {first_few(unused)}")
    return tuple(doubts)


def _unused(table: pl.DataFrame, schema: LabelSchema) -> list[str]:
    """The columns that tell neither who a photo is nor any label."""
    told = {column for attribute in schema.attributes for column in _columns(attribute)}
    return [c for c in table.columns if c not in {ID_COLUMN, ANSWER_COLUMN, *PERSON_COLUMNS, *told}]


@dataclass(frozen=True, eq=False)
class _Sheet:
    """A CSV of labels: its N rows of texts, what to call each row, and where it lies."""

    table: pl.DataFrame
    names: Sequence[str]
    where: str


def _labels(sheet: _Sheet, schema: LabelSchema) -> tuple[IntArray, FloatArray]:
    """Class ids (N, attributes) and ages (N,) from every column that tells of them; they must agree."""
    table, claims = sheet.table, list[tuple[str, int, IntArray]]()
    ages = np.full(table.height, np.nan)
    if ANSWER_COLUMN in table.columns:
        joint, wrong = class_ids(table[ANSWER_COLUMN], schema.n_joint)
        if wrong:
            what = f"{ANSWER_COLUMN} must be a whole number in 0..{schema.n_joint - 1}"
            raise error("TRI323", what, where=sheet.where, got=first_few([f"'{w}'" for w in wrong]))
        claims += [(ANSWER_COLUMN, i, ids) for i, ids in enumerate(schema.decode(joint).T)]
    for i, attribute in enumerate(schema.attributes):
        for column in (name for name in _columns(attribute) if name in table.columns):
            if attribute.edges is not None and _holds_years(sheet, column, attribute=attribute):
                ages = _years(sheet, column, schema=schema)
                claims.append((column, i, attribute.band(ages)))
            else:
                claims.append((column, i, _classes(sheet, column, attribute=attribute)))
    if not claims:
        wanted = [ANSWER_COLUMN, *(column for a in schema.attributes for column in _columns(a))]
        what = f"no column of labels: none of {', '.join(wanted)}"
        raise error("TRI321", what, where=sheet.where, got=first_few(table.columns, 10))
    return _merged(sheet, claims, n_attributes=len(schema.names)), ages


def _columns(attribute: Attribute) -> tuple[str, ...]:
    own = attribute.name
    return (own,) if attribute.edges is None else (own, f"{own}_class", YEARS_COLUMN)


def _holds_years(sheet: _Sheet, column: str, *, attribute: Attribute) -> bool:
    """Whether the age attribute's column holds years, not class names."""
    if column != attribute.name or column == YEARS_COLUMN:
        return column == YEARS_COLUMN
    known = {name.casefold() for name in attribute.classes}
    values = sheet.table[column].drop_nulls()
    if any(text.casefold() in known for text in values):
        return False
    if len(values) and class_ids(values, len(attribute.classes))[1] == []:
        what = f"{column} could hold years or class ids"
        raise error("TRI325", what, where=sheet.where, got=first_few(values.unique().sort().to_list()))
    return True


def _years(sheet: _Sheet, column: str, *, schema: LabelSchema) -> FloatArray:
    texts = sheet.table[column]
    years = texts.cast(pl.Float64(), strict=False)
    first, last = schema.years
    wrong = texts.is_not_null() & ~(years.is_between(first, last + 1, closed="left")).fill_null(value=False)
    if wrong.any():
        got = first_few([f"'{text}' for {name}" for text, name, w in zip(texts, sheet.names, wrong, strict=True) if w])
        raise error("TRI324", f"{column} must be an age within {first}..{last} years", where=sheet.where, got=got)
    return years.fill_null(float("nan")).to_numpy()


def _classes(sheet: _Sheet, column: str, *, attribute: Attribute) -> IntArray:
    texts = sheet.table[column]
    ids, wrong = class_ids(texts, len(attribute.classes))
    if not wrong:
        return ids
    known = {name.casefold(): i for i, name in enumerate(attribute.classes)}
    foreign = [text for text in texts.drop_nulls().unique(maintain_order=True) if text.casefold() not in known]
    if foreign:
        what = f"{column} must be one of {', '.join(attribute.classes)} or a class id 0..{len(attribute.classes) - 1}"
        raise error("TRI324", what, where=sheet.where, got=first_few([f"'{text}'" for text in foreign]))
    return np.array([MISSING if text is None else known[text.casefold()] for text in texts], dtype=np.int64)


def _merged(sheet: _Sheet, claims: Sequence[tuple[str, int, IntArray]], *, n_attributes: int) -> IntArray:
    classes, said_by = np.full((sheet.table.height, n_attributes), MISSING, dtype=np.int64), dict[int, str]()
    for column, i, ids in claims:
        differs = (ids != MISSING) & (classes[:, i] != MISSING) & (ids != classes[:, i])
        if differs.any():
            got = first_few([name for name, d in zip(sheet.names, differs, strict=True) if d])
            raise error("TRI324", f"{column} contradicts {said_by[i]}", where=sheet.where, got=got)
        classes[:, i] = np.where(ids == MISSING, classes[:, i], ids)
        said_by[i] = column
    return classes
