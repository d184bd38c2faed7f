"""The bench runs, on next to nothing; what it measures there means nothing."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from PIL import Image
from pydantic import ValidationError

from bench.__main__ import main
from bench.figures import ROOT, Figure, add_to_history, figure, new_entry, read_history
from bench.memory import ROW_WORKS, WORKS
from bench.page import page
from bench.peers import official
from bench.rounds import Ratio, figures_of, rates_of
from trifacet.data.drawn import draw_dataset
from trifacet.stages import train

# Pillow is measured as people use it, without closing what they open.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")

TINY = ["data.image_size=[32, 32]", "model.backbone=baseline_cnn", "train.epochs=1", "train.head_epochs=0"]

PEER = """
import argparse, csv, pathlib
import torch
parser = argparse.ArgumentParser()
for name in ("data_dir", "model_dir", "output_dir"):
    parser.add_argument(f"--{name}", type=pathlib.Path)
asked = parser.parse_args()
weights = torch.load(asked.model_dir / "best.pth")
rows = list(csv.DictReader((asked.data_dir / "info.csv").open()))
with (asked.output_dir / "output.csv").open("w") as out:
    print("ImageID,ans", *[f"{row['ImageID']},{len(weights)}" for row in rows], sep="\\n", file=out)
"""


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bench") / "drawn"
    return draw_dataset(folder, n_train_people=4, n_eval_people=1, size_px=(48, 64), workers=1).train_dir


def run_bench(*words: str | Path, folder: Path) -> list[Figure]:
    always = ["--rounds", "1", "--seconds", "0", "--history", folder / "history.jsonl", "--page", folder / "page.html"]
    return main([str(word) for word in (*words, *always)])


def test_reading_and_ingesting_are_measured_kept_and_shown(drawn: Path, tmp_path: Path) -> None:
    figures = run_bench("cache", "ingest", "--photos", drawn, folder=tmp_path)
    promised = {f.name: f.must for f in figures if f.must}
    assert promised["cache read : official chain, one core, own photos"] == 100
    assert promised["ingest : Pillow decode, the command, own photos"] == 1.7
    assert all(f.low > 0 for f in figures)
    (kept,) = read_history(tmp_path / "history.jsonl")
    assert (kept.figures, kept.photos) == (tuple(figures), "own")
    shown = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "cache read : official chain, one core, own photos" in shown
    assert str(drawn) not in shown + (tmp_path / "history.jsonl").read_text(encoding="utf-8")


def test_predicting_is_measured_beside_the_official_script_and_a_peer_folder(drawn: Path, tmp_path: Path) -> None:
    run = train("quick", data=drawn, out=tmp_path / "run", sets=[*TINY, "track.tensorboard=false"])
    (tmp_path / "peer").mkdir()
    (tmp_path / "peer" / "inference.py").write_text(PEER, encoding="utf-8")
    options = ["--photos", drawn, "--model", run.path, "--n-photos", "5", "--peer", tmp_path / "peer"]
    figures = run_bench("predict", *options, folder=tmp_path)
    assert {f.n for f in figures} == {5}
    assert [f.name for f in figures if f.must == 3] == [
        f"trifacet predict{fast} : {peer}, own photos"
        for fast in ("", " --fast")
        for peer in ("official inference", "the peer's inference.py")
    ]


def test_every_table_that_memory_is_measured_on_is_worked_with(tmp_path: Path) -> None:
    WORKS["make"](tmp_path, 140)
    for work in ROW_WORKS:
        WORKS[work](tmp_path, 140)
    assert pl.read_parquet(tmp_path / "split.parquet")["split"].null_count() == 0


def test_the_memory_of_a_cache_is_that_of_a_process_of_its_own(tmp_path: Path) -> None:
    figures = run_bench("cache_memory", "--cache-gb", "0.02", folder=tmp_path)
    assert [f.unit for f in figures] == ["MB", "of the file"] * 2
    assert all(1 < f.median < 1000 for f in figures if f.unit == "MB")


def test_the_official_network_has_the_parameters_it_is_known_by() -> None:
    shapes = {name: tuple(value.shape) for name, value in official.BaseModel().state_dict().items() if "weight" in name}
    assert shapes == {
        "conv1.weight": (32, 3, 7, 7),
        "conv2.weight": (64, 32, 3, 3),
        "conv3.weight": (128, 64, 3, 3),
        "fc.weight": (18, 128),
    }


def test_the_official_chain_gives_normalised_tensors(tmp_path: Path) -> None:
    Image.new("RGB", (384, 512), (140, 129, 122)).save(tmp_path / "grey.png")
    photo = official.plain()(Image.open(tmp_path / "grey.png"))
    assert photo.shape == (3, *official.TRAIN_SIZE)
    assert photo.abs().max() < 0.02


def test_rounds_take_all_parts_in_turn_after_a_turn_that_does_not_count() -> None:
    done: list[str] = []
    ticks = iter(range(100))
    parts = {name: lambda name=name: (done.append(name), 6)[1] for name in ("slow", "fast")}
    rates = rates_of(parts, rounds=2, clock=lambda: next(ticks))
    assert done == ["slow", "fast"] * 3
    assert rates == {"slow": [6, 6], "fast": [6, 6]}


def test_ratios_are_taken_round_by_round() -> None:
    rates = {"slow": [1.0, 2.0, 4.0], "fast": [10.0, 10.0, 10.0]}
    *_, ratio = figures_of("cache", rates, ratios=[Ratio("fast", "slow", 5)], of="x", n=3)
    assert (ratio.low, ratio.median, ratio.high, ratio.is_met) == (2.5, 5.0, 10.0, True)


@pytest.mark.parametrize(
    ("unit", "value", "is_met"),
    [("times", 2.0, False), ("times", 3.0, True), ("MB", 2.0, True), ("MB", 4.0, False)],
)
def test_what_is_promised_is_reached_or_stayed_under(unit: str, value: float, is_met: bool) -> None:
    assert figure("cache", "x", [value], unit=unit, n=1, must=3).is_met is is_met


def test_a_figure_out_of_order_is_refused() -> None:
    with pytest.raises(ValidationError, match="expected 0 <= low <= median <= high"):
        Figure(measure="cache", name="x", unit="s", low=2, median=1, high=3, n=1, rounds=1)


def test_figures_are_drawn_over_the_runs_that_measured_them(tmp_path: Path) -> None:
    for value in (90.0, 110.0):
        figures = [figure("cache", "x", [value], unit="times", n=1, must=100)]
        add_to_history(tmp_path / "history.jsonl", new_entry(figures, photos="drawn"))
    shown = page(read_history(tmp_path / "history.jsonl"))
    assert 'aria-label="x: times by run"' in shown
    assert page(read_history(tmp_path / "history.jsonl")[:1]).count("<svg") == 0


def test_the_history_that_is_kept_can_be_read() -> None:
    history = read_history(ROOT / "bench" / "history.jsonl")
    assert [entry.date for entry in history] == sorted(entry.date for entry in history)
    assert all(entry.format == 1 and entry.commit and entry.figures for entry in history)
