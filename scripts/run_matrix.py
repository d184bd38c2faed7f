"""Runs the ordinary suite on each supported Python that this machine has, and says which were skipped and why."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def supported() -> list[str]:
    """The versions that the package's classifiers name, such as `3.12`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [found.group(1) for line in project["classifiers"] if (found := re.search(r":: Python :: (3\.\d+)$", line))]


def interpreter(version: str) -> str:
    """The path of a Python of this version that runs, from PATH or pyenv; "" where there is none."""
    kept = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for python in (shutil.which(f"python{version}"), *sorted(kept.glob(f"{version}.*/bin/python"))):
        if python:  # which may be a shim that only says how to choose a version
            told = subprocess.run([python, "--version"], capture_output=True, text=True, check=False).stdout
            if told.startswith(f"Python {version}."):
                return str(python)
    return ""


def run(version: str, python: str, *, venv: Path, words: list[str]) -> tuple[bool, list[str]]:
    """Whether the suite passed on `python` in an environment at `venv`, and what it says of it: skips, and its end."""
    if subprocess.run([python, ROOT / "scripts" / "set_up.py", "--venv", venv], check=False).returncode:
        return False, ["the environment could not be made"]
    command = [str(venv / "bin" / "python"), "-m", "pytest", "-q", "--dist", "worksteal", *words]
    lines = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as suite:
        for line in suite.stdout or ():
            print(f"{version}  {line}", end="", flush=True)
            lines.append(line.strip())
    told = [line for line in lines if line.startswith(("SKIPPED", "FAILED", "ERROR"))]
    return suite.returncode == 0, [*told, *lines[-1:]]


def main() -> None:
    """Leaves with 1 when the suite fails on any Python; one that is not here is no failure."""
    parser = argparse.ArgumentParser(description=__doc__, epilog="What else is given goes to pytest.")
    parser.add_argument("--venvs", default=".venv-{version}", help="where the environments are (default: %(default)s)")
    asked, words = parser.parse_known_args()
    told, is_good = {}, True
    for version in supported():
        if python := interpreter(version):
            passed, told[version] = run(version, python, venv=Path(asked.venvs.format(version=version)), words=words)
            is_good &= passed
        else:
            told[version] = [f"skipped: this machine has no Python {version}"]
    print(*(f"{version}  {line}" for version, lines in told.items() for line in lines), sep="\n")
    sys.exit(not is_good)


if __name__ == "__main__":
    main()
