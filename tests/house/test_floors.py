"""The floors hold, and the contracts that say so can break."""

from __future__ import annotations

import graphlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from tests.house.sources import PACKAGE, ROOT

LINT = Path(sys.executable).parent / "lint-imports"


def lint_imports(src: Path) -> subprocess.CompletedProcess[str]:
    command = [LINT, "--config", ROOT / "pyproject.toml", "--no-cache", "--no-logo"]
    env = {**os.environ, "PYTHONPATH": str(src), "COLUMNS": "200"}
    return subprocess.run(command, cwd=src, env=env, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package's code in a folder where it may be spoiled."""
    shutil.copytree(PACKAGE, tmp_path / "trifacet", ignore=shutil.ignore_patterns("weights", "__pycache__"))
    for room in ("core", "data", "learn"):
        (tmp_path / "trifacet" / room).mkdir(exist_ok=True)
        (tmp_path / "trifacet" / room / "__init__.py").touch()
    return tmp_path


def test_every_folder_of_modules_is_a_package() -> None:
    # import-linter does not see a folder without __init__.py, nor does the wheel promise to.
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert [str(f.relative_to(PACKAGE)) for f in sorted(folders) if not (f / "__init__.py").exists()] == []


def test_imports_point_down() -> None:
    told = lint_imports(PACKAGE.parent)
    assert told.returncode == 0, told.stdout
    assert "0 broken" in told.stdout


@pytest.mark.parametrize(
    ("file", "line", "broken"),
    [
        pytest.param("core/spoiled.py", "import trifacet.data", "floors", id="the ground imports a room"),
        pytest.param("data/spoiled.py", "import trifacet.learn", "floors", id="a room imports a room"),
        pytest.param("spoiled.py", "", "floors", id="a module on no floor"),
        pytest.param("data/spoiled.py", "import torch", "only learn", id="torch outside learn"),
        pytest.param("data/spoiled.py", "def f():\n    import torch", "only learn", id="torch late outside learn"),
        pytest.param("learn/spoiled.py", "import onnxruntime", "only ship", id="an engine outside ship"),
        pytest.param("data/spoiled.py", "import optuna", "only a search", id="Optuna outside a search"),
        pytest.param("data/spoiled.py", "import httpx", "only serve", id="an HTTP library outside serve"),
        pytest.param("core/spoiled.py", "import rich", "the ground", id="the ground prints"),
    ],
)
def test_contracts_break(copy: Path, file: str, line: str, broken: str) -> None:
    (copy / "trifacet" / file).write_text(f"{line}\n", encoding="utf-8")
    told = lint_imports(copy)
    assert told.returncode == 1
    assert [row for row in told.stdout.splitlines() if row.startswith(broken) and "BROKEN" in row], told.stdout


def test_no_module_imports_itself_in_a_circle() -> None:
    graph = grimp.build_graph("trifacet", cache_dir=None)
    wanted = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(list(graphlib.TopologicalSorter(wanted).static_order())) == len(wanted)
