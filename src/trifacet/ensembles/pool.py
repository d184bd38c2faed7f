"""Several predictions of the same photos to one: aligned by id, cut alike, voted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from trifacet.committee import mean_years, recut, require_cut, voted
from trifacet.core.ensemble import Voting
from trifacet.core.errors import error, first_few, nearest
from trifacet.core.manifest import merged_stamps
from trifacet.core.predictions import Float32Array, Predictions
from trifacet.core.schema import FloatArray, LabelSchema

N_SEARCHED = 2_000  # ids among which one like another is looked for: it is an example in a message


@dataclass(frozen=True, eq=False)
class Pool:
    """What M members say of the same N photos, in the order of the first and under its labels.

    joints: M times (N, K), NaN where that member could not read the photo. years: M times (N, A) or None.
    """

    names: tuple[str, ...]
    ids: Sequence[str]
    joints: tuple[Float32Array, ...]
    years: tuple[Float32Array | None, ...]
    errors: Sequence[str | None]
    schema: LabelSchema
    stamps: tuple[str, ...]


def pooled(tables: Mapping[str, Predictions]) -> Pool:
    """Predictions by name, laid side by side. A photo that one of them could not read is unread in all.

    Raises:
        PredictionsError: TRI301 other labels, TRI340 other photos.
    """
    photos = aligned(tables)
    schema = photos[0].schema
    for name, table in zip(tables, photos, strict=True):
        require_cut(schema, table.schema, where=name, has_years=table.age_probs is not None)
    return Pool(
        names=tuple(tables),
        ids=photos[0].ids,
        joints=tuple(recut(t.probs, t.age_probs, own=t.schema, schema=schema) for t in photos),
        years=tuple(t.age_probs for t in photos),
        errors=first_errors(photos),
        schema=schema,
        stamps=merged_stamps(*(t.stamps for t in photos)),
    )


def aligned(tables: Mapping[str, Predictions]) -> list[Predictions]:
    """Predictions by name, each with its photos in the order of the first. Raises PredictionsError TRI340."""
    names, (first, *others) = list(tables), tables.values()
    order, found = {one: i for i, one in enumerate(first.ids)}, [first]
    for name, table in zip(names[1:], others, strict=True):
        _require_same_photos(first, table, names=(names[0], name))
        found.append(table.rows(np.argsort([order[one] for one in table.ids])))
    return found


def first_errors(tables: Sequence[Predictions]) -> list[str | None]:
    """Why each photo could not be read, by the first of the predictions that could not."""
    return [next(filter(None, said), None) for said in zip(*(t.errors for t in tables), strict=True)]


def answered(pool: Pool, weights: FloatArray, *, voting: Voting = "soft") -> Predictions:
    """The members' answer. weights: (M,), or (N, M) of each photo's own; they add up to 1."""
    probs = voted(pool.joints, weights=weights, schema=pool.schema, voting=voting)
    years = mean_years(pool.years, weights)
    unread = [e is not None for e in pool.errors]
    probs[unread] = np.nan
    if years is not None:
        years[unread] = np.nan
    return Predictions(pool.ids, probs, years, pool.errors, pool.schema, stamps=pool.stamps)


def _require_same_photos(first: Predictions, other: Predictions, *, names: tuple[str, str]) -> None:
    """Refuses predictions of other photos. Raises PredictionsError TRI340."""
    ours, theirs = set(first.ids), set(other.ids)
    if ours == theirs:
        return
    sides = {name: sorted(a - b) for name, a, b in zip(names, (ours, theirs), (theirs, ours), strict=True)}
    got = "; ".join(f"only in {name}: {first_few(few, 3)}" for name, few in sides.items() if few)
    strange, known = (sides[names[1]], sides[names[0]]) if sides[names[1]] else (sides[names[0]], sorted(theirs))
    near = nearest(strange[0], (known or sorted(ours))[:N_SEARCHED])
    is_like = near and (near.endswith(strange[0]) or strange[0].endswith(near))  # under another folder
    hint = f" ('{strange[0]}' is nearest to '{near}')" if is_like else ""
    raise error("TRI340", "members speak of other photos", where=names[1], got=f"{got}{hint}")
