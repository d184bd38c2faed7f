"""Asking what there is costs next to nothing: nothing heavy is imported."""

from __future__ import annotations

import json
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
