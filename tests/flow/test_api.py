"""`import trifacet`: the examples that stand in the documentation, and what those who know the baseline look for."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import trifacet
from tests.flow.photos import write_world

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
IMAGES = [np.full((40, 30, 3), 80 * i, dtype=np.uint8) for i in range(3)]
SMALL = """
model: {backbone: face_resnet10, features: levels, is_frozen: true, norm: false, hidden: 8}
data: {image_size: [48, 48]}
train: {epochs: 0, head_epochs: 2}
track: {tensorboard: false}
"""


def examples(text: str) -> list[str]:
    """The indented or fenced blocks of Python that import trifacet."""
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    blocks += [textwrap.dedent(b) for b in re.findall(r"((?:^(?: {4}.*)?\n)+)", text + "\n", re.MULTILINE)]
    return [block for block in blocks if re.search(r"^import trifacet$", block, re.MULTILINE)]


def one_example(text: str) -> str:
    """The example in a text, with a smaller recipe, so that it takes a moment."""
    (example,) = examples(text)
    return example.replace('"quick"', '"small.yaml"')


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the photos that the examples speak of, in which one stands."""
    root = tmp_path_factory.mktemp("api")
    write_world(root, n_train=8, n_eval=1)
    (root / "train").rename(root / "photos")
    (root / "small.yaml").write_text(SMALL)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        yield root


@pytest.fixture(scope="module")
def known(place: Path) -> dict[str, object]:
    """What the package's own example leaves behind."""
    example = one_example(trifacet.__doc__ or "")
    assert "small.yaml" in example
    names: dict[str, object] = {"images": IMAGES}
    exec(compile(example, "trifacet", "exec"), names)
    return names


def test_the_example_of_the_package_trains_and_answers(place: Path, known: dict[str, object]) -> None:
    data, run, answers = known["data"], known["run"], known["answers"]
    assert isinstance(data, trifacet.Manifest)
    assert isinstance(run, trifacet.Run)
    assert isinstance(answers, trifacet.Predictions)
    assert (len(data), data.n_persons) == (56, 8)
    assert (run.info.status, run.path.resolve()) == ("finished", place / "runs" / "first")
    assert answers.probs.shape == (3, 18)
    assert answers.age_probs is not None
    assert answers.age_years.shape == (3,)


def test_the_example_of_the_readme_answers_the_same(known: dict[str, object]) -> None:
    names: dict[str, object] = {"images": IMAGES}
    exec(compile(one_example((ROOT / "README.md").read_text(encoding="utf-8")), "README.md", "exec"), names)
    first, again = known["answers"], names["predictions"]
    assert isinstance(first, trifacet.Predictions)
    assert isinstance(again, trifacet.Predictions)
    np.testing.assert_array_equal(again.probs, first.probs)


def test_what_a_command_does_is_a_function(place: Path, known: dict[str, object]) -> None:
    answers = trifacet.predict("runs/first", "eval", out="answers.parquet")
    assert answers.made_by["run"] == "first"
    scores = trifacet.evaluate("answers.parquet", "truth.csv")
    assert (scores.n_photos, scores.n_people) == (7, 1)
    made = trifacet.submit("answers.parquet", "eval/info.csv", out="output.csv")
    assert list(made.answers.classes) == [
        dict(zip(answers.ids, answers.classes, strict=True))[i] for i in made.answers.ids
    ]
    assert trifacet.decide("runs/first").fitted_on == "val"
    val = "runs/first/predictions/val.parquet"
    assert trifacet.decide("runs/first", on=val, truth="runs/first/manifest.parquet").fitted_on == "val.parquet"
    trifacet.ingest(["photos"], rejects="left_out.csv")
    assert Path("left_out.csv").is_file()
    assert trifacet.read_schema("runs/first/schema.yaml") == trifacet.DEFAULT_SCHEMA
    trifacet.predict("runs/first", "eval", out="answers.csv")
    assert Path("answers.csv").read_text(encoding="utf-8") == answers.answers().write_csv()
    with pytest.raises(
        trifacet.TrifacetError, match=r"TRI104 --out: predictions must end in \.parquet or \.csv, got 'x\.json'"
    ):
        trifacet.predict("runs/first", "eval", out="x.json")
    with pytest.raises(trifacet.TrifacetError, match="TRI407"):
        trifacet.resume("runs/first")


def test_those_who_know_the_baseline_find_its_names(place: Path) -> None:
    trifacet.seed_everything(3)
    first = np.random.random()  # noqa: NPY002  (the global generator is what is seeded)
    trifacet.seed_everything(3)
    assert np.random.random() == first  # noqa: NPY002
    assert trifacet.encode_multi_class(2, 1, 0) == 15
    assert trifacet.decode_multi_class(15) == (2, 1, 0)
    photos = sorted(Path("photos").rglob("*.jpg"))[:5]
    mean, deviation = trifacet.calc_statistics(photos)
    pixels = np.concatenate([trifacet.decode(p.read_bytes()).reshape(-1, 3) for p in photos]) / 255
    np.testing.assert_allclose(mean, pixels.mean(axis=0))
    np.testing.assert_allclose(deviation, pixels.std(axis=0))
    assert trifacet.image_grid(np.stack(IMAGES), columns=2).shape[2] == 3


def test_examples_in_docstrings_give_what_they_say() -> None:
    modules = [m.name for m in pkgutil.walk_packages(trifacet.__path__, "trifacet.")]
    sources = {name: (SOURCE / name.replace(".", "/")).with_suffix(".py") for name in modules}
    with_examples = [n for n, path in sources.items() if path.is_file() and ">>> " in path.read_text(encoding="utf-8")]
    results = {name: doctest.testmod(importlib.import_module(name)) for name in with_examples}
    assert {name for name, result in results.items() if result.failed or not result.attempted} == set()
    assert {"trifacet.core.schema", "trifacet.measure.classification"} <= results.keys()
