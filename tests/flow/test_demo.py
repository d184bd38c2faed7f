"""What a newcomer runs first, on every Python that is supported."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest

from tests.house.sources import ROOT

LEFT = (
    "report.html",
    "answers.html",
    "answers.parquet",
    "output.csv",
    "run/report/index.html",
    "photos/train/train.csv",
)


def find_python(version: str) -> str | None:
    """An interpreter of this version on the PATH or under pyenv."""
    found = shutil.which(f"python{version}")
    if found and subprocess.run([found, "--version"], capture_output=True).returncode == 0:
        return found
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    return next((str(p) for p in sorted(kept.glob(f"{version}.*/bin/python{version}"))), None)


@pytest.mark.prove
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_each_supported_python_installs_and_runs_the_demo(version: str, tmp_path: Path) -> None:
    python = find_python(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    venv, out = tmp_path / "venv", tmp_path / "demo"
    subprocess.run(["make", "setup", f"PYTHON={python}", f"VENV={venv}"], cwd=ROOT, check=True)
    told = subprocess.run(
        [venv / "bin/trifacet", "demo", "--people", "20", "--out", out], capture_output=True, text=True
    )
    assert (told.returncode, "Traceback" in told.stderr) == (0, False), told.stderr
    assert [name for name in LEFT if not (out / name).exists()] == []
    assert pl.read_csv(out / "output.csv").shape == (140, 2)
