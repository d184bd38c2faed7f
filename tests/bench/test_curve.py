"""A learning curve over people: nested parts, the same test people."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import trifacet
from bench.curve import main, part_of
from trifacet.data.drawn import draw_dataset


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("curve")
    drawn = draw_dataset(home / "drawn", n_train_people=12, n_eval_people=1, size_px=(48, 64), workers=1)
    trifacet.split(trifacet.ingest([drawn.train_dir]).manifest, home / "split.parquet", val=0.25, test=0.25)
    return home / "split.parquet"


def people(manifest: trifacet.Manifest, name: str) -> set[str]:
    return set(manifest.table.filter(split=name)["person_id"])


def test_parts_hold_each_other_and_leave_val_and_test_alone(split: Path) -> None:
    whole = trifacet.read_manifest(split)
    parts = [part_of(whole, share, seed=0) for share in (0.2, 0.5, 1)]
    n = len(people(whole, "train"))
    assert [len(people(part, "train")) for part in parts] == [round(0.2 * n), round(0.5 * n), n]
    assert people(parts[0], "train") < people(parts[1], "train") < people(parts[2], "train")
    for part in parts:
        assert all(people(part, name) == people(whole, name) for name in ("val", "test"))


def test_each_point_is_trained_once_and_told(split: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny = ["model.backbone=baseline_cnn", "data.image_size=[32,32]", "train.epochs=1", "train.head_epochs=0"]
    words = [str(split), "--out", str(tmp_path / "out"), "--recipe", "quick", "--shares", "0.5", "1", "--set", *tiny]
    main(words)
    first = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [line["share"] for line in first] == [0.5, 1]
    assert first[0]["n_people"] < first[1]["n_people"] == len(people(trifacet.read_manifest(split), "train"))
    assert first[0]["n_test_people"] == first[1]["n_test_people"] == len(people(trifacet.read_manifest(split), "test"))
    trained = (tmp_path / "out" / "split-1" / "weights" / "best.safetensors").stat().st_mtime_ns
    main(words)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")] == first
    assert (tmp_path / "out" / "split-1" / "weights" / "best.safetensors").stat().st_mtime_ns == trained
