"""Rows of the same wall minutes: a recipe keeps its shape, whatever fits."""

from __future__ import annotations

from pathlib import Path

import pytest

import trifacet
from bench.budget import EPOCHS, Pace, Row, Table, drawn, fit_to, rows
from trifacet.choosing import recipe_paths
from trifacet.core.files import write_json
from trifacet.data.drawn import draw_dataset


def numbers(sets: list[str]) -> dict[str, float]:
    return {key: float(value) for key, value in (one.split("=") for one in sets)}


def test_a_recipe_is_made_to_last_as_long_as_asked_and_keeps_its_shape() -> None:
    recipe = trifacet.open_recipe("system1").settings  # 60 epochs, cycles of 20, 5 of them rising
    said = numbers(fit_to(recipe, Pace(photo=0.1, validation=6), seconds=600, n_photos=1000))
    assert said["train.epochs"] == EPOCHS
    assert said["sampler.share"] * EPOCHS * 1000 == pytest.approx((600 - EPOCHS * 6) / 0.1, rel=1e-3)
    assert (said["schedule.cycle_epochs"], said["schedule.cycle_warmup"]) == (3, 1)


def test_where_one_validation_takes_long_there_are_few() -> None:
    recipe = trifacet.open_recipe("system1").settings
    assert numbers(fit_to(recipe, Pace(photo=0.1, validation=60), seconds=600, n_photos=1000))["train.epochs"] == 2
    assert numbers(fit_to(recipe, Pace(photo=0.1, validation=500), seconds=600, n_photos=1000))["train.epochs"] == 1
    with pytest.raises(ValueError, match="one validation takes 900 of 600 seconds"):
        fit_to(recipe, Pace(photo=0.1, validation=900), seconds=600, n_photos=1000)


def test_a_recipe_that_would_be_done_sooner_keeps_its_own_length() -> None:
    recipe = trifacet.open_recipe("winner2").settings  # 40 epochs of a quarter
    said = numbers(fit_to(recipe, Pace(photo=1e-5, validation=0.1), seconds=600, n_photos=1000))
    assert said["train.epochs"] * said["sampler.share"] == pytest.approx(40 * 0.25)


def test_a_row_of_two_networks_is_one_score_and_made_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faces = draw_dataset(tmp_path / "drawn", n_train_people=9, n_eval_people=1, size_px=(48, 64), workers=1)
    whole = trifacet.ingest([faces.train_dir], tmp_path / "whole.parquet").manifest
    trifacet.split(whole, tmp_path / "split.parquet", val=0.3, test=0.3)
    tiny = (
        "model.backbone=baseline_cnn",
        "data.image_size=[32,32]",
        "train.batch_size=8",
        "train.memory_format=channels_last",
    )
    row = Row("system4", "a tiny network", tiny, (("mask", "gender"), ("age",)))
    (tmp_path / "out").mkdir()
    table = Table(tmp_path / "split.parquet", tmp_path / "out", minutes=0.02, cores=["0"])
    (made,) = table.fill([row])
    assert 0 <= made["macro_f1"]["low"] <= made["macro_f1"]["value"] <= made["macro_f1"]["high"] <= 1
    assert made["n_people"] == len(set(table.manifest.table.filter(split="test")["person_id"]))
    assert len(made["epochs_of_data"]) == 2
    kept = tmp_path / "out" / "system4-network.json"
    write_json(kept, {**made, "row": "kept"})
    assert table.fill([row])[0]["row"] == "kept"
    assert '"row": "kept"' in capsys.readouterr().out
    with pytest.raises(ValueError, match="is of other data or minutes"):
        Table(tmp_path / "split.parquet", tmp_path / "out", minutes=0.03, cores=["0"]).fill([row])


def test_without_photos_people_are_drawn_once(tmp_path: Path) -> None:
    made = drawn(tmp_path / "drawn", n_people=20)
    people = trifacet.open_data(made).table.unique("person_id")["split"]
    assert [people.to_list().count(name) for name in ("train", "val", "test")] == [8, 2, 10]
    before = made.stat().st_mtime_ns
    assert drawn(tmp_path / "drawn", n_people=20).stat().st_mtime_ns == before


def test_every_row_is_of_a_recipe_that_its_settings_fit() -> None:
    assert {row.recipe for row in rows()} == set(recipe_paths())
    for row in rows():
        for part in row.parts:
            tasks = [] if len(part) == 3 else [f"model.tasks=[{','.join(part)}]"]
            for one in trifacet.open_recipes(row.recipe, sets=[*row.sets, *tasks]).values():
                assert max(one.settings.data.image_size) <= 224
                assert (one.settings.model.pretrained is False) == row.trunk.startswith("its")
