from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from trifacet.core.errors import ConfigError, PredictionsError
from trifacet.core.manifest import KIND, Manifest, empty_columns
from trifacet.core.predictions import DecisionRule, Predictions
from trifacet.core.schema import DEFAULT_SCHEMA
from trifacet.data.pseudo import pseudo_label
from trifacet.data.split import HELD_BACK, MAY_HAVE_SEEN, in_folds, one_fold, split

AGES = (20, 40, 70)


def manifest(n: int, *, root: str, people: bool = True, splits: bool = True) -> Manifest:
    """`n` photos, one a person; the labels go round, and every fifth is val, every fifth test."""
    columns = empty_columns(n)
    names = [f"p{i}" for i in range(n)]
    columns |= {
        "photo_id": pl.Series("photo_id", names),
        "path": pl.Series("path", [f"{name}.jpg" for name in names]),
        "sha256": pl.Series("sha256", [f"{root}{name}" for name in names]),
        "source": pl.Series("source", ["photos"] * n),
        "person_id": pl.Series("person_id", [f"{root}{i}" if people else "" for i in range(n)]),
    }
    if splits:
        parts = [("train", "train", "val", "train", "test")[i % 5] for i in range(n)]
        columns["split"] = pl.Series("split", parts)
        columns["age_years"] = pl.Series("age_years", [AGES[i % 3] for i in range(n)], dtype=pl.Float32)
    for i, attribute in enumerate(DEFAULT_SCHEMA.attributes):
        known = [attribute.classes[(k // 3 if i < 2 else k) % len(attribute.classes)] for k in range(n)]
        columns[attribute.name] = pl.Series(attribute.name, known if splits else [None] * n, dtype=pl.String)
    return Manifest(pl.DataFrame(columns), DEFAULT_SCHEMA, {"photos": Path(f"/{root}")})


def told(probs: list[tuple[float, float, float]], classes: tuple[int, int, int] = (1, 0, 2)) -> Predictions:
    """Predictions in which each attribute's class has this probability, its others the same share of the rest."""
    rows = []
    for each in probs:
        marginals = {}
        for attribute, p, c in zip(DEFAULT_SCHEMA.attributes, each, classes, strict=True):
            n = len(attribute.classes)
            marginals[attribute.name] = np.full((1, n), (1 - p) / (n - 1))
            marginals[attribute.name][0, c] = p
        rows.append(DEFAULT_SCHEMA.joint(marginals)[0])
    n = len(rows)
    return Predictions(
        [f"p{i}" for i in range(n)], np.array(rows, np.float32), None, [None] * n, DEFAULT_SCHEMA, {"run": "r"}
    )


SURE = [(0.97, 0.96, 0.95), (0.97, 0.96, 0.85), (0.55, 0.99, 0.99), (0.97, 0.96, 0.95)]


def test_only_what_is_sure_of_every_attribute_is_taken_and_the_rest_has_a_reason() -> None:
    labelled, photos = manifest(20, root="a"), manifest(4, root="b", splits=False)
    made = pseudo_label(labelled, photos, predictions=told(SURE), weight=0.5)
    assert made.taken == {DEFAULT_SCHEMA.joint_names[1 * 6 + 0 * 3 + 2]: 2}
    assert dict(made.left) == {"unsure of age": 1, "unsure of mask": 1}
    assert sum(made.taken.values()) + sum(made.left.values()) == len(photos)
    assert made.manifest.table[:20].equals(labelled.table.select(made.manifest.table.columns))
    new = made.manifest.table[20:]
    assert new["photo_id"].to_list() == ["new/p0", "new/p3"]
    assert new.select("split", "fold", "label_weight", "age_years").row(0) == ("train", None, 0.5, None)
    assert [new[a.name][0] for a in DEFAULT_SCHEMA.attributes] == [
        a.classes[c] for a, c in zip(DEFAULT_SCHEMA.attributes, (1, 0, 2), strict=True)
    ]
    assert new["label_source"][0] == f"pseudo: r {0.97 * 0.96 * 0.95:.3f}"
    assert made.manifest.paths[20] == Path("/b/p0.jpg")
    assert "2 training photos have labels by r" in made.manifest.stamps
    assert {*KIND.columns} <= {*made.manifest.table.columns}


def test_thresholds_are_one_an_attribute_or_one_a_class() -> None:
    labelled, photos = manifest(20, root="a"), manifest(4, root="b", splits=False)
    low = {"mask": (0.9, 0.5, 0.9), "age": (0.8,)}
    assert sum(pseudo_label(labelled, photos, predictions=told(SURE), least=low).taken.values()) == 4
    other = {"mask": (0.5, 0.9, 0.5), "age": (0.8,)}
    assert dict(pseudo_label(labelled, photos, predictions=told(SURE), least=other).left) == {"unsure of mask": 1}
    for least, where in (({"msak": (0.5,)}, "TRI100"), ({"mask": (0.5, 0.5)}, "TRI104"), ({"mask": (1.5,)}, "TRI104")):
        with pytest.raises(ConfigError, match=where):
            pseudo_label(labelled, photos, predictions=told(SURE), least=least)
    with pytest.raises(ConfigError, match="TRI104 --weight"):
        pseudo_label(labelled, photos, predictions=told(SURE), weight=0)
    with pytest.raises(PredictionsError, match="TRI302"):
        pseudo_label(labelled, manifest(5, root="b", splits=False), predictions=told(SURE))


def test_the_label_is_what_the_rule_answers_at_its_temperature() -> None:
    labelled, photos = manifest(20, root="a"), manifest(4, root="b", splits=False)
    rule = DecisionRule(label_schema=DEFAULT_SCHEMA, temperature={"age": 3.0})
    made = pseudo_label(labelled, photos, predictions=told(SURE).with_decision(rule))
    assert dict(made.left) == {"unsure of age": 3, "unsure of mask, age": 1}


def test_known_photos_and_people_held_back_are_never_taken() -> None:
    labelled, photos = manifest(20, root="a"), manifest(4, root="b", splits=False)
    table = photos.table.with_columns(
        pl.Series("sha256", ["ap0", "x", "y", "z"]), pl.Series("person_id", ["", "a2", "a0", ""])
    )
    sure = told([(0.99, 0.99, 0.99)] * 4)
    made = pseudo_label(labelled, replace(photos, table=table), predictions=sure)
    assert dict(made.left) == {"a photo of the labelled manifest": 1, "a person of val or test": 1}
    assert made.manifest.table["person_id"][20:].to_list() == ["a0", ""]
    assert any(stamp.startswith("persons unknown") for stamp in made.manifest.stamps)


def test_no_two_photos_or_sources_get_one_name() -> None:
    labelled, photos = manifest(20, root="a"), manifest(4, root="b", splits=False)
    table = photos.table.with_columns(
        pl.Series("photo_id", ["p0", "new/p0", "p2", "own"]),
        pl.Series("source", ["photos", "new/photos", "photos", "new/photos"]),
    )
    photos = replace(photos, table=table, roots={"photos": Path("/b"), "new/photos": Path("/c")})
    sure = replace(told([(0.99, 0.99, 0.99)] * 4), ids=photos.photo_ids)
    made = pseudo_label(labelled, photos, predictions=sure).manifest
    assert made.photo_ids[20:] == ["new/new/p0", "new/p0", "new/p2", "own"]
    assert [str(path.parent) for path in made.paths[20:]] == ["/b", "/c", "/b", "/c"]
    assert made.roots == {"photos": Path("/a"), "new/new/photos": Path("/b"), "new/photos": Path("/c")}


class Counting(Manifest):
    """A manifest that counts how often all its ids are asked for."""

    n_asked = 0

    @property
    def photo_ids(self) -> list[str]:
        Counting.n_asked += 1
        return super().photo_ids


def test_the_work_grows_with_the_photos_and_not_with_their_square() -> None:
    counts = []
    for n in (4, 40):
        labelled, photos = manifest(20, root="a"), manifest(n, root="b", splits=False)
        Counting.n_asked = 0
        counting = Counting(labelled.table, labelled.schema, labelled.roots)
        pseudo_label(counting, photos, predictions=told([(0.99, 0.99, 0.99)] * n))
        counts.append(Counting.n_asked)
    assert 0 < counts[0] == counts[1]


def test_they_stay_out_of_val_test_and_folds_whatever_is_split_anew() -> None:
    labelled, photos = manifest(60, root="a"), manifest(4, root="b", splits=False)
    photos = replace(photos, table=photos.table.with_columns(pl.Series("person_id", ["a0", "a1", "", "a3"])))
    made = pseudo_label(labelled, photos, predictions=told([(0.99, 0.99, 0.99)] * 4)).manifest
    for seed in range(6):
        new = split(made, val=0.3, test=0.2, seed=seed)
        held_back = set(new.split("val", "test").table["person_id"])
        for person, part, why in new.table[60:].select("person_id", "split", "dropped_because").iter_rows():
            assert (part, why) == ((None, HELD_BACK) if person in held_back else ("train", None))
        again = split(new, val=0.3, test=0.2, seed=7)  # what was dropped for its person comes back
        held_back = set(again.split("val", "test").table["person_id"])
        assert again.table[60:]["dropped_because"].null_count() == sum(
            p not in held_back for p in ("a0", "a1", "", "a3")
        )
    folded = in_folds(made, 3)
    assert MAY_HAVE_SEEN in folded.stamps
    assert folded.table.filter(pl.col("label_source").is_not_null())["fold"].null_count() == 4
    of = dict(folded.table.select("person_id", "fold").filter(pl.col("fold").is_not_null()).iter_rows())
    for fold in range(3):
        one = one_fold(folded, fold)
        assert one.split("val").table["label_source"].null_count() == len(one.split("val"))
        trained = one.split("train").table.filter(pl.col("label_source").is_not_null())["person_id"].to_list()
        assert trained == [p for p in ("a0", "a1", "", "a3") if of.get(p) != fold]
