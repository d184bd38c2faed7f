"""Each feature broken on purpose, one at a time: the test that is named for it must fail."""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.faults.breaks import BREAKS, Break
from tests.house.sources import ROOT

CAUGHT, MISSED = 1, 0  # pytest's exit status; any other is a mistake of the row
PATIENCE_SECONDS = 600
SRC = ROOT / "src"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of src that may be broken; each worker of pytest has its own."""
    folder = tmp_path_factory.mktemp("breaks") / "src"
    shutil.copytree(SRC, folder, ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(folder, quiet=1)  # the one file that differs is then the only one to compile
    return folder


@pytest.fixture
def broken(copy: Path, row: Break) -> Iterator[Path]:
    """The copy with one row's break in it, and whole again afterwards."""
    kept, file = SRC / "trifacet" / row.file, copy / "trifacet" / row.file
    text = kept.read_text(encoding="utf-8")
    assert text.count(row.old) == 1
    file.write_text(text.replace(row.old, row.new), encoding="utf-8")
    try:
        yield copy
    finally:
        shutil.copy2(kept, file)  # with its date, so that what was compiled of it holds again


def outcome(
    src: Path, tests: tuple[str, ...], *, patience: float = PATIENCE_SECONDS
) -> subprocess.CompletedProcess[str]:
    """Runs these tests on the package below `src`, in a process of their own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"PYTHONPATH": str(src), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    command += [f"tests/{test}" for test in tests]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=patience, check=False
    )


def test_every_row_finds_its_text_and_its_tests() -> None:
    assert len({row.feature for row in BREAKS}) == len(BREAKS)
    strays = []
    for row in BREAKS:
        n = (SRC / "trifacet" / row.file).read_text(encoding="utf-8").count(row.old)
        strays += [f"{row.feature}: {row.file} holds its text {n} times"] * (n != 1)
        for test in row.tests:
            file, _, name = test.partition("::")
            if f"\ndef {name}(" not in (ROOT / "tests" / file).read_text(encoding="utf-8"):
                strays.append(f"{row.feature}: no test {test}")
    assert strays == []


@pytest.mark.prove
@pytest.mark.parametrize("row", BREAKS, ids=lambda row: row.feature)
def test_a_break_is_caught_by_the_test_of_its_feature(broken: Path, row: Break) -> None:
    if row.needs and find_spec(row.needs) is None:
        pytest.skip(f"its test needs {row.needs}")
    done = outcome(broken, row.tests)
    assert done.returncode != MISSED, f"not caught by {', '.join(row.tests)}"
    assert done.returncode == CAUGHT, done.stdout + done.stderr


@pytest.mark.prove
def test_nothing_is_caught_where_nothing_is_broken(copy: Path) -> None:
    named = tuple(dict.fromkeys(test for row in BREAKS for test in row.tests))
    done = outcome(copy, named, patience=6 * PATIENCE_SECONDS)  # the tests of all breaks, one after another
    assert done.returncode == MISSED, done.stdout[-4000:] + done.stderr[-4000:]
