"""Makes the virtual environment that the Makefile works in: pip brings uv, uv brings the rest of the lock.

Runs under Python 3.7 and later, so that a wrong version is answered in words. Installs only what is missing; a second
run with nothing changed does nothing and needs no network. Every file is checked against the lock's hashes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
SIZES = ROOT / "requirements.sizes.json"
OLDEST, NEWEST = (3, 11), (3, 13)


def run(*command: str | Path) -> None:
    """Runs the command in the repository; stops the set-up in words when it fails."""
    words = [str(word) for word in command]
    if subprocess.run(words, cwd=str(ROOT), check=False).returncode:
        sys.exit(f"\nset-up stopped at: {' '.join(words)}")


def fingerprint() -> str:
    """The sha256 of what the environment is made from."""
    made_from = b"".join(path.read_bytes() for path in (LOCK, ROOT / "pyproject.toml", Path(__file__)))
    return hashlib.sha256(made_from).hexdigest()


def version_of(python: Path) -> str:
    """The version of an interpreter, for example `3.12.1`."""
    told = subprocess.run([str(python), "--version"], stdout=subprocess.PIPE, text=True, check=True)
    return told.stdout.split()[1]


def locked(name: str) -> str:
    """The lines of the lock that pin `name` with its hashes; several pins when Python's version decides."""
    found = re.findall(rf"^{name}==.*(?:\n[ ].*)*", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        sys.exit(f"{LOCK.name} does not pin {name}")
    return "\n".join(found) + "\n"


def print_sizes(venv: Path) -> None:
    """Says what the coming download and the finished environment weigh, and what the disk has left."""
    sizes = json.loads(SIZES.read_text(encoding="utf-8"))
    gb = {key: f"{sizes[key] / 1e9:.1f} GB" for key in ("download_bytes", "installed_bytes")}
    print(f"{sizes['n_packages']} packages: {gb['download_bytes']} to download (less what uv's cache holds),")
    print(f"{gb['installed_bytes']} on disk in {venv} (measured on {sizes['measured_on']}).")
    print(
        "Most of it is torch with its CUDA libraries, which Linux only gets; README.md tells how to do without.",
        flush=True,
    )
    free = shutil.disk_usage(str(venv)).free
    if free < sizes["installed_bytes"]:
        print(f"Only {free / 1e9:.1f} GB are free there: the disk may fill up.", file=sys.stderr)


def make_venv(venv: Path) -> None:
    """An environment of this Python at `venv`; one that stands is kept when its version fits."""
    python = venv / "bin" / "python"
    if not (python.exists() and (venv / "bin" / "pip").exists()):
        run(sys.executable, "-m", "venv", venv)  # Debian: needs the package python3-venv
    had, asked = version_of(python), ".".join(map(str, sys.version_info[:3]))
    if had.split(".")[:2] != asked.split(".")[:2]:
        sys.exit(f"{venv} is of Python {had}, not {asked}. Remove it, or name another: VENV=.venv-{asked}")


def main() -> None:
    """Makes or completes the environment and leaves `.trifacet-ready` in it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--venv", type=Path, default=Path(".venv"), help="where (default: .venv)")
    venv = (ROOT / parser.parse_args().venv).absolute()
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        sys.exit(
            f"trifacet needs Python 3.11, 3.12 or 3.13; {sys.executable} is {sys.version.split()[0]}.\n"
            "Name another, for example: make setup PYTHON=python3.12"
        )
    ready = venv / ".trifacet-ready"
    make_venv(venv)
    python, uv = venv / "bin" / "python", venv / "bin" / "uv"
    if not ready.exists() or ready.read_text(encoding="utf-8") != fingerprint():
        print(f"Setting up {venv} with Python {version_of(python)}.", flush=True)
        print_sizes(venv)
        first = venv / "uv.lock.txt"
        first.write_text(locked("uv"), encoding="utf-8")
        run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", first)
        os.environ.update(VIRTUAL_ENV=str(venv), UV_COMPILE_BYTECODE="1")
        run(uv, "pip", "install", "--no-deps", "--require-hashes", "-r", LOCK)  # the lock is complete
        # The build backend comes from the lock too: no network, no second environment.
        run(uv, "pip", "install", "--offline", "--no-deps", "--no-build-isolation", "--editable", ROOT)
        ready.write_text(fingerprint(), encoding="utf-8")
    ready.touch()
    print(f"{venv} is ready (Python {version_of(python)}). To use it: source {venv}/bin/activate")


if __name__ == "__main__":
    main()
