"""Answers: the table `ImageID,ans` that is handed in and scored, and how its ids meet the ids of photos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from trifacet.core.errors import error, first_few
from trifacet.core.files import write_text
from trifacet.core.schema import MISSING, IntArray, LabelSchema

ID_COLUMN, ANSWER_COLUMN = "ImageID", "ans"


@dataclass(frozen=True, eq=False)
class Answers:
    """One joint class per photo and nothing else: ids are N distinct texts, classes (N,) int64 in 0..K-1."""

    ids: Sequence[str]
    classes: IntArray
    schema: LabelSchema

    def __len__(self) -> int:
        return len(self.ids)


def read_csv_texts(path: Path) -> pl.DataFrame:
    """A CSV's cells as stripped texts, empty ones null; a byte order mark and CRLF are taken as they come.

    Raises:
        PredictionsError: TRI320, missing, a folder, empty, without rows, or not a table.
    """
    if path.is_dir():
        raise error("TRI320", "a folder, not a table", where=str(path), do="Pass a CSV, or a .parquet of trifacet.")
    try:
        table = pl.read_csv(path, infer_schema=False, encoding="utf8")
    except FileNotFoundError:
        raise error("TRI320", "no such file", where=str(path), do="Check the path.") from None
    except (OSError, pl.exceptions.PolarsError) as problem:
        got = "an empty file" if isinstance(problem, pl.exceptions.NoDataError) else str(problem).splitlines()[0]
        raise error("TRI320", "not a CSV table", where=str(path), got=got) from None
    table = table.rename({name: name.strip().removeprefix("\ufeff") for name in table.columns})
    if not table.height:
        raise error("TRI320", "a header without rows", where=str(path), got=first_few(table.columns))
    stripped = pl.all().str.strip_chars()
    return table.select(pl.when(stripped == "").then(None).otherwise(stripped).name.keep())


def read_ids(table: pl.DataFrame, *, where: str, column: str = ID_COLUMN) -> list[str]:
    """The ids of a table, in row order. Raises PredictionsError TRI321 no such column, TRI322 empty or twice."""
    if column not in table.columns:
        raise error("TRI321", f"no column {column}", where=where, got=first_few(table.columns, 10))
    ids = table[column]
    if ids.null_count():
        lines = (ids.is_null().arg_true() + 2).to_list()
        raise error("TRI322", f"rows without {column}", where=where, got=f"line {first_few(lines)}")
    if ids.is_duplicated().any():
        twice = ids.filter(ids.is_duplicated()).unique(maintain_order=True).to_list()
        raise error("TRI322", f"{column} stands twice", where=where, got=first_few(twice))
    return ids.to_list()


def class_ids(texts: pl.Series, n_classes: int) -> tuple[IntArray, list[str]]:
    """Class ids (N,) int64 of texts such as "3", null giving MISSING, and the texts that are no id in 0..n-1."""
    ids = texts.cast(pl.Int64(), strict=False)
    wrong = texts.is_not_null() & ~(ids.is_between(0, n_classes - 1)).fill_null(value=False)
    found = texts.filter(wrong).unique(maintain_order=True).to_list()
    return np.where(wrong.to_numpy(), MISSING, ids.fill_null(MISSING).to_numpy()).astype(np.int64), found


def read_answers(path: Path, schema: LabelSchema) -> Answers:
    """The answers in a submission CSV. Raises PredictionsError TRI320, TRI321, TRI322, TRI323."""
    table = read_csv_texts(path)
    ids = read_ids(table, where=str(path))
    if ANSWER_COLUMN not in table.columns:
        raise error("TRI321", f"no column {ANSWER_COLUMN}", where=str(path), got=first_few(table.columns, 10))
    classes, wrong = class_ids(table[ANSWER_COLUMN], schema.n_joint)
    if wrong or (classes == MISSING).any():
        open_ids = [i for i, c in zip(ids, classes, strict=True) if c == MISSING]
        got = first_few([f"'{w}'" for w in wrong] or ["an empty cell"])
        what = f"{ANSWER_COLUMN} must be a whole number in 0..{schema.n_joint - 1} ({len(open_ids):,} rows are not)"
        raise error("TRI323", what, where=str(path), got=f"{got} for {first_few(open_ids)}")
    return Answers(ids, classes, schema)


def write_answers(path: Path, answers: Answers) -> None:
    """Writes `ImageID,ans`, LF line ends, no index, in the order of `answers`, whole or not at all.

    Raises:
        MachineError: TRI900, TRI901.
    """
    columns = {ID_COLUMN: list(answers.ids), ANSWER_COLUMN: answers.classes}
    write_text(path, pl.DataFrame(columns).write_csv(line_terminator="\n"))


def locate(wanted: Sequence[str], known: Sequence[str]) -> IntArray:
    """Where each wanted id stands in `known`, (N,) int64, MISSING where nowhere.

    An id without folders matches the one id with that file name (`a.jpg` and `images/a.jpg`), from either side;
    where two could be meant, neither is taken.
    """
    places = {one: i for i, one in enumerate(known)}
    found = np.array([places.get(one, MISSING) for one in wanted], dtype=np.int64)
    if (found != MISSING).all():  # names are looked at where ids do not do: a million of them take much memory
        return found
    names = [one.rsplit("/", 1)[-1] for one in known]
    n_known, n_wanted = Counter(names), Counter(one.rsplit("/", 1)[-1] for one in wanted)
    by_name = {name: i for i, name in enumerate(names) if n_known[name] == 1}
    for at in np.flatnonzero(found == MISSING).tolist():
        name = wanted[at].rsplit("/", 1)[-1]
        place = by_name.get(name, MISSING) if n_wanted[name] == 1 else MISSING
        if place != MISSING and name in (wanted[at], known[place]):
            found[at] = place
    return found
