"""No command changes a file that it was given, and a given label changes by a decision alone.

Every command of the program stands here, so that a new one fails until it is placed.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import pytest
import torch
from PIL import Image

from tests.clean.segmenting import write_model
from tests.flow.command import TINY, done, trifacet
from tests.flow.kept import Breach, Labels, check_files, check_labels, given_labels, hashes_of, manifests_below
from tests.flow.photos import KNOWN, folder_name, write_world
from tests.flow.reviewed import reviewing
from tests.house.commands import commands
from tests.learn.test_old_weights import BaseModel
from tests.test_old_configs import BASELINE
from trifacet.clean.store import open_store
from trifacet.core.decisions import Decision, write_decisions
from trifacet.core.manifest import read_manifest, write_manifest
from trifacet.queue.folder import open_queue


@dataclass(frozen=True)
class Ran:
    """A command as it is run: its words, G the folder of what is given, SHA256 its model's hash, OUT an empty folder.

    is_whole: the manifest that it writes holds every photo of the one it read. ruled: the decisions that it applies.
    needs: a package without which it cannot be run.
    """

    words: str
    is_whole: bool = False
    ruled: bool = False
    tiny: bool = False
    needs: str = ""
    before: Callable[[Path], None] | None = None


def queued(out: Path) -> None:
    """A recipe that nobody has touched for a minute, in the queue below `out`."""
    recipe = open_queue(out / "q").at("queued") / "one.yaml"
    recipe.write_text(
        "model: {backbone: baseline_cnn}\ndata: {image_size: [32, 32]}\n"
        "train: {epochs: 1, head_epochs: 0, batch_size: 32}\ntrack: {tensorboard: false}\n"
    )
    os.utime(recipe, (recipe.stat().st_mtime - 60,) * 2)


RUNS: dict[str, list[Ran]] = {
    "ingest": [Ran("ingest G/photos/train --out OUT/m.parquet", is_whole=True)],
    "split": [
        Ran("split G/all.parquet --out OUT/s.parquet --test 0.2 --folds 2", is_whole=True),
        Ran("split G/all.parquet --out OUT/s.parquet --allow-leak", is_whole=True),
    ],
    "faces": [Ran("faces G/split.parquet --out OUT/f.parquet", is_whole=True, needs="openvino")],
    "background": [
        Ran(
            "background G/split.parquet --model G/model.onnx --sha256 SHA256 --out OUT/b",
            is_whole=True,
            needs="rembg",
        )
    ],
    "audit": [
        Ran("audit G/photos/train --out OUT/a"),
        Ran("audit G/split.parquet G/new.parquet --out OUT/a"),
        Ran("audit G/split.parquet --oof G/folds/predictions/oof.parquet --out OUT/a", needs="cleanlab"),
    ],
    "explore": [
        Ran("explore G/split.parquet --out OUT/e"),
        Ran("explore G/photos/train G/new.parquet --out OUT/e"),
    ],
    "apply": [
        Ran("apply G/split.parquet --decisions G/rulings.csv --out OUT/n.parquet", is_whole=True, ruled=True),
        Ran("apply G/split.parquet --decisions G/rulings.db --out OUT/n.parquet", is_whole=True, ruled=True),
    ],
    "decisions export": [Ran("decisions export G/rulings.db --out OUT/r.csv --events")],
    "decisions import": [
        Ran("decisions import G/classes.csv --form classes --data G/split.parquet --out OUT/r.db --who ann")
    ],
    "decisions known": [Ran("decisions known G/split.parquet --out OUT/known.csv --certainty disputed")],
    "decisions agreement": [Ran("decisions agreement G/rulings.db")],
    "decisions restore": [Ran("decisions restore G/kept.db --out OUT/r.db")],
    "decisions backup": [Ran("decisions backup G/rulings.db --out OUT/k.db")],
    "cache list": [Ran("cache list")],
    "cache clear": [Ran("cache clear")],
    "train": [
        Ran("train --data G/split.parquet --out OUT/run", tiny=True),
        Ran("train --data G/photos/train --folds 2 --init G/run --out OUT/folds", tiny=True),
    ],
    "average": [Ran("average G/run --out OUT/mean")],
    "pseudo": [
        Ran(
            "pseudo G/run G/new.parquet --data G/split.parquet --out OUT/p.parquet --at-least mask=1e-6 "
            "--at-least gender=1e-6 --at-least age=1e-6",
            is_whole=True,
        )
    ],
    "predict": [Ran("predict G/run G/photos/eval --out OUT/p.parquet --page OUT/p.html")],
    "decide": [Ran("decide G/run --out OUT/rule.json")],
    "ensemble": [Ran("ensemble G/run G/twin --out OUT/both")],
    "combine": [Ran("combine G/answers.parquet G/others.parquet --out OUT/c.parquet")],
    "evaluate": [Ran("evaluate G/answers.parquet --truth G/truth.csv --report OUT/r.html")],
    "compare": [Ran("compare G/run G/twin --out OUT/c.html")],
    "submit": [Ran("submit G/answers.parquet --info G/photos/eval/info.csv --out OUT/o.csv")],
    "import-config": [Ran("import-config G/old/config.json --out OUT/r.yaml")],
    "import-weights": [Ran("import-weights G/old/best.pth --out OUT/run")],
    "config show": [Ran("config show G/run/recipe.yaml")],
    "doctor": [Ran("doctor")],
    "recipes": [Ran("recipes")],
    "backbones": [Ran("backbones")],
    "losses": [Ran("losses")],
    "augmentations": [Ran("augmentations")],
}
SLOW: dict[str, list[Ran]] = {
    "demo": [Ran("demo --people 20 --out OUT/demo")],
    "queue": [Ran("queue OUT/q --data G/split.parquet --then predict --data G/photos/eval", before=queued)],
    "search": [Ran("search --data G/split.parquet --out OUT/s --trials 2 --over optim.lr=1e-4..1e-3", tiny=True)],
}
SERVED = {"review"}  # which has a test of its own below


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """All that commands are given: photos, manifests, runs, answers, rulings, an older system's files."""
    root = tmp_path_factory.mktemp("given")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRIFACET_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        world = write_world(root / "photos", n_train=16, n_eval=3)
        shutil.move(world.truth_path, root / "truth.csv")
        (world.train_dir / "images" / folder_name(12)).rename(world.train_dir / "images" / KNOWN)
        done("ingest", world.train_dir, "--out", root / "all.parquet", "--workers", 1)
        done("split", root / "all.parquet", "--out", root / "split.parquet", "--test", 0.2)
        done("ingest", world.eval_dir, "--out", root / "new.parquet", "--workers", 1)
        for name, seed in (("run", 0), ("twin", 1)):
            sets = ("--set", f"train.seed={seed}", "--set", "train.epochs=2", "--set", "train.keep_epochs=2")
            done("train", "--data", root / "split.parquet", "--out", root / name, *TINY, *sets)
        done("predict", root / "run", world.eval_dir, "--out", root / "answers.parquet")
        done("predict", root / "twin", world.eval_dir, "--out", root / "others.parquet")
        done("train", "--data", root / "split.parquet", "--out", root / "folds", "--folds", 2, *TINY)
        _write_rulings(root)
        write_model(root / "model.onnx")
        (root / "old").mkdir()
        torch.save(BaseModel().state_dict(), root / "old" / "best.pth")
        (root / "old" / "config.json").write_text(json.dumps(BASELINE))
        yield root


def _write_rulings(root: Path) -> None:
    """Two photos ruled on, in a store and as CSV."""
    ids = read_manifest(root / "split.parquet").table.filter(mask="worn")["photo_id"].to_list()[:2]
    rulings = [Decision(who="ann", subject=i, attribute="mask", old="worn", new="incorrect") for i in ids]
    write_decisions(root / "rulings.csv", rulings)
    open_store(root / "rulings.db").add(rulings)
    open_store(root / "rulings.db").back_up(root / "kept.db")
    rows = [{"path": i, "class": 6} for i in ids]
    pl.DataFrame(rows).write_csv(root / "classes.csv")


@pytest.fixture(scope="module")
def labels(given: Path) -> Labels:
    """Every label that was given."""
    return given_labels(read_manifest(given / "all.parquet"))


def ruled_labels(given: Path, labels: Labels) -> Labels:
    """The labels after the decisions."""
    ids = pl.read_csv(given / "rulings.csv")["subject"]
    return labels | {(photo, "mask"): "incorrect" for photo in ids}


def run_checked(
    ran: Ran, given: Path, out: Path, *, labels: Labels, breach: Callable[[Path, Path], None] | None = None
) -> int:
    """Runs a command and checks what it was given and what it wrote; the manifests that it wrote.

    breach: what goes wrong, done to the given and the written files before they are looked at.
    """
    before = hashes_of(given)
    if ran.before:
        ran.before(out)
    places = {"OUT/": f"{out}/", "G/": f"{given}/"}
    words = [
        places.get(w.partition("/")[0] + "/", "") + w.partition("/")[2] if "/" in w else w for w in ran.words.split()
    ]
    words = [before["model.onnx"] if word == "SHA256" else word for word in words]
    done(*words, *(TINY if ran.tiny else ()))
    if breach:
        breach(given, out)
    check_files(before, given)
    made = manifests_below(out)
    for manifest in made.values():
        check_labels(ruled_labels(given, labels) if ran.ruled else labels, manifest, is_whole=ran.is_whole)
    return len(made)


def cases(runs: dict[str, list[Ran]]) -> list[object]:
    return [
        pytest.param(ran, id=f"{name} {i}".removesuffix(" 0")) for name, of in runs.items() for i, ran in enumerate(of)
    ]


def skip_where_absent(ran: Ran) -> None:
    if ran.needs and find_spec(ran.needs) is None:
        pytest.skip(f"needs {ran.needs}")


def test_every_command_is_placed() -> None:
    leaves = {name.partition(" ")[2] for name, command in commands() if not getattr(command, "commands", None)}
    assert {*RUNS, *SLOW, *SERVED} == leaves


@pytest.mark.parametrize("ran", cases(RUNS))
def test_a_command_changes_nothing_that_it_was_given(ran: Ran, given: Path, labels: Labels, tmp_path: Path) -> None:
    skip_where_absent(ran)
    n_manifests = run_checked(ran, given, tmp_path, labels=labels)
    assert n_manifests >= (1 if ran.is_whole else 0)


@pytest.mark.prove
@pytest.mark.parametrize("ran", cases(SLOW))
def test_a_slow_command_changes_nothing_that_it_was_given(
    ran: Ran, given: Path, labels: Labels, tmp_path: Path
) -> None:
    run_checked(ran, given, tmp_path, labels=labels)


def test_a_review_changes_nothing_but_its_store(given: Path, tmp_path: Path) -> None:
    before, manifest = hashes_of(given), read_manifest(given / "split.parquet")
    changes = {"gender": "female" if manifest.table["gender"][0] == "male" else "male"}
    with reviewing(given / "split.parquet", "--decisions", tmp_path / "r.db") as page:
        photo = page.get("photo/0")
        numbers = page.rule(row=0, who="ann", changes=changes)
    assert Image.open(io.BytesIO(photo)).size
    assert len(numbers) == 1
    assert [event.new for event in open_store(tmp_path / "r.db").events()] == list(changes.values())
    check_files(before, given)


def test_labels_that_a_model_gave_fill_photos_that_had_none(given: Path, tmp_path: Path) -> None:
    (pseudo,) = RUNS["pseudo"]
    run_checked(pseudo, given, tmp_path, labels=given_labels(read_manifest(given / "all.parquet")))
    before, made = read_manifest(given / "split.parquet"), read_manifest(tmp_path / "p.parquet")
    new = made.where(~pl.col("photo_id").is_in(before.photo_ids))
    assert len(new) == 21
    assert (new.classes >= 0).all()
    assert (read_manifest(given / "new.parquet").classes == -1).all()


def flip_a_label(_: Path, out: Path) -> None:
    """As a command would that writes one label wrongly."""
    made = read_manifest(out / "s.parquet")
    first = pl.int_range(pl.len()) == 3
    flipped = pl.when(first).then(pl.lit("not_worn")).otherwise(pl.col("mask")).alias("mask")
    other = pl.when(first & (pl.col("mask") == "not_worn")).then(pl.lit("worn")).otherwise(flipped).alias("mask")
    write_manifest(out / "s.parquet", replace(made, table=made.table.with_columns(other)))


def lose_a_label(_: Path, out: Path) -> None:
    made = read_manifest(out / "s.parquet")
    kept = pl.when(pl.int_range(pl.len()) != 0).then(pl.col("gender")).alias("gender")
    write_manifest(out / "s.parquet", replace(made, table=made.table.with_columns(kept)))


def move_an_age(_: Path, out: Path) -> None:
    made = read_manifest(out / "s.parquet")
    older = pl.col("age_years") + (pl.int_range(pl.len()) == 5).cast(pl.Float32) / 4
    write_manifest(out / "s.parquet", replace(made, table=made.table.with_columns(older.alias("age_years"))))


def lose_a_photo(_: Path, out: Path) -> None:
    made = read_manifest(out / "s.parquet")
    write_manifest(out / "s.parquet", replace(made, table=made.table[1:]))


def touch_an_original(given: Path, _: Path) -> None:
    photo = next((given / "photos").rglob("mask1.jpg"))
    photo.write_bytes(photo.read_bytes() + b"\0")


def delete_an_original(given: Path, _: Path) -> None:
    next((given / "photos").rglob("mask2.jpg")).unlink()


def leave_a_file(given: Path, _: Path) -> None:
    (given / "photos" / "thumbs.db").write_bytes(b"")


def edit_the_manifest(given: Path, _: Path) -> None:
    made = read_manifest(given / "all.parquet")
    write_manifest(given / "all.parquet", replace(made, stage="edited"))


@pytest.mark.parametrize(
    ("breach", "told"),
    [
        pytest.param(flip_a_label, r"^1 labels changed that nobody ruled on: .* mask: ", id="a label flipped"),
        pytest.param(lose_a_label, r"^1 labels changed .* gender: (fe)?male is gone$", id="a label lost"),
        pytest.param(move_an_age, r"^1 labels changed .* age_years: [\d.]+ is [\d.]+$", id="an age moved"),
        pytest.param(lose_a_photo, r"^4 labels changed .* is gone", id="a photo lost"),
        pytest.param(touch_an_original, r"^files .* not as they were: photos/.*mask1\.jpg$", id="a photo touched"),
        pytest.param(delete_an_original, r"^files .* not as they were: photos/.*mask2\.jpg$", id="a photo deleted"),
        pytest.param(leave_a_file, r"^files .* not as they were: photos/thumbs\.db$", id="a file left there"),
        pytest.param(edit_the_manifest, r"^files .* not as they were: all\.parquet$", id="the manifest edited"),
    ],
)
def test_a_breach_is_caught(
    breach: Callable[[Path, Path], None], told: str, given: Path, labels: Labels, tmp_path: Path
) -> None:
    own = tmp_path / "given"
    own.mkdir()
    for name in ("photos", "all.parquet"):
        copy = shutil.copytree if (given / name).is_dir() else shutil.copy2
        copy(given / name, own / name)
    ran, out = RUNS["split"][0], tmp_path / "out"
    out.mkdir()
    with pytest.raises(Breach, match=told):
        run_checked(ran, own, out, labels=labels, breach=breach)


def test_a_ruling_that_is_not_applied_is_caught(given: Path, labels: Labels, tmp_path: Path) -> None:
    unruled = replace(RUNS["split"][0], ruled=True)
    with pytest.raises(Breach, match=r"^2 labels changed .* mask: incorrect is worn"):
        run_checked(unruled, given, tmp_path, labels=labels)
    assert trifacet("apply", given / "split.parquet", "--decisions", given / "rulings.csv").status != 0  # needs --out
