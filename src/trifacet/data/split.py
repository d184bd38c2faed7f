"""Manifest -> manifest with train, val and test, or folds: people are never divided, on any machine alike."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from trifacet.core.errors import error, first_few
from trifacet.core.manifest import (
    IS_PSEUDO,
    LEAK,
    PERSONS_UNKNOWN,
    SPLITS,
    Manifest,
    check_manifest,
    merged_stamps,
)
from trifacet.core.schema import MISSING

AGE_BIN_YEARS = 5
MAY_HAVE_SEEN = "labels by a model that may know the people of a fold: the score out of folds may flatter"
HELD_BACK = "its person is in val or test"


@dataclass(frozen=True)
class _Group:
    """Photos that stay together: a person's, or one photo where the person is unknown (or leaks are allowed)."""

    key: str
    stratum: tuple[object, ...]
    n_photos: int


def split(
    manifest: Manifest,
    *,
    val: float = 0.2,
    test: float = 0.0,
    folds: int | None = None,
    seed: int = 0,
    allow_leak: bool = False,
) -> Manifest:
    """The same photos with `split` train, val or test by these shares of the photos; an older split is replaced.

    With `folds`, the column `fold` gives 0..folds-1 to every photo outside test, train and val alike (for
    cross-validation, where fold i is the validation set of run i); `split` stays what it is without folds.

    No person is divided; a photo of an unknown person is a person of its own. Strata are the classes a person has
    (gender; mask where photos stand alone) and the age in bins of 5 years. People of one stratum are ordered by
    sha256("seed:person"), strata follow each other by class and age, and each person in turn (from a start that the
    seed gives) goes where most is still lacking: every stratum, and every run of neighbouring strata, meets the shares
    to within about one person. Nothing depends on row order, hash seeds, a random generator or the machine.
    `allow_leak` deals single photos instead, and stamps the manifest where that divided somebody; where no person is
    known it changes nothing. Photos of unknown persons are stamped as such: whether somebody was divided is not known.
    Photos that a model labelled stay in train, and in no fold.

    Raises:
        ManifestError: TRI250 shares that do not fit, TRI251 too few people.
    """
    _check_shares(val, test, folds=folds)
    told = manifest.where(IS_PSEUDO)
    if len(told):
        true = manifest.where(~IS_PSEUDO)
        return _with_pseudo(split(true, val=val, test=test, folds=folds, seed=seed, allow_leak=allow_leak), told)
    keys = _keys(manifest, allow_leak=allow_leak)
    groups = _groups(manifest, keys)
    shares = {"train": 1 - val - test, "val": val, "test": test}
    wanted = [name for name in SPLITS if shares[name] > 0]
    part = _deal(groups, [shares[name] for name in wanted], seed=f"{seed}")
    assigned = {key: wanted[i] for key, i in part.items()}
    _refuse_empty(wanted, assigned.values(), got=_count(keys), what="split")
    fold_of: dict[str, int] = {}
    if folds is not None:
        rest = [g for g in groups if assigned[g.key] != "test"]
        fold_of = _deal(rest, [1 / folds] * folds, seed=f"{seed}:fold")
        _refuse_empty(range(folds), fold_of.values(), got=_count([g.key for g in rest]), what="fold")
    table = manifest.table.with_columns(
        pl.Series("split", [assigned[k] for k in keys], dtype=pl.String),
        pl.Series("fold", [fold_of.get(k) for k in keys], dtype=pl.Int32),
    )
    stamps = merged_stamps(
        [s for s in manifest.stamps if s != LEAK],
        [LEAK] if _is_anybody_divided(table) else [],
        [PERSONS_UNKNOWN] if manifest.n_persons is None else [],
    )
    made = replace(manifest, table=table, stamps=stamps, stage="split")
    check_manifest(made, where="split")
    return made


def _with_pseudo(made: Manifest, told: Manifest) -> Manifest:
    """A split with photos that a model labelled: in train, or dropped where their person is held back."""
    held_back = made.split("val", "test").table["person_id"].unique().to_list()
    is_held = (pl.col("person_id") != "") & pl.col("person_id").is_in(held_back)
    why = pl.col("dropped_because")
    freed = pl.when(why == HELD_BACK).then(None).otherwise(why)
    table = told.table.with_columns(
        pl.when(is_held).then(None).otherwise(pl.lit("train")).alias("split"),
        pl.lit(None, dtype=pl.Int32).alias("fold"),
        pl.when(is_held).then(pl.lit(HELD_BACK)).otherwise(freed).alias("dropped_because"),
    )
    return replace(made, table=pl.concat([made.table, table]), stamps=merged_stamps(made.stamps, told.stamps))


def in_folds(manifest: Manifest, n_folds: int, *, keep_val: bool = False) -> Manifest:
    """The kept photos with a fold for each that is not test: the manifest's own folds, or `n_folds` that are made here.

    Train and val are one: of the folds each is val once. keep_val: val is left out altogether instead. What a model
    labelled is in no fold.

    Raises:
        ManifestError: TRI250 other folds than asked for, or more than a class has people; TRI251 too few people.
    """
    kept = manifest.where(pl.col("dropped_because").is_null())
    if keep_val:
        kept = kept.where((pl.col("split") != "val").fill_null(value=True))
    is_exam = (pl.col("split") == "test").fill_null(value=False)
    rest, others = kept.where(~is_exam & ~IS_PSEUDO), kept.where(is_exam | IS_PSEUDO)
    there = rest.table["fold"].drop_nulls().n_unique()
    if there and (there != n_folds or rest.table["fold"].null_count()):
        do = f"Ask for {there}, or divide the photos anew: `trifacet split --folds {n_folds}`."
        raise error("TRI250", f"the manifest has {there} folds, not {n_folds}", where="--folds", do=do)
    groups = np.array(rest.groups, dtype=object)
    by_class = {
        f"'{name}' of {attribute.name}": set(groups[column == number].tolist())
        for attribute, column in zip(rest.schema.attributes, rest.classes.T, strict=True)
        for number, name in enumerate(attribute.classes)
    }
    least = min(filter(None, by_class.values()), key=len, default=set())
    if 0 < len(least) < n_folds:
        what = f"{n_folds} folds, but {next(n for n, has in by_class.items() if has is least)} has {_count(least)}"
        fewer = f"Take {len(least)} folds or fewer" if len(least) > 1 else "Add people of that class"
        do = f"{fewer}, or drop its photos by rulings (`trifacet apply`)."
        raise error("TRI250", what, where="--folds", do=do)
    if not there:
        rest = split(rest, val=0, folds=n_folds)
    told = [MAY_HAVE_SEEN] * bool(len(others.where(IS_PSEUDO)))
    table, stamps = pl.concat([rest.table, others.table]), merged_stamps(rest.stamps, told)
    return replace(rest, table=table, stamps=stamps, stage="split")


def one_fold(manifest: Manifest, fold: int) -> Manifest:
    """The manifest of a run of its own: this fold is val, the others train, and test stays what it is.

    What a model labelled trains, but for people of this fold.
    """
    own = manifest.table.filter(pl.col("fold") == fold)["person_id"].unique().to_list()
    manifest = manifest.where(~(IS_PSEUDO & (pl.col("person_id") != "") & pl.col("person_id").is_in(own)))
    part = pl.when(pl.col("fold") == fold).then(pl.lit("val")).otherwise(pl.lit("train"))
    splits = pl.when(pl.col("fold").is_null()).then(pl.col("split")).otherwise(part)
    return replace(manifest, table=manifest.table.with_columns(splits.alias("split")))


def _is_anybody_divided(table: pl.DataFrame) -> bool:
    """Whether a known person stands in several splits or folds."""
    known = table.filter(pl.col("person_id") != "").group_by("person_id")
    parts = known.agg(pl.max_horizontal(pl.col("split").n_unique(), pl.col("fold").n_unique()).alias("n"))
    return bool((parts["n"] > 1).any())


def thin_classes(manifest: Manifest) -> tuple[str, ...]:
    """Sentences about classes that a split or a fold lacks although the manifest has them; none when all is well."""
    if not (manifest.classes != MISSING).any():
        return ("no photo has a label: this split can neither train nor score anything",)
    told = []
    for attribute in manifest.schema.attributes:
        for column in ("split", "fold"):
            parts = manifest.table[column].drop_nulls().unique().sort().to_list()
            for name in attribute.classes:
                of_class = manifest.table.filter(pl.col(attribute.name) == name)
                there = set(of_class[column].drop_nulls())
                if there and (lacking := [str(p) for p in parts if p not in there]):
                    n = _count(replace(manifest, table=of_class).groups)
                    told.append(f"{attribute.name} {name} ({n}) is not in {column} {', '.join(lacking)}")
    return tuple(told)


def _check_shares(val: float, test: float, *, folds: int | None) -> None:
    for name, share in (("val", val), ("test", test)):
        if not (math.isfinite(share) and 0 <= share < 1):
            raise error("TRI250", f"{name} must be a share of at least 0 and under 1", got=share)
    if val + test >= 1:
        raise error("TRI250", "val and test leave no photo for training", got=f"{val:g} + {test:g}")
    if folds is not None and folds < 2:
        raise error("TRI250", "folds must be at least 2", got=folds)


def _keys(manifest: Manifest, *, allow_leak: bool) -> list[str]:
    return [f"photo:{i}" for i in manifest.photo_ids] if allow_leak else manifest.groups


def _count(keys: Iterable[str]) -> str:
    """How many people and how many photos without a person these groups are, in words: `3 people`, `1 photo`."""
    kinds = Counter(key.partition(":")[0] for key in set(keys))
    named = (("person", "people"), ("photo", "photos"))
    told = [f"{kinds[one]:,} {one if kinds[one] == 1 else many}" for one, many in named if kinds[one]]
    return " and ".join(told) or "0 people"


def _groups(manifest: Manifest, keys: Sequence[str]) -> list[_Group]:
    rows: dict[str, list[int]] = defaultdict(list)
    for i, key in enumerate(keys):
        rows[key].append(i)
    if not rows:
        raise error("TRI205", "the manifest has no photo to split")
    classes, ages = manifest.classes, manifest.ages.astype(np.float64)
    age_column = next((c for c, a in enumerate(manifest.schema.attributes) if a.edges is not None), None)
    others = [c for c in range(classes.shape[1]) if c != age_column]
    return [
        _Group(
            key,
            (
                *(tuple(sorted(set(classes[at, c].tolist()))) for c in others),
                _fine_age(np.sort(ages[at]), [] if age_column is None else sorted(classes[at, age_column].tolist())),
            ),
            len(at),
        )
        for key, at in rows.items()
    ]


def _fine_age(years: np.ndarray, bands: Sequence[int]) -> tuple[int, int]:
    """What people are ordered by: their class of age and, within it, the 5-year bin of their youngest photo."""
    known = years[~np.isnan(years)]
    return (bands[0] if bands else MISSING, int(known[0] // AGE_BIN_YEARS) if len(known) else MISSING)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _deal(groups: Sequence[_Group], shares: Sequence[float], *, seed: str) -> dict[str, int]:
    """Which of the parts each group goes to: in order, always to the part that lacks most of its share of photos."""
    order = sorted(groups, key=lambda g: (g.stratum, _digest(f"{seed}:{g.key}"), g.key))
    # A start drawn from the seed, so that people who are alone in their stratum change sides between seeds too.
    start = int(_digest(f"{seed}:start")[:16], 16) % max(len(order), 1)
    given = [0] * len(shares)
    dealt, part_of = 0, {}
    for group in order[start:] + order[:start]:
        dealt += group.n_photos
        lacks = [share * dealt - had for share, had in zip(shares, given, strict=True)]
        part = lacks.index(max(lacks))
        given[part] += group.n_photos
        part_of[group.key] = part
    return part_of


def _refuse_empty(parts: Iterable[object], filled: Iterable[object], *, got: str, what: str) -> None:
    there = set(filled)
    if empty := [str(p) for p in parts if p not in there]:
        raise error("TRI251", f"{what} {first_few(empty)} would be empty", got=got)
