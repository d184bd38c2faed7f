from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from trifacet.core.errors import RunError
from trifacet.core.files import sha256_json
from trifacet.core.recipe import Recipe
from trifacet.core.run import (
    Best,
    RunInfo,
    create_run,
    machine,
    now,
    numbered,
    open_finished_run,
    open_run,
    save_run,
    versions,
)
from trifacet.core.schema import DEFAULT_SCHEMA

NOT_A_RUN = "Pass the folder that `trifacet train --out` made."


def about(name: str = "first") -> RunInfo:
    return RunInfo(
        name=name,
        created=now(),
        seed=0,
        recipe=Recipe(schema={"age_edges": [29, 58]}),
        label_schema=DEFAULT_SCHEMA,
        priors={"gender": (0.4, 0.6)},
        n_photos={"train": 10},
        n_persons={"train": None},
        versions=versions(),
        machine=machine(),
    )


def test_a_new_run_holds_its_recipe_and_schema_and_opens_again(tmp_path: Path) -> None:
    run = create_run(tmp_path / "runs" / "first", about())
    assert sorted(p.name for p in run.path.iterdir()) == ["recipe.yaml", "run.json", "schema.yaml"]
    assert yaml.safe_load((run.path / "recipe.yaml").read_text())["schema"] == {"age_edges": [29, 58]}
    assert yaml.safe_load((run.path / "schema.yaml").read_text())["attributes"][1]["name"] == "gender"
    again = open_run(run.path)
    assert again == run == open_run(str(run.path))
    assert repr(again) == f"Run('{run.path}', running)"
    assert again.info.status == "running"
    assert again.info.versions["python"].count(".") == 2


def test_a_runs_fingerprint_is_its_settings_and_not_the_keys_that_a_version_has() -> None:
    run = about()
    said = {"recipe": {"label_schema": {"age_edges": [29, 58]}}, "inputs": {}, "seed": 0, "created": run.created}
    assert run.fingerprint == sha256_json(said)[:16]
    others = [Recipe(), Recipe(schema={"age_edges": [29, 58]}, train={"epochs": 5})]
    assert len({run.fingerprint, *(run.model_copy(update={"recipe": other}).fingerprint for other in others)}) == 3


def test_changes_are_saved_at_once_and_the_old_value_stays_as_it_was(tmp_path: Path) -> None:
    run = create_run(tmp_path / "first", about())
    changed = save_run(run, status="finished", best=Best(epoch=3, macro_f1=0.5))
    assert run.info.status == "running"
    assert open_finished_run(run.path) == changed
    assert changed.info.best == Best(epoch=3, macro_f1=0.5)


def test_a_run_names_its_files(tmp_path: Path) -> None:
    run = create_run(tmp_path / "first", about())
    names = [run.manifest_path, run.metrics_path, run.weights_path("best"), run.weights_path("last")]
    names += [run.predictions_path("val"), run.decision_path]
    assert [p.relative_to(run.path).as_posix() for p in names] == [
        "manifest.parquet",
        "metrics.jsonl",
        "weights/best.safetensors",
        "weights/last.safetensors",
        "predictions/val.parquet",
        "decision.json",
    ]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_taken_place_is_refused_and_left_alone(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "taken"
    kept = place / "mine.txt" if kind == "folder" else place
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("mine")
    with pytest.raises(RunError) as caught:
        create_run(place, about())
    assert str(caught.value) == (
        f"TRI402 {place}: this place is taken. "
        "Choose another --out (`train --name` numbers runs by itself); a folder is never overwritten."
    )
    assert kept.read_text() == "mine"
    assert len(list(tmp_path.rglob("*"))) == (2 if kind == "folder" else 1)


def test_an_empty_folder_is_not_taken(tmp_path: Path) -> None:
    assert create_run(tmp_path, about()).path == tmp_path


def test_runs_of_one_name_are_numbered_after_the_last(tmp_path: Path) -> None:
    assert numbered(tmp_path / "none", "a") == tmp_path / "none" / "a"
    assert numbered(tmp_path, "a").name == "a"
    for taken, following in (("a", "a2"), ("a2", "a3"), ("a9", "a10"), ("ab12", "a10"), ("a10", "a11")):
        (tmp_path / taken).mkdir()
        assert numbered(tmp_path, "a").name == following


def test_an_unfinished_run_is_refused_with_the_line_that_goes_on(tmp_path: Path) -> None:
    run = create_run(tmp_path / "first", about())
    for status in ("running", "interrupted", "failed"):
        save_run(run, status=status)
        with pytest.raises(RunError) as caught:
            open_finished_run(run.path)
        assert str(caught.value) == (
            f"TRI401 {run.path}: this run is not finished, got status {status}. "
            f"Finish it with `trifacet train --resume {run.path}`."
        )


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    def refusal() -> str:
        with pytest.raises(RunError) as caught:
            open_run(tmp_path)
        return str(caught.value)

    about_path = tmp_path / "run.json"
    assert refusal() == f"TRI400 {tmp_path}: no run here (a run directory holds run.json). {NOT_A_RUN}"
    about_path.write_text("{")
    assert refusal().startswith(f"TRI400 {about_path}: cannot be read as JSON, got Expecting property name")
    content = about().model_dump(mode="json", by_alias=True)
    about_path.write_text(json.dumps({**content, "seed": "x", "colour": "red"}))
    assert refusal() == f"TRI400 {tmp_path}: run.json is not of this trifacet, got seed, colour. {NOT_A_RUN}"
    about_path.write_text(json.dumps({**content, "format": 2, "colour": "red"}))
    assert refusal() == f"TRI400 {tmp_path}: run format 2 is newer than this trifacet. Update trifacet."
