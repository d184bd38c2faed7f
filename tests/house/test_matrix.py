"""Which Python `make matrix` takes for each version."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.run_matrix import interpreter, run, supported
from scripts.set_up import NEWEST, OLDEST


def write_python(path: Path, says: str, *, status: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\nexit {status}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    return tmp_path


def test_the_versions_are_those_that_the_set_up_takes() -> None:
    assert supported() == [f"3.{minor}" for minor in range(OLDEST[1], NEWEST[1] + 1)]


def test_a_python_on_the_path_is_taken(places: Path) -> None:
    python = write_python(places / "bin" / "python3.12", "Python 3.12.9")
    assert interpreter("3.12") == str(python)


def test_behind_a_shim_that_only_talks_pyenv_has_one(places: Path) -> None:
    write_python(places / "bin" / "python3.12", "pyenv: python3.12: command not found", status=127)
    python = write_python(places / "pyenv" / "versions" / "3.12.1" / "bin" / "python", "Python 3.12.1")
    assert interpreter("3.12") == str(python)


def test_where_there_is_none_it_is_said_to_be_absent(places: Path) -> None:
    write_python(places / "bin" / "python3.13", "Python 3.12.1")  # called otherwise than it is
    assert interpreter("3.13") == ""


def test_an_environment_that_cannot_be_made_is_a_failure(places: Path) -> None:
    broken = write_python(places / "bin" / "python3.12", "", status=1)
    assert run("3.12", str(broken), venv=places / "venv", words=[]) == (False, ["the environment could not be made"])
