"""What the process of a queue's job makes of its recipe, and how it says that it ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.flow.command import done
from tests.flow.photos import write_world
from trifacet.cli.job import outcome
from trifacet.core.run import open_run

RECIPE = """
model: {backbone: BACKBONE}
data: {image_size: [32, 32]}
train: {epochs: 1, head_epochs: 0, batch_size: 32, memory_format: channels_last}
track: {tensorboard: false}
report: {pictures: false}
"""
NET = """
from torch import nn

class Net(nn.Conv2d):
    n_features = 1

    def forward(self, x):
        return 1 / 0

def net(**_):
    return Net(3, 1, 1)
"""


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("job")
    world = write_world(root / "photos", n_train=8, n_eval=0)
    done("ingest", world.train_dir, "--out", root / "m.parquet", "--workers", 1)
    return root / "m.parquet"


def trained(recipe: Path, run: Path, manifest: Path, *, backbone: str = "baseline_cnn") -> tuple[int, str]:
    recipe.write_text(RECIPE.replace("BACKBONE", backbone), encoding="utf-8")
    return outcome(["train", str(recipe), str(run), str(manifest)])


def test_a_run_that_was_killed_before_it_was_whole_is_begun_anew_and_a_finished_one_left(
    tmp_path: Path, manifest: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.yaml").write_text("train: {}\n")
    assert trained(tmp_path / "a.YML", run, manifest) == (0, "")
    first = open_run(run).info
    assert first.status == "finished"
    assert trained(tmp_path / "a.YML", run, manifest) == (0, "")
    assert open_run(run).info == first


def test_a_full_disk_pauses_a_job(tmp_path: Path, manifest: Path, mount_disk: Callable[[str], Path]) -> None:
    status, problem = trained(tmp_path / "a.yaml", mount_disk("400k") / "run", manifest)
    assert status == 12
    assert problem.startswith("TRI904 ")


def test_a_crash_is_told_in_a_line_and_in_the_log(
    tmp_path: Path, manifest: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my_own_net.py").write_text(NET, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    said = trained(tmp_path / "a.yaml", tmp_path / "run", manifest, backbone="my_own_net:net")
    assert said == (1, "ZeroDivisionError: division by zero")
    assert "Traceback" in capsys.readouterr().err
