from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from trifacet.cli.doctor import doctor
from trifacet.doctor import (
    Extra,
    Finding,
    examine,
    find_extras,
    find_packages,
    ill_fitting,
    memory_bytes,
    probe_torch,
    torch_notes,
    torch_problems,
    usable_cores,
)

EXTRAS = ("audit", "background", "faces", "mlflow", "review", "search", "train", "wandb")
PAIR = (
    "Install both from one place, in one command: `uv pip install --reinstall --torch-backend auto torch torchvision`, "
    "with `cpu` in place of `auto` for the CPU-only builds."
)
GPU = {"name": "cuda:0", "what": "a GPU", "memory_bytes": 8_000_000_000}
# A torch as far as the doctor looks at one, and the ways in which real ones fail.
TORCH = """
class version: cuda = {cuda}
class cuda:
    is_available = staticmethod(lambda: False)
class backends:
    class mps: is_available = staticmethod(lambda: False)
"""


@pytest.fixture
def neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that shadows the installed torch and torchvision in the doctor's second interpreter."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for name in ("torch", "torchvision"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(TORCH.format(cuda=None))
    return tmp_path


def test_a_pair_that_fits_is_no_problem(neighbours: Path) -> None:
    told = probe_torch()
    assert told == {"failed": {}, "cuda_build": None, "devices": []}
    assert torch_problems(told) == torch_notes(told) == ()


def test_torch_beside_a_foreign_torchvision_is_recognised(neighbours: Path) -> None:
    fault = "raise RuntimeError('operator torchvision::nms does not exist')"
    (neighbours / "torchvision/__init__.py").write_text(fault)
    what = (
        "torch and torchvision were not built for each other (RuntimeError: operator torchvision::nms does not exist)."
    )
    assert torch_problems(probe_torch()) == (Finding(what, PAIR),)


def test_a_torch_that_cannot_be_imported_is_told_once(neighbours: Path) -> None:
    (neighbours / "torch/__init__.py").write_text("raise OSError('libcudart.so.13: cannot open shared object file')")
    (neighbours / "torchvision/__init__.py").write_text("import torch")
    what = "torch cannot be imported (OSError: libcudart.so.13: cannot open shared object file)."
    assert torch_problems(probe_torch()) == (Finding(what, PAIR),)


def test_a_torch_that_ends_the_interpreter_does_not_end_the_doctor(neighbours: Path) -> None:
    (neighbours / "torch/__init__.py").write_text("import os\nos.abort()")
    (found,) = torch_problems(probe_torch())
    assert found.what.startswith("torch cannot be imported (the interpreter ended with status -6")


@pytest.mark.prove  # imports torch and torchvision
def test_the_installed_pair_is_looked_at_in_earnest() -> None:
    told = probe_torch()
    assert told["failed"] == {}
    assert isinstance(told["devices"], list)


@pytest.mark.parametrize(
    ("told", "n_notes"),
    [
        pytest.param({"cuda_build": "13.2", "devices": []}, 1, id="CUDA libraries, no GPU"),
        pytest.param({"cuda_build": "13.2", "devices": [GPU]}, 0, id="CUDA libraries and a GPU"),
        pytest.param({"cuda_build": None, "devices": []}, 0, id="CPU build"),
        pytest.param({}, 0, id="no torch"),
    ],
)
def test_cuda_without_a_gpu_is_noted(told: dict[str, object], n_notes: int) -> None:
    assert len(torch_notes(told)) == n_notes


def test_what_the_base_lacks_is_a_problem_and_what_an_extra_lacks_is_none() -> None:
    packages = find_packages(
        [
            "numpy>=2",
            "no-such-package>=1",
            "no-such-engine ; extra == 'serve'",
            "pytest ; extra == 'serve'",
            "rich<1 ; extra == 'train'",
            "colorama ; sys_platform == 'never'",
        ]
    )
    assert [(p.name, p.fits, p.extra) for p in packages] == [
        ("numpy", True, ""),
        ("no-such-package", False, ""),
        ("no-such-engine", False, "serve"),
        ("pytest", True, "serve"),
        ("rich", False, "train"),
    ]
    assert find_extras(packages) == (
        Extra("serve", ("no-such-engine",), "pip install 'trifacet[serve]'"),
        Extra("train", (), "pip install 'trifacet[train]'"),
    )
    rich = next(p.version for p in packages if p.name == "rich")
    assert ill_fitting(packages) == (
        Finding("no-such-package is not installed, >=1 is asked for.", "pip install 'no-such-package>=1'"),
        Finding(f"rich {rich} is installed, <1 is asked for.", "pip install 'rich<1'"),
    )


def test_the_diagnosis_covers_every_package_that_trifacet_asks_for(neighbours: Path) -> None:
    diagnosis = examine()
    assert {"numpy", "polars", "torch", "timm"} <= {p.name for p in diagnosis.packages}
    assert [extra.name for extra in diagnosis.extras] == list(EXTRAS)
    assert diagnosis.devices[-1].name == "cpu"
    assert diagnosis.cache_path == str(Path(os.environ["TRIFACET_CACHE_DIR"]) / "pixels")
    assert diagnosis.problems == ()


def test_the_machine_is_counted() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
    assert (memory_bytes() or 0) > 10**8


def answer(*words: str) -> tuple[int, str]:
    app = typer.Typer()
    app.command()(doctor)
    told = CliRunner().invoke(app, words)
    return told.exit_code, told.output


def test_the_command_prints_one_json_object(neighbours: Path) -> None:
    status, text = answer("--json")
    assert status == 0
    assert json.loads(text)["extras"] == [
        {"name": name, "missing": [], "install": f"pip install 'trifacet[{name}]'"} for name in EXTRAS
    ]


def test_the_command_ends_with_1_and_the_remedy_when_something_does_not_fit(neighbours: Path) -> None:
    (neighbours / "torchvision/__init__.py").write_text("raise ImportError('x.so: undefined symbol: _ZN5torch')")
    status, text = answer()
    flat = re.sub(r"\s+", " ", text)
    assert status == 1
    assert "Problem torch and torchvision were not built for each other" in flat
    assert PAIR in flat
    assert flat.endswith("1 to mend. ")
