"""What the same wall minutes buy: each system's recipe from scratch, its method on our network, and our own recipes.

`python -m bench.budget SPLIT --out FOLDER` trains every row on the same people and scores it on the same test people;
without a SPLIT these are drawn.
A recipe keeps its shape: its epochs are made shorter (`sampler.share`), so that as many as there are fit the time, and
what it counts in epochs is scaled. Rows that are done are left alone when it is started again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from trifacet import combine, evaluate, ingest, open_data, open_recipe, split
from trifacet.core.files import read_json, read_jsonl, sha256_file, write_json
from trifacet.core.recipe import Recipe
from trifacet.data.drawn import draw_dataset

OURS = ("model.backbone=face_resnet29", "data.image_size=[150,150]")
SCRATCH = ("model.pretrained=false",)
SQUARE = (*SCRATCH, "data.image_size=[224,224]")  # what is larger than 224 x 224 is made that
EPOCHS = 10  # in which a row is divided: so often it is validated
PROBE_BATCHES = 8
DRAWN_PEOPLE = 600  # half of them are test
QUIET = ("report.pictures=false", "track.tensorboard=false")
TASKS = ("mask", "gender", "age")


@dataclass(frozen=True)
class Row:
    """A row of the table: a recipe with settings, once for each group of attributes that has a network of its own.

    fits: it is made to last the minutes; else it is trained as it is.
    """

    recipe: str
    trunk: str
    sets: tuple[str, ...] = ()
    parts: tuple[tuple[str, ...], ...] = (TASKS,)
    fits: bool = True

    @property
    def name(self) -> str:
        """What the table calls it."""
        return f"{self.recipe}, {self.trunk}"


@dataclass(frozen=True)
class Pace:
    """What a probe found: seconds a training photo takes, and one validation."""

    photo: float
    validation: float


def rows() -> Iterator[Row]:
    """The table's rows."""
    apart = (("mask", "gender"), ("age",))
    each = tuple((task,) for task in TASKS)
    tall = "data.image_size=[224,168]"
    yield Row("system1", "its ResNet50", SQUARE)
    yield Row("system2", "its ResNet152", SQUARE)
    # Frozen, a network that has seen nothing is noise: from scratch all of it is trained, as long as the head would be.
    learned = ("model.is_frozen=false", "train.head_epochs=0", "train.epochs=25")
    yield Row("system3", "its ResNet18", (*SCRATCH, tall, *learned))
    yield Row("system4", "its EfficientNet-B3", SCRATCH, apart)
    yield Row("winner1", "its EfficientNet-B3", SQUARE)
    yield Row("winner2", "its EfficientNet-B0", SQUARE, each)
    for recipe, parts in [("system1", (TASKS,)), ("system2", (TASKS,)), ("system4", apart)]:
        yield Row(recipe, "our network", OURS, parts)
    yield Row("system3", "our network", (*OURS, "data.image_size=[150,112]"))
    yield Row("winner1", "our network", OURS)
    yield Row("winner2", "our network", OURS, each)
    yield Row("instant", "our network", fits=False)
    yield Row("quick", "our network", fits=False)
    yield Row("strong", "three networks", fits=False)
    yield Row("champion", "five networks", fits=False)
    yield Row("baseline", "its CNN", SCRATCH)
    yield Row("kaggle-hpa", "its ResNet34", SQUARE)
    yield Row("kaggle-hpa", "our network", OURS)


def fit_to(recipe: Recipe, pace: Pace, *, seconds: float, n_photos: int) -> list[str]:
    """The settings that make a recipe last so many seconds: length and number of its epochs, and what counts in them.

    n_photos: that an epoch has at a share of 1. A recipe that would be done sooner keeps its own length.

    Raises:
        ValueError: one validation alone takes longer.
    """
    if pace.validation >= seconds:
        raise ValueError(f"one validation takes {pace.validation:.0f} of {seconds:.0f} seconds")
    n_epochs = max(1, min(EPOCHS, recipe.train.epochs, int(seconds / 5 / pace.validation)))
    shown = (seconds - n_epochs * pace.validation) / pace.photo
    own = recipe.train.epochs * n_photos * recipe.sampler.share
    scale = n_epochs / recipe.train.epochs
    sets = [
        f"train.epochs={n_epochs}",
        f"sampler.share={min(shown, own) / n_epochs / n_photos:.6f}",
        "train.patience=0",
    ]
    for key, least in (("cycle_epochs", 1), ("cycle_warmup", 0), ("step_epochs", 1)):
        sets.append(f"schedule.{key}={max(least, round(scale * getattr(recipe.schedule, key)))}")
    return sets


class Table:
    """Rows trained into `home`, some at once, each on cores of its own."""

    def __init__(self, data: Path, home: Path, *, minutes: float, cores: Sequence[str]) -> None:
        self.data, self.home, self.minutes = data, home, minutes
        self.manifest = open_data(data)
        self.n_train = int((self.manifest.table["split"] == "train").sum())
        self.cores: SimpleQueue[str] = SimpleQueue()
        for core in cores:
            self.cores.put(core)
        self.at_once = len(cores)

    def fill(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """The rows' results, those that lie in `home` taken from there."""
        with ThreadPoolExecutor(self.at_once) as pool:
            return list(pool.map(self._filled, rows))

    def _filled(self, row: Row) -> dict[str, Any]:
        kept = self.home / f"{row.recipe}-{row.trunk.split()[-1]}.json"
        asked = {"asked_minutes": self.minutes, "data": sha256_file(self.data)}
        if not kept.is_file():
            core = self.cores.get()
            try:
                write_json(kept, self._made(row, core) | asked)
            finally:
                self.cores.put(core)
        result: dict[str, Any] = read_json(kept)
        if asked != {key: result[key] for key in asked}:
            raise ValueError(f"{kept} is of other data or minutes: take another --out")
        print(json.dumps(result), flush=True)
        return result

    def _made(self, row: Row, core: str) -> dict[str, Any]:
        seconds = self.minutes * 60 / len(row.parts)
        runs = [self._trained(row, part, core, seconds=seconds) for part in row.parts]
        answers = [run / "predictions" / "test.parquet" for run in runs]
        said = answers[0]
        if len(runs) > 1:
            combine(answers, said := self.home / f"{runs[0].name}-combined.parquet")
        score = evaluate(said, self.data, subset=True).as_json()
        nets = [net for run in runs for net in sorted(run.glob("variant_*")) or [run]]
        lines = [line for net in nets for line in read_jsonl(net / "metrics.jsonl")]
        return {
            "row": row.name,
            "macro_f1": score["macro_f1"],
            "accuracy": score["accuracy"]["value"],
            "n_people": score["n_people"],
            "minutes": round(sum(line["seconds"] for line in lines) / 60, 2),
            "epochs_of_data": [round(self._passes(net), 2) for net in nets],
        }

    def _passes(self, run: Path) -> float:
        recipe = open_recipe(run / "recipe.yaml").settings
        return recipe.train.head_epochs + recipe.train.epochs * recipe.sampler.share

    def _trained(self, row: Row, part: tuple[str, ...], core: str, *, seconds: float) -> Path:
        tasks = [] if part == TASKS else [f"model.tasks=[{','.join(part)}]"]
        own = "age" in part or row.recipe != "winner2"
        sets = [*row.sets, *tasks, *QUIET, *([] if own else ["data.label_map.age_edges=null"])]
        name = "-".join([row.recipe, row.trunk.split()[-1], *([] if part == TASKS else part)])
        if row.fits and (recipe := open_recipe(row.recipe, sets=sets).settings).train.epochs:
            pace = self._pace(row, sets, name, core)
            sets += fit_to(recipe, pace, seconds=seconds, n_photos=self.n_train)
        return self._run(row, sets, name, core)

    def _pace(self, row: Row, sets: Sequence[str], name: str, core: str) -> Pace:
        recipe = open_recipe(row.recipe, sets=list(sets)).settings
        n_photos = PROBE_BATCHES * recipe.train.batch_size
        probe = [*sets, "train.epochs=2", f"sampler.share={n_photos / self.n_train:.6f}", "decide.tta=none"]
        run = self._run(row, probe, f"{name}-probe", core)
        line = read_jsonl(run / "metrics.jsonl")[-1]
        return Pace(1 / line["images_per_second"], line["seconds_validate"])

    def _run(self, row: Row, sets: Sequence[str], name: str, core: str) -> Path:
        out = self.home / name
        words = [word for one in sets for word in ("--set", one)]
        if not (out / "scores.json").is_file():
            shutil.rmtree(out, ignore_errors=True)  # what was stopped on the way lost its time: it begins anew
            how = [row.recipe, "--data", str(self.data), "--out", str(out), *words]
            with (self.home / f"{name}.log").open("ab") as log:
                pinned = ["taskset", "-c", core] if shutil.which("taskset") else []  # of Linux alone
                command = [*pinned, sys.executable, "-m", "trifacet", "train", *how]
                subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return out


def drawn(home: Path, *, n_people: int = DRAWN_PEOPLE) -> Path:
    """A manifest of drawn people, half of them test, in the folder `home`, which holds it or is made."""
    if not (home / "split.parquet").is_file():
        shutil.rmtree(home, ignore_errors=True)
        photos = draw_dataset(home / "photos", n_train_people=n_people, n_eval_people=1).train_dir
        split(ingest([photos], home / "whole.parquet").manifest, home / "split.parquet", val=0.1, test=0.5)
    return home / "split.parquet"


def main(words: Sequence[str] | None = None) -> None:
    """Trains what is missing and prints a line of JSON a row."""
    parser = argparse.ArgumentParser(prog="bench.budget", description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", help="a manifest with train, val and test (default: drawn faces)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs and results")
    parser.add_argument("--minutes", type=float, default=10.0, help="of training, each row (default: 10)")
    parser.add_argument("--cores", nargs="+", default=["0", "1"], help="cores of each row at once: 0 1, or 0-1")
    parser.add_argument("--rows", nargs="*", default=[], help="those whose name begins so (default: all)")
    given = parser.parse_args(words)
    given.out.mkdir(parents=True, exist_ok=True)
    data = given.data or drawn(given.out / "drawn")
    wanted = [row for row in rows() if not given.rows or row.name.startswith(tuple(given.rows))]
    Table(data, given.out, minutes=given.minutes, cores=given.cores).fill(wanted)


if __name__ == "__main__":
    main()
