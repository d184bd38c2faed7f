"""What `train`, `predict` and the help tell, word for word where it matters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tests.flow.command import TINY, Said, done, trifacet, write_manifest_of
from tests.flow.photos import World, write_world
from trifacet.cli import render
from trifacet.cli.tell import why_other_than_logged
from trifacet.core.manifest import read_manifest, write_manifest
from trifacet.core.recipe import DecideSection
from trifacet.core.run import Best, Run, open_run


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return write_world(tmp_path_factory.mktemp("world"), n_train=8, n_eval=2, n_unread=1)


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache in which nothing is decoded yet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRIFACET_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def trained(world: World) -> Said:
    sets = ("--set", "train.head_epochs=7", "--set", "train.epochs=1")
    return done("train", "--data", world.train_dir, "--out", world.train_dir.parent / "run", *TINY, *sets)


def test_a_log_names_each_stage_and_few_of_the_heads_epochs(trained: Said) -> None:
    parts = "train 42 photos of 6 people, val 14 photos of 2 people"
    lines = [re.sub(r"val macro F1 0\.\d{3}", "F1", line).rstrip() for line in trained.err.splitlines()]
    assert [re.sub(r"[\d,]+ images/s", "speed", line) for line in lines] == [
        "looking at photos",
        f"Note the data had no split, so they were divided here: {parts}; `trifacet split` gives control",
        "decoding photos",
        "computing features",
        "  head 5/7         F1",
        "  head 7/7         F1",
        "  whole net 1/1    F1  speed",
        "predicting val",
    ]


def test_a_finished_run_says_why_its_table_differs_from_its_log(trained: Said, world: World) -> None:
    run = open_run(world.train_dir.parent / "run")
    run = Run(run.path, run.info.model_copy(update={"best": Best(epoch=15, macro_f1=0.658)}))
    assert why_other_than_logged(run, {"value": 0.642}) == (
        "epoch 15 had 0.658 on val by the most probable class; the table is with the mirrored photo averaged in and "
        "the run's decision rule"
    )
    assert why_other_than_logged(run, {"value": 0.6581}) == ""
    assert why_other_than_logged(run, None) == ""
    for tta, fit, words in (
        ("none", "auto", "the run's decision rule"),
        ("crops", "argmax", "the views of tta crops averaged in"),
    ):
        plain = run.info.recipe.model_copy(update={"decide": DecideSection(tta=tta, fit=fit)})
        run = Run(run.path, run.info.model_copy(update={"recipe": plain}))
        assert why_other_than_logged(run, {"value": 0.642}).endswith(f"; the table is with {words}")


def test_where_no_photo_has_every_label_the_attributes_are_told(world: World, tmp_path: Path) -> None:
    made = read_manifest(write_manifest_of(world.train_dir))
    is_even = pl.int_range(pl.len()) % 2 == 0
    half = made.table.with_columns(
        pl.when(is_even).then(pl.col("gender")).alias("gender"), pl.when(~is_even).then(pl.col("mask")).alias("mask")
    )
    write_manifest(tmp_path / "half.parquet", replace(made, table=half))
    said = done("train", "--data", tmp_path / "half.parquet", "--out", tmp_path / "run", *TINY)
    rows = {m[1]: m[2] for m in re.finditer(r"^(val(?: \w+)?) +(-|\d\S+)", said.out, re.MULTILINE)}
    assert list(rows) == ["val", "val mask", "val gender", "val age"]
    assert rows["val"] == "-"
    assert all(0 <= float(rows[f"val {name}"]) <= 1 for name in ("mask", "gender", "age"))


def test_a_csv_is_the_table_to_read(trained: Said, world: World, tmp_path: Path) -> None:
    run = world.train_dir.parent / "run"
    said = done("predict", run, world.eval_dir, "--out", tmp_path / "answers.csv")
    assert f"Note {tmp_path}/answers.csv is for reading; evaluate and submit want a .parquet, with the" in said.err
    table = pl.read_csv(tmp_path / "answers.csv")
    assert table.columns == ["photo_id", "ans", "mask", "gender", "age", "age_years", "confidence", "error"]
    assert table.height == 14
    assert table.filter(pl.col("ans").is_null())["error"].to_list() == ["truncated"]
    assert set(table["mask"].drop_nulls()) <= {"worn", "incorrect", "not_worn"}


def test_a_long_title_is_not_wrapped_at_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    title = "a title that is much longer than the table below it, " * 3
    render.show(title.strip(), ("", "#n"), [("one", 1)])
    assert title.strip() in capsys.readouterr().out.splitlines()


def test_help_shows_what_an_option_takes_in_capitals_and_nothing_beside_a_flag() -> None:
    for words in (["train"], ["evaluate"], ["ingest"], ["cache", "list"], []):
        said = done(*words, "--help").out
        assert re.findall(r"<\w+>|\[\[|\{\w+", said) == []
    assert re.search(r"--by-row +The truth has no ids", done("evaluate", "--help").out)
    assert re.search(r"--truth +PATH ", done("evaluate", "--help").out)
    assert "train [OPTIONS] [RECIPE]" in done("train", "--help").out
    assert "predict [OPTIONS] [RUN ... DATA]" in done("predict", "--help").out
    assert "ingest [OPTIONS] PHOTOS..." in done("ingest", "--help").out


def test_an_option_that_is_no_setting_either_is_answered_with_the_nearest() -> None:
    said = trifacet("train", "--dat", "x")
    assert said.status == 2
    assert "No such option: --dat (Possible options: --data" in said.err


def test_config_show_lists_the_choices_of_a_key() -> None:
    said = " ".join(done("config", "show").out.split())
    assert "one answer per attribute, or one for all 18 classes jointly (per_attribute | joint)" in said
