"""What a user meets first: the names of `import trifacet`, the commands and their help, the errors."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import version

import click
import pytest

import trifacet
from tests.house.commands import commands
from tests.house.sources import PACKAGE, ROOT
from trifacet.core.errors import CATALOGUE

HEAVY = {"torch", "kornia", "torchvision", "timm", "matplotlib", "tensorboard", "sklearn", "scipy", "jinja2"}


def test_public_names_are_there() -> None:  # that they are sorted is ruff's RUF022
    assert len(set(trifacet.__all__)) == len(trifacet.__all__) > 0
    assert [name for name in trifacet.__all__ if not hasattr(trifacet, name)] == []


def test_the_version_is_that_of_the_installed_package() -> None:
    assert trifacet.__version__ == version("trifacet")


def test_public_names_say_what_they_do() -> None:
    documented = [getattr(trifacet, name) for name in trifacet.__all__ if callable(getattr(trifacet, name))]
    assert [thing.__name__ for thing in documented if not (thing.__doc__ or "").strip()] == []


@pytest.mark.parametrize("module", ["trifacet", "trifacet.cli.main"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    code = f"import {module}, json, sys; print(json.dumps(sorted(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert HEAVY & set(json.loads(told)) == set()


@pytest.mark.parametrize(("name", "command"), [pytest.param(*pair, id=pair[0]) for pair in commands()])
def test_every_command_has_help(name: str, command: click.Command) -> None:
    assert len((command.help or "").strip()) > 10
    # By shape, not by class: typer brings click's classes of its own.
    options = [p for p in command.params if p.param_type_name == "option" and not p.hidden]
    assert [o.name for o in options if not (o.help or "").strip()] == []


def test_every_error_that_is_raised_is_in_the_catalogue_and_the_other_way_round() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py") if path.name != "errors.py"}
    raised = {code for text in texts.values() for code in re.findall(r"""["'](TRI\d{3})["']""", text)}
    own = (PACKAGE / "core/errors.py").read_text(encoding="utf-8")
    raised |= set(re.findall(r"""error\(\s*["'](TRI\d{3})["']""", own))
    assert raised == set(CATALOGUE)


def test_every_error_is_seen_by_a_test() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    seen = {code for text in texts for code in re.findall(r"TRI\d{3}", text)}
    assert sorted(set(CATALOGUE) - seen) == []
