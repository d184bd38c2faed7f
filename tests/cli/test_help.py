"""Asking what there is costs next to nothing: nothing heavy is imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

TORCH = {"torch", "torchvision", "timm", "kornia", "matplotlib", "tensorboard"}
HEAVY = TORCH | {"numpy", "polars", "PIL", "jinja2"}
CODE = """
import json, sys
from trifacet.cli.main import main
try:
    main()
except SystemExit as leave:
    status = leave.code
print(json.dumps([status, sorted(sys.modules)]), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("words", "unwanted"),
    [
        pytest.param(["--help"], HEAVY, id="--help"),
        pytest.param(["train", "--help"], HEAVY, id="train --help"),
        pytest.param(["--version"], HEAVY, id="--version"),
        pytest.param(["config", "show", "quick"], TORCH, id="config show"),
        pytest.param(["backbones"], TORCH, id="backbones"),
        pytest.param(["losses"], TORCH, id="losses"),
    ],
)
def test_asking_imports_nothing_heavy(words: list[str], unwanted: set[str]) -> None:
    said = subprocess.run([sys.executable, "-c", CODE, *words], capture_output=True, text=True, check=True)
    status, modules = json.loads(said.stderr)
    assert status == 0
    assert len(said.stdout) > 10
    assert unwanted & set(modules) == set()


@pytest.mark.parametrize("said", [pytest.param("", id="left open"), pytest.param("0", id="told not to")])
def test_a_command_asks_torch_for_huge_pages_but_where_it_is_told_not_to(said: str) -> None:
    code = f"{CODE}\nimport os\nprint(os.environ['THP_MEM_ALLOC_ENABLE'], file=sys.stderr)"
    given = {name: value for name, value in os.environ.items() if name != "THP_MEM_ALLOC_ENABLE"}
    env = given | ({"THP_MEM_ALLOC_ENABLE": said} if said else {})
    words = [sys.executable, "-c", code, "--version"]
    told = subprocess.run(words, capture_output=True, text=True, check=True, env=env)
    assert told.stderr.split()[-1] == (said or "1")
