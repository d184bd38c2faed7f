"""Runs the ordinary suite on each supported Python that this machine has, and says which were skipped and why."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from set_up import NEWEST, OLDEST, ROOT


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
    for minor in range(OLDEST[1], NEWEST[1] + 1):
        version = f"3.{minor}"
        if python := interpreter(version):
            passed, told[version] = run(version, python, venv=Path(asked.venvs.format(version=version)), words=words)
            is_good &= passed
        else:
            told[version] = [f"skipped: this machine has no Python {version}"]
    print(*(f"{version}  {line}" for version, lines in told.items() for line in lines), sep="\n")
    sys.exit(not is_good)


if __name__ == "__main__":
    main()
