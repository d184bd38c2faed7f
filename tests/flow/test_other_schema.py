"""Other attributes, other classes, other age bands: nothing knows of 3 x 2 x 3."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from tests.data.photos import write_photo
from tests.flow.command import TINY, done, trifacet
from trifacet.core.manifest import read_manifest
from trifacet.core.predictions import read_decision, read_predictions
from trifacet.core.run import open_run
from trifacet.core.schema import read_schema

FOUR_BANDS = """
attributes:
  - {name: mask, classes: [covered, bare]}
  - {name: gender, classes: [male, female]}
  - {name: age, classes: [child, adult, middle, old], edges: [18, 40, 60]}
"""
NO_GENDER = """
attributes:
  - {name: mask, classes: [covered, bare]}
  - {name: age, classes: [young, old], edges: [40]}
"""
YEARS = (8, 25, 50, 71)


def write_table(root: Path, schema: str, *, n_people: int) -> Path:
    """A table of two photos a person, with the columns of the schema."""
    (root / "schema.yaml").write_text(schema)
    rows = []
    for person in range(n_people):
        for mask in ("covered", "bare"):
            path = write_photo(root / "photos" / f"{person}-{mask}.jpg")
            gender = ("male", "female")[person % 2]
            rows.append((f"photos/{path.name}", mask, gender, YEARS[person % 4], f"p{person}"))
    table = pl.DataFrame(rows, schema=["path", "mask", "gender", "age", "person"], orient="row")
    table.drop([] if "gender" in schema else ["gender"]).write_csv(root / "labels.csv")
    return root / "labels.csv"


def write_eval(root: Path, labels: Path) -> tuple[Path, Path, Path]:
    """A folder of photos with its info file, and their truth: the first half of those in the table."""
    table = pl.read_csv(labels).head(16).with_columns(pl.col("path").str.strip_prefix("photos/").alias("ImageID"))
    for name in table["ImageID"]:
        (root / "eval" / "images").mkdir(parents=True, exist_ok=True)
        (root / "eval" / "images" / name).write_bytes((root / "photos" / name).read_bytes())
    table.select("ImageID", pl.lit(0).alias("ans")).write_csv(root / "eval" / "info.csv")
    table.drop("path").rename({"person": "person_id"}).write_csv(root / "truth.csv")
    return root / "eval", root / "eval" / "info.csv", root / "truth.csv"


@pytest.mark.parametrize(
    ("schema", "head", "names"),
    [
        pytest.param(FOUR_BANDS, "per_attribute", ("mask", "gender", "age"), id="four age bands and two mask classes"),
        pytest.param(NO_GENDER, "joint", ("mask", "age"), id="no gender, one answer for all"),
    ],
)
def test_another_schema_goes_through_every_command(
    tmp_path: Path, schema: str, head: str, names: tuple[str, ...]
) -> None:
    labels = write_table(tmp_path, schema, n_people=32)
    photos, info, truth = write_eval(tmp_path, labels)
    wanted = read_schema(tmp_path / "schema.yaml")
    manifest, run, answers = tmp_path / "m.parquet", tmp_path / "run", tmp_path / "answers.parquet"

    done("ingest", labels, "--schema", tmp_path / "schema.yaml", "--out", tmp_path / "all.parquet", "--workers", 1)
    done("split", tmp_path / "all.parquet", "--out", manifest, "--val", 0.5)
    made = read_manifest(manifest)
    assert (made.schema, made.n_persons, len(made)) == (wanted, 32, 64)
    assert sum(made.table.select(names).null_count().row(0)) == 0

    done("train", "--data", manifest, "--dry-run", "--out", tmp_path / "dry.png", *TINY, "--set", f"model.head={head}")
    said = done("train", "--data", manifest, "--out", run, *TINY, "--set", f"model.head={head}")
    assert "3 x 2 x 3" not in said.out
    assert open_run(run).info.label_schema == wanted
    assert set(open_run(run).info.priors) == set(names)

    done("predict", run, photos, "--out", answers, "--page", tmp_path / "answers.html")
    assert read_predictions(answers).probs.shape == (16, wanted.n_joint)
    done("decide", run, "--out", tmp_path / "rule.json")
    assert read_decision(tmp_path / "rule.json").n_persons == 16

    told = json.loads(done("evaluate", answers, "--truth", truth, "--json").out)
    assert set(names) == {name for name in ("mask", "gender", "age") if name in told}
    assert (told["n_photos"], told["n_people"]) == (16, 8)
    assert [stamp.split(" answered")[0] for stamp in told["stamps"]] == ["of the 16 photos"]  # copies, found as such
    assert len(told["per_class"]) == wanted.n_joint
    rule = ("--decision", tmp_path / "rule.json")
    done("evaluate", answers, "--truth", truth, "--report", tmp_path / "report.html", *rule)
    assert wanted.attributes[-1].classes[0] in (tmp_path / "report.html").read_text(encoding="utf-8")

    done("submit", answers, "--info", info, "--out", tmp_path / "output.csv", *rule)
    assert pl.read_csv(tmp_path / "output.csv")["ans"].is_between(0, wanted.n_joint - 1).all()
    of_csv = done(
        "evaluate", tmp_path / "output.csv", "--truth", truth, "--schema", tmp_path / "schema.yaml", "--json"
    ).out
    assert json.loads(of_csv)["label_schema"] == wanted.fingerprint
    assert trifacet("evaluate", tmp_path / "output.csv", "--truth", truth).status == 5  # as 3 x 2 x 3


def test_a_recipe_moves_the_age_edges(tmp_path: Path) -> None:
    """Ages are kept as numbers, so the bands of a run may differ from those of its manifest."""
    labels = write_table(tmp_path, FOUR_BANDS, n_people=16)
    manifest, run = tmp_path / "m.parquet", tmp_path / "run"
    done("ingest", labels, "--schema", tmp_path / "schema.yaml", "--out", manifest, "--workers", 1)
    done("train", "--data", manifest, "--out", run, *TINY, "--set", "schema.age_edges=[20, 45, 70]")
    assert read_manifest(manifest).schema.age.edges == (18, 40, 60)  # type: ignore[union-attr]
    assert open_run(run).info.label_schema.age.edges == (20, 45, 70)  # type: ignore[union-attr]
    shares = dict(read_manifest(run / "manifest.parquet").table["age"].value_counts().rows())
    assert shares == {"under_20": 8, "20_to_44": 8, "45_to_69": 8, "70_plus": 8}
