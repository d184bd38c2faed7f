"""What more people would bring: a recipe trained on a part of the training people, scored on the same test people.

`python -m bench.curve SPLIT [SPLIT ...] --out FOLDER` prints a line of JSON for each split and share; the smaller part
lies within the larger. Points that are done are left alone when it is started again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from trifacet import Manifest, open_data, train, write_manifest
from trifacet.core.files import read_json

QUIET = ("report.pictures=false", "track.tensorboard=false")
SHARES = (0.125, 0.25, 0.5, 1.0)


def part_of(manifest: Manifest, share: float, *, seed: int) -> Manifest:
    """The manifest with a share of its training people; smaller shares are parts of larger ones."""
    people = manifest.table.filter(split="train")["person_id"].unique().sort()
    drawn = np.random.default_rng(seed).permutation(len(people))[: round(share * len(people))]
    return manifest.where((pl.col("split") != "train") | pl.col("person_id").is_in(people[drawn].to_list()))


def point(split: Path, share: float, *, recipe: str, home: Path, sets: Sequence[str] = ()) -> dict[str, Any]:
    """Trains on a share of the people where that is not done; the score on test."""
    out = home / f"{split.stem}-{share:g}"
    if not (out / "scores.json").is_file():
        some = part_of(open_data(split), share, seed=0)
        write_manifest(home / f"{out.name}.parquet", some)
        train(recipe, data=home / f"{out.name}.parquet", out=out, sets=[*QUIET, *sets])
    some, score = open_data(home / f"{out.name}.parquet"), read_json(out / "scores.json")["test"]
    return {
        "split": split.stem,
        "share": share,
        "n_people": some.split("train").n_persons,
        "macro_f1": score["macro_f1"],
        "nll": score["nll"]["value"],
        "age_mae_years": score["age"]["mae_years"]["value"] if "age" in score else None,
        "n_test_people": score["n_people"],
    }


def main(words: Sequence[str] | None = None) -> None:
    """Trains what is missing and prints a line of JSON a point."""
    parser = argparse.ArgumentParser(prog="bench.curve", description=__doc__)
    parser.add_argument("splits", nargs="+", type=Path, help="manifests with train, val and test")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--recipe", default="instant", help="default: instant")
    parser.add_argument("--shares", nargs="*", type=float, default=list(SHARES), help="of the training people")
    parser.add_argument("--set", nargs="*", default=[], dest="sets", help="more settings of the recipe")
    given = parser.parse_args(words)
    given.out.mkdir(parents=True, exist_ok=True)
    for share in given.shares:
        for split in given.splits:
            print(json.dumps(point(split, share, recipe=given.recipe, home=given.out, sets=given.sets)), flush=True)


if __name__ == "__main__":
    main()
