from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.tiny import FOUR_BANDS, random_probs
from trifacet.core.errors import ConfigError, PredictionsError
from trifacet.core.schema import (
    DEFAULT_SCHEMA,
    MISSING,
    Attribute,
    LabelSchema,
    age_attribute,
    parse_schema,
    read_schema,
    require_same_schema,
    with_age_edges,
)

MOVED = {"edges": (29.0, 60.0)}
SHAPE = "Give each attribute at least two distinct classes, and one more class than it has edges."


@st.composite
def schemas(draw: st.DrawFn) -> LabelSchema:
    sizes = draw(st.lists(st.integers(2, 5), min_size=1, max_size=4))
    made = [Attribute(name=f"a{i}", classes=tuple(f"c{c}" for c in range(n))) for i, n in enumerate(sizes)]
    edges = draw(st.lists(st.integers(1, 100), max_size=5, unique=True))
    if edges:
        made.insert(draw(st.integers(0, len(made))), age_attribute(sorted(edges)))
    return LabelSchema(attributes=tuple(made))


@settings(deadline=None, max_examples=60)
@given(schemas(), st.data())
def test_any_schema_encodes_what_it_decodes_and_back(schema: LabelSchema, data: st.DataObject) -> None:
    every = np.arange(schema.n_joint)
    assert np.array_equal(schema.encode(schema.decode(every)), every)
    rows = data.draw(st.lists(st.tuples(*(st.integers(-1, size - 1) for size in schema.sizes)), max_size=8))
    joint = schema.encode(np.array(rows).reshape(-1, len(schema.sizes)))
    for row, k in zip(rows, joint, strict=True):
        assert k == MISSING if MISSING in row else tuple(schema.decode([k])[0]) == row
    assert len(set(schema.joint_names)) == schema.n_joint
    assert parse_schema(schema.model_dump(mode="json"), where="here") == schema


def test_the_joint_id_of_the_default_is_mask_6_gender_3_age() -> None:
    mask, gender, age = np.indices(DEFAULT_SCHEMA.sizes).reshape(3, -1)
    assert np.array_equal(DEFAULT_SCHEMA.encode(np.stack([mask, gender, age], axis=1)), mask * 6 + gender * 3 + age)
    assert DEFAULT_SCHEMA.joint_names[0] == "worn/male/under_30"
    assert DEFAULT_SCHEMA.joint_names[17] == "not_worn/female/60_plus"
    assert DEFAULT_SCHEMA.decode([MISSING, 17]).tolist() == [[-1, -1, -1], [2, 1, 2]]


def test_four_bands_two_mask_classes_and_no_gender_are_a_schema() -> None:
    assert FOUR_BANDS.n_joint == 8
    assert FOUR_BANDS.names == ("mask", "age")
    assert FOUR_BANDS.age is not None
    assert FOUR_BANDS.age.classes == ("under_13", "13_to_19", "20_to_59", "60_plus")
    assert FOUR_BANDS.year_grid.tolist() == list(range(91))
    assert FOUR_BANDS.age.band([0, 12.9, 13, 19.99, 20, 59, 60, 90, np.nan]).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, -1]


def test_a_schema_without_age_has_no_years() -> None:
    schema = LabelSchema(attributes=DEFAULT_SCHEMA.attributes[:2])
    assert schema.age is None
    assert len(schema.year_grid) == 0
    with pytest.raises(ConfigError) as caught:
        with_age_edges(schema, (30, 60))
    assert str(caught.value) == f"TRI103 this schema has no age attribute, so its edges cannot move. {SHAPE}"
    with pytest.raises(ValueError, match="this schema has no age attribute"):
        schema.band_probs(np.ones((1, 101)))
    with pytest.raises(ValueError, match="attribute 'mask' has no age edges"):
        schema.attributes[0].band([3])


def test_moving_an_edge_renames_the_classes_and_changes_the_fingerprint_only() -> None:
    moved = with_age_edges(DEFAULT_SCHEMA, (29, 58))
    assert moved.age is not None
    assert moved.age.classes == ("under_29", "29_to_57", "58_plus")
    assert moved.age.band([28.9, 29, 57.9, 58]).tolist() == [0, 1, 1, 2]
    assert moved.attributes[:2] == DEFAULT_SCHEMA.attributes[:2]
    back = with_age_edges(moved, (30, 60))
    assert back == DEFAULT_SCHEMA
    assert back.fingerprint == DEFAULT_SCHEMA.fingerprint != moved.fingerprint


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        pytest.param({"years": (0, 99)}, "years 0 to 100 instead of 0 to 99", id="the year grid"),
        pytest.param(
            {"attributes": DEFAULT_SCHEMA.attributes[::-1]},
            "attributes mask, gender, age instead of age, gender, mask",
            id="the order of attributes",
        ),
        pytest.param(
            {"attributes": DEFAULT_SCHEMA.attributes[1:]},
            "attributes mask, gender, age instead of gender, age",
            id="fewer attributes",
        ),
        pytest.param(
            {"attributes": (Attribute(name="mask", classes=("on", "bad", "off")), *DEFAULT_SCHEMA.attributes[1:])},
            "mask is worn, incorrect, not_worn instead of on, bad, off",
            id="a class's name",
        ),
        pytest.param(
            {"attributes": (*DEFAULT_SCHEMA.attributes[:2], DEFAULT_SCHEMA.attributes[2].model_copy(update=MOVED))},
            "age has the edges [30.0, 60.0] instead of [29.0, 60.0]",
            id="an edge",
        ),
    ],
)
def test_the_fingerprint_changes_with(change: dict, difference: str) -> None:
    other = LabelSchema(**{"attributes": DEFAULT_SCHEMA.attributes, "years": DEFAULT_SCHEMA.years, **change})
    assert other.fingerprint != DEFAULT_SCHEMA.fingerprint
    with pytest.raises(PredictionsError) as caught:
        require_same_schema(other, DEFAULT_SCHEMA, where="truth.csv")
    assert str(caught.value) == (
        f"TRI301 truth.csv: another label schema: {difference}. "
        "Use files made under one schema; `trifacet config show` and the file's metadata tell which."
    )


def test_joint_and_marginals_agree() -> None:
    for schema in (DEFAULT_SCHEMA, FOUR_BANDS):
        rng = np.random.default_rng(0)
        marginals = {a.name: rng.dirichlet(np.ones(len(a.classes)), 7) for a in schema.attributes}
        joint = schema.joint(marginals)
        assert joint.shape == (7, schema.n_joint)
        for name, expected in marginals.items():
            assert np.allclose(schema.marginal(joint, name), expected)
        dependent = random_probs(5, schema)
        first = schema.names[0]
        by_hand = [[row[schema.decode(range(len(row)))[:, 0] == c].sum() for c in range(2)] for row in dependent]
        assert np.allclose(schema.marginal(dependent, first)[:, :2], by_hand)


def test_band_probs_hold_the_mass_between_the_edges() -> None:
    years = np.zeros((1, 101))
    years[0, [0, 29, 30, 59, 60, 100]] = [0.1, 0.1, 0.2, 0.1, 0.25, 0.25]
    assert np.allclose(DEFAULT_SCHEMA.band_probs(years), [[0.2, 0.3, 0.5]])


def test_a_class_name_outside_the_schema_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        DEFAULT_SCHEMA.attributes[0].ids(["worn", None, "incorect"])
    assert str(caught.value) == "TRI100 no mask class 'incorect'. Did you mean 'incorrect'?"
    with pytest.raises(ConfigError) as caught:
        DEFAULT_SCHEMA.attribute("hat")
    assert str(caught.value) == "TRI100 no attribute 'hat'. Known: age, gender, mask."


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        pytest.param((60, 30), "age: edges must ascend, got [60.0, 30.0]", id="descending"),
        pytest.param((30, 30), "age: edges must ascend, got [30.0, 30.0]", id="twice the same"),
        pytest.param((30.5, 60), "age edges must be whole years, got [30.5, 60]", id="half a year"),
        pytest.param((), "age edges must be whole years, got []", id="none"),
        pytest.param((30, 120), "age edges [30.0, 120.0] must lie on the year grid [0, 100]", id="off the grid"),
        pytest.param((0, 30), "age edges [0.0, 30.0] must lie on the year grid [0, 100]", id="an empty first class"),
    ],
)
def test_edges_that_cannot_be(edges: tuple, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        with_age_edges(DEFAULT_SCHEMA, edges)
    assert str(caught.value) == f"TRI103 age edges are not usable: {message}. {SHAPE}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("5", "Input should be a valid dictionary or instance of LabelSchema", id="a number"),
        pytest.param("attributes: []", "attributes need distinct names, got []", id="no attribute"),
        pytest.param(
            "attributes: [{name: mask, classes: [worn]}]",
            "attributes.0: mask: needs at least two distinct classes, got ['worn']",
            id="one class",
        ),
        pytest.param(
            "attributes: [{name: a b, classes: [x, y]}]",
            "attributes.0: attribute name must be a plain word, got 'a b'",
            id="a name of two words",
        ),
        pytest.param(
            "attributes: [{name: age, classes: [x, y, z], edges: [30]}]",
            "attributes.0: age: 3 classes need 2 edges",
            id="too few edges",
        ),
        pytest.param(
            "attributes: [{name: a, classes: [x, y], edges: [3]}, {name: b, classes: [x, y], edges: [3]}]",
            "only one attribute may have age edges",
            id="two ages",
        ),
        pytest.param(
            "attributes: [{name: a, classes: [x, y], edges: [3]}]\nyears: [5, 300]",
            "years must be [first, last] within 0..150, got [5, 300]",
            id="years",
        ),
        pytest.param(
            "attributes: [{name: a, classes: [x, y], edgs: [3]}]",
            "attributes.0.edgs: Extra inputs are not permitted",
            id="a typo",
        ),
    ],
)
def test_a_schema_file_that_cannot_be(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "schema.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_schema(path)
    assert str(caught.value) == f"TRI103 {path}: not a usable label schema: {message}. {SHAPE}"


def test_a_schema_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "no.yaml"
    with pytest.raises(ConfigError) as caught:
        read_schema(path)
    assert str(caught.value) == (
        f"TRI102 {path}: no schema can be read here, got [Errno 2] No such file or directory: '{path}'. "
        "Check the path; the message names the line where reading stopped."
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        pytest.param(lambda: DEFAULT_SCHEMA.encode([[3, 0, 0]]), r"class ids must lie in -1..size-1", id="encode"),
        pytest.param(lambda: DEFAULT_SCHEMA.decode([18]), r"joint ids must lie in -1..17", id="decode"),
        pytest.param(lambda: DEFAULT_SCHEMA.decode([-2]), r"joint ids must lie in -1..17", id="decode below"),
    ],
)
def test_ids_outside_the_schema_are_a_programmers_error(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
