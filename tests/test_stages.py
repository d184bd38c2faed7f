from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import trifacet
from tests.flow.command import TINY
from tests.flow.photos import World, write_world
from trifacet.core.errors import RunError
from trifacet.core.manifest import Manifest, write_manifest
from trifacet.core.run import Run, open_run
from trifacet.learn.train import Tick

SETS = tuple(word for word in TINY if word != "--set")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return write_world(tmp_path_factory.mktemp("world"), n_train=12, n_eval=2, n_unread=1)


@pytest.fixture(scope="module")
def data(world: World) -> Manifest:
    return trifacet.split(trifacet.ingest([world.train_dir]).manifest, val=0.25)


@pytest.fixture(scope="module")
def run(data: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    sets = [*SETS, "decide.fit=argmax"]
    return trifacet.train("quick", data=data, out=tmp_path_factory.mktemp("run") / "first", sets=sets)


def stop_at_once(tick: Tick) -> None:
    raise KeyboardInterrupt


def test_a_manifest_is_written_only_where_it_is_asked_for(world: World, tmp_path: Path) -> None:
    before = sorted(world.train_dir.parent.rglob("*"))
    found = trifacet.ingest([world.train_dir])
    assert len(found.manifest) == 84
    assert sorted(world.train_dir.parent.rglob("*")) == before
    trifacet.ingest([world.train_dir], tmp_path / "m.parquet")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.parquet", "m.rejects.csv"]
    assert trifacet.read_manifest(tmp_path / "m.parquet").table.equals(found.manifest.table)


def test_a_training_that_fails_says_why_in_its_run(data: Manifest, tmp_path: Path) -> None:
    sets = [*SETS, "optim.lr=1.0e+30", "optim.head_lr=1.0e+30", "optim.clip_norm=null"]
    with pytest.raises(RunError, match="TRI405") as caught:
        trifacet.train("quick", data=data, out=tmp_path / "run", sets=sets)
    info = open_run(tmp_path / "run").info
    assert (info.status, info.problem) == ("failed", str(caught.value))


def test_a_start_that_is_no_run_leaves_nothing_behind(data: Manifest, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="TRI400"):
        trifacet.train("quick", data=data, out=tmp_path / "run", sets=SETS, init=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_resumed_run_begins_with_the_weights_that_it_was_given(data: Manifest, run: Run, tmp_path: Path) -> None:
    """Stopped before its first whole epoch, so that no checkpoint knows them."""
    whole = trifacet.train("quick", data=data, out=tmp_path / "whole", sets=SETS, init=run.path)
    with pytest.raises(KeyboardInterrupt):
        trifacet.train("quick", data=data, out=tmp_path / "run", sets=SETS, init=run.path, on_tick=stop_at_once)
    assert open_run(tmp_path / "run").info.status == "interrupted"
    resumed = trifacet.resume(tmp_path / "run")
    assert resumed.weights_path("last").read_bytes() == whole.weights_path("last").read_bytes()
    cold = trifacet.train("quick", data=data, out=tmp_path / "cold", sets=SETS)
    assert cold.weights_path("last").read_bytes() != whole.weights_path("last").read_bytes()


def test_a_resumed_run_refuses_weights_that_changed_since(data: Manifest, run: Run, tmp_path: Path) -> None:
    start = trifacet.train("quick", data=data, out=tmp_path / "start", sets=SETS, init=run.path)
    with pytest.raises(KeyboardInterrupt):
        trifacet.train("quick", data=data, out=tmp_path / "run", sets=SETS, init=start.path, on_tick=stop_at_once)
    start.weights_path("best").write_bytes(run.weights_path("best").read_bytes())
    with pytest.raises(RunError) as caught:
        trifacet.resume(tmp_path / "run")
    assert str(caught.value) == (
        f"TRI403 {tmp_path}/start: the weights that this run started from have changed. Check the path and the model "
        "named in the recipe."
    )


def test_argmax_keeps_the_class_shares_of_training(run: Run, world: World, tmp_path: Path) -> None:
    """They stand beside a submission's, and fill the photos that could not be read."""
    assert trifacet.read_decision(run.decision_path).priors == run.info.priors
    answers = trifacet.predict(run.path, world.eval_dir, out=tmp_path / "a.parquet", rule="argmax")
    assert answers.decision is not None
    assert (answers.decision.tau, answers.decision.priors) == ({}, run.info.priors)
    made = trifacet.submit(tmp_path / "a.parquet", world.eval_dir / "info.csv", out=tmp_path / "o.csv", fill=True)
    assert [name for name, _ in made.unread] == list(world.unread)
    assert {share.prior for share in made.shares["gender"]} == set(run.info.priors["gender"])


def test_photos_that_are_dropped_are_not_trained_on(data: Manifest, tmp_path: Path) -> None:
    first = data.split("train").photo_ids[0]
    dropped = pl.when(pl.col("photo_id") == first).then(pl.lit("blurred")).otherwise(pl.col("dropped_because"))
    table = data.table.with_columns(dropped.alias("dropped_because"))
    write_manifest(tmp_path / "m.parquet", trifacet.Manifest(table, data.schema, data.roots))
    made = trifacet.train("quick", data=tmp_path / "m.parquet", out=tmp_path / "run", sets=SETS)
    assert made.info.n_photos["train"] == len(data.split("train")) - 1
    assert first not in trifacet.read_manifest(made.manifest_path).photo_ids


def test_every_photo_of_a_folder_is_in_the_predictions_and_what_is_left_out_is_told(
    world: World, run: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "photos" / "000001_femal_Asian_18"
    folder.mkdir(parents=True)
    photo = next(world.train_dir.rglob("*.jpg")).read_bytes()
    for name in ("mask1.jpg", "holiday.jpg"):
        (folder / name).write_bytes(photo)
    (folder / "normal.jpg").write_text("this is no photo")
    (folder / "notes.txt").write_text("about")
    told: list[str] = []
    made = trifacet.predict(run.path, folder.parent, tell=told.append)
    assert dict(zip(made.ids, made.errors, strict=True)) == {
        f"{folder.name}/holiday.jpg": None,
        f"{folder.name}/mask1.jpg": None,
        f"{folder.name}/normal.jpg": "wrong_type",
    }
    assert told == ["left out: 1 sidecar or table"]
    with pytest.raises(trifacet.TrifacetError) as caught:
        trifacet.predict(run.path, folder.parent, splits=["val"])
    assert str(caught.value) == f"TRI205 {folder.parent}: no split 'val' in a folder. Pass its split manifest."
    with pytest.raises(trifacet.TrifacetError) as caught:
        trifacet.predict(run.path, tmp_path / "nowhere")
    assert str(caught.value) == f"TRI202 {tmp_path}/nowhere: no such folder or manifest. Check the path."


def test_predictions_on_one_split_of_a_manifest_are_of_that_split(data: Manifest, run: Run, tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.parquet", data)
    made = trifacet.predict(run.path, tmp_path / "m.parquet", splits=["val"])
    assert list(made.ids) == data.split("val").photo_ids
    told = {"tset": "there are train, val. Take one of them.", "vall": "there are train, val. Did you mean 'val'?"}
    for name, remedy in told.items():
        with pytest.raises(trifacet.TrifacetError) as caught:
            trifacet.predict(run.path, tmp_path / "m.parquet", splits=[name])
        assert str(caught.value) == f"TRI205 {tmp_path}/m.parquet: no split '{name}'; {remedy}"
