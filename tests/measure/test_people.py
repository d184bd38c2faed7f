from __future__ import annotations

import numpy as np
import pytest

from trifacet.core.predictions import Predictions
from trifacet.core.schema import DEFAULT_SCHEMA, Attribute, LabelSchema
from trifacet.measure import people
from trifacet.measure.people import as_people, group_people


def crowd(n_people: int, n_photos: int, *, spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features around a direction a person, in a shuffled order, and who is who."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n_people, 32))
    who = rng.permutation(np.repeat(np.arange(n_people), n_photos))
    features = centres[who] + spread * rng.normal(size=(len(who), 32))
    return features.astype(np.float32), who


def is_same(groups: np.ndarray) -> np.ndarray:
    return groups[:, None] == groups[None]


@pytest.mark.parametrize("cells", [7 * 60, 1 << 24], ids=["in blocks", "at once"])
def test_photos_near_each_other_are_one_person(monkeypatch: pytest.MonkeyPatch, cells: int) -> None:
    monkeypatch.setattr(people, "CELLS", cells)
    features, who = crowd(12, 5, spread=0.2)
    assert np.array_equal(is_same(group_people(features, n_photos=5)), is_same(who))
    offset = features + 100  # what all photos share says nothing
    assert np.array_equal(is_same(group_people(offset, n_photos=5)), is_same(who))


def test_no_group_grows_beyond_what_a_person_has() -> None:
    features, _ = crowd(2, 9, spread=0.01)
    sizes = np.bincount(np.unique(group_people(features, n_photos=4), return_inverse=True)[1])
    assert sizes.max() == 4
    assert sizes.sum() == 18


def test_what_is_like_nobody_or_not_known_is_alone() -> None:
    features, who = crowd(6, 4, spread=0.1)
    features[0] = np.nan
    strange = features.copy()
    strange[1] = np.random.default_rng(9).normal(size=32) * 10
    groups = group_people(strange, n_photos=4)
    assert (groups == groups[0]).sum() == 1
    assert (groups == groups[1]).sum() == 1
    rest = slice(2, None)
    assert np.array_equal(is_same(groups[rest]), is_same(who[rest]))
    assert group_people(features, n_photos=1).tolist() == list(range(24))
    assert group_people(features[:1], n_photos=4).tolist() == [0]


def test_photos_that_are_nearest_and_yet_unlike_are_not_joined() -> None:
    angles = np.radians([0, 5, 120, 200])  # the last two are nearest of each other, and 80 degrees apart
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    features = features - features.mean(axis=0)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    alike = float((unit @ unit.T)[2, 3])
    assert group_people(features, n_photos=2, least=alike - 0.01).tolist() in ([0, 0, 1, 1], [0, 0, 2, 2])
    apart = group_people(features, n_photos=2, least=alike + 0.01)
    assert apart[2] != apart[3]
    assert apart[0] == apart[1]


def predictions(schema: LabelSchema, parts: dict[str, list[list[float]]], *, unread: int = -1) -> Predictions:
    probs = schema.joint({name: np.array(rows) for name, rows in parts.items()}).astype(np.float32)
    errors: list[str | None] = [None] * len(probs)
    if unread >= 0:
        probs[unread], errors[unread] = np.nan, "empty"
    return Predictions([f"p{i}" for i in range(len(probs))], probs, None, errors, schema)


def test_gender_and_age_are_shared_and_the_mask_is_not() -> None:
    schema = LabelSchema(attributes=tuple(a for a in DEFAULT_SCHEMA.attributes if a.name != "age"))
    given = {
        "mask": [[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.3, 0.3, 0.4]],
        "gender": [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]],
    }
    made = as_people(predictions(schema, given), np.array([0, 0, 2]))
    assert np.allclose(made.marginals["mask"], given["mask"], atol=1e-6)
    both = np.sqrt([0.9 * 0.4, 0.1 * 0.6])
    assert np.allclose(made.marginals["gender"][:2], both / both.sum(), atol=1e-6)
    assert np.allclose(made.marginals["gender"][2], [0.2, 0.8], atol=1e-6)
    assert made.stamps == ("transductive: 3 photos taken for 2 people, whose photos answer for each other",)


def test_what_ties_attributes_in_a_photo_stays() -> None:
    schema = LabelSchema(attributes=(DEFAULT_SCHEMA.attributes[1], Attribute(name="hat", classes=("yes", "no"))))
    tied = np.array([[0.5, 0.0, 0.1, 0.4], [0.25, 0.25, 0.25, 0.25]], dtype=np.float32)
    one = Predictions(["a", "b"], tied, None, [None, None], schema)
    made = as_people(one, np.array([0, 0]))
    assert made.probs[0, 1] == 0  # never a man without a hat in that photo
    assert np.allclose(made.probs.sum(axis=1), 1)
    alone = as_people(one, np.array([0, 1]))
    assert np.allclose(alone.probs, tied, atol=1e-6)


def test_a_photo_that_was_not_read_neither_answers_nor_counts() -> None:
    schema = LabelSchema(attributes=(DEFAULT_SCHEMA.attributes[1],))
    given = predictions(schema, {"gender": [[0.9, 0.1], [0.5, 0.5], [0.2, 0.8]]}, unread=1)
    made = as_people(given, np.array([0, 0, 2]))
    assert np.isnan(made.probs[1]).all()
    assert np.allclose(made.probs[[0, 2]], given.probs[[0, 2]], atol=1e-6)
    assert made.stamps[0].startswith("transductive: 2 photos taken for 2 people")


def test_a_persons_age_class_is_that_of_the_years_they_share() -> None:
    schema, rng = DEFAULT_SCHEMA, np.random.default_rng(0)
    years = rng.dirichlet(np.full(len(schema.year_grid), 0.3), size=6).astype(np.float32)
    flat = {"mask": np.full((6, 3), 1 / 3), "gender": np.full((6, 2), 0.5), "age": schema.band_probs(years)}
    said = Predictions([f"p{i}" for i in range(6)], schema.joint(flat).astype(np.float32), years, [None] * 6, schema)
    made = as_people(said, np.array([0, 0, 0, 1, 1, 2]))
    assert made.age_probs is not None
    np.testing.assert_allclose(schema.marginal(made.probs, "age"), schema.band_probs(made.age_probs), atol=1e-6)
    np.testing.assert_allclose(made.probs[5], said.probs[5], atol=1e-6)
