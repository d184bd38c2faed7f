"""Everything that is wrong with somebody's photos, labels, recipes, runs and predictions, in one folder."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from tests.core.tiny import manifest
from tests.data.photos import write_eval, write_train
from tests.scored import certain, rule_with_priors
from trifacet.core.decisions import Decision, write_decisions
from trifacet.core.manifest import write_manifest
from trifacet.core.predictions import Predictions, write_predictions
from trifacet.core.recipe import Recipe
from trifacet.core.run import RunInfo, create_run, now
from trifacet.core.schema import DEFAULT_SCHEMA, with_age_edges

FOLDERS = [f"{i:06d}_{('male', 'female')[i % 2]}_Asian_{20 + 9 * i}" for i in range(4)]
HEAD = "id,gender,race,age,path\n"


def write_bad(root: Path) -> None:
    """Writes all of it below `root`."""
    write_train(root / "good", FOLDERS)
    for name, csv in {
        "empty": "",
        "gender": HEAD + "000000,male,Asian,20,000000_male_Asian_20\n000001,femle,Asian,29,000001_female_Asian_29\n",
        "twenty": HEAD + "000000,male,Asian,twenty,000000_male_Asian_20\n",
        "twice": HEAD + 2 * "000000,male,Asian,20,000000_male_Asian_20\n",
        "lost": HEAD + "000009,male,Asian,20,000009_male_Asian_20\n",
    }.items():
        write_train(root / name, FOLDERS[:2], csv=csv)
    (root / "bare").mkdir()
    (root / "table.csv").write_text("path,mask\ngood/images/000000_male_Asian_20/mask1.jpg,wron\n")
    _write_manifests(root)
    _write_runs(root)
    _write_predictions(root)
    (root / "typos.yaml").write_text("model:\n  backbon: baseline_cnn\noptim:\n  name: adamm\ntrain:\n  epochs: many\n")
    pl.DataFrame({"photo": ["1.jpg"], "worth": [3]}).write_parquet(root / "own.parquet")
    (root / "broken.yaml").write_text("model: [\n")
    _write_rulings(root)


def _write_manifests(root: Path) -> None:
    labels = [("worn", "male", "under_30")] * 4
    photos = root / "good" / "images" / FOLDERS[0]
    divided = manifest(labels, root=photos, split=["train", "val", "train", "val"], person_id=["a", "a", "b", "c"])
    other = manifest(labels, root=root / "gone", split=["train", "val", "train", "val"], person_id=["a", "b", "a", "b"])
    write_manifest(root / "gone.parquet", other)
    for name, made in (("divided", divided), ("foreign", divided)):
        write_manifest(root / f"{name}.parquet", other)
        table = made.table
        if name == "foreign":
            table = other.table.with_columns(pl.lit("elderly").alias("age"))
        metadata = pl.read_parquet_metadata(root / f"{name}.parquet")
        table.write_parquet(
            root / f"{name}.parquet", metadata={k: v for k, v in metadata.items() if k != "ARROW:schema"}
        )


def _write_rulings(root: Path) -> None:
    (root / "rulings").mkdir()
    write_decisions(
        root / "rulings" / "other.csv",
        [
            Decision(subject="0.jpg", attribute="mask", old="incorrect", new="not_worn"),
            Decision(subject="0.jpg", attribute="hat", new="on"),
            Decision(scope="person", subject="nobody", attribute="gender", old="male", new="female"),
        ],
    )
    (root / "rulings" / "short.csv").write_text("subject,attribute,new\n0.jpg,mask,worn\n")
    (root / "rulings" / "rows.csv").write_text(
        "subject,attribute,old,new,scope\n,mask,worn,worn,\n0.jpg,mask,worn,worn,family\n"
    )
    (root / "rulings" / "words.csv").write_bytes(b"subject,attribute,old,new\n\xff\xfe\n")


def _write_runs(root: Path) -> None:
    about = RunInfo(
        name="x",
        created=now(),
        seed=0,
        recipe=Recipe(),
        label_schema=DEFAULT_SCHEMA,
        priors=rule_with_priors().priors,
        n_photos={"train": 4},
        n_persons={"train": 2},
    )
    create_run(root / "stopped", about.model_copy(update={"status": "interrupted"}))
    create_run(root / "finished", about.model_copy(update={"status": "finished"}))


def _write_predictions(root: Path) -> None:
    made = certain([0, 5, 17])
    write_predictions(root / "p.parquet", made)
    other = with_age_edges(DEFAULT_SCHEMA, [25, 50])
    write_predictions(root / "other.parquet", Predictions(made.ids, made.probs, None, made.errors, other))
    write_eval(root / "eval", ["0.jpg", "1.jpg", "2.jpg", "unknown.jpg"])
    (root / "truth.csv").write_text("ImageID,mask\n0.jpg,worn\n1.jpg,worn\n2.jpg,not_worn\n")
    (root / "few.csv").write_text("ImageID,mask\n0.jpg,worn\n1.jpg,worn\n")
    known = manifest([("worn", "male", "under_30")] * 3, root=root / "good")
    write_manifest(root / "truth.parquet", known)
