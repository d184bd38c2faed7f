"""Builds the sdist, the wheel from that sdist, and tries the wheel in a clean environment without torch.

What is installed comes from the lock and from uv's cache, so that no network is needed after the set-up; where the
cache was emptied, uv is asked once more with the network.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from packaging.requirements import Requirement
from set_up import locked

ROOT = Path(__file__).resolve().parent.parent
UV = str(Path(sys.executable).parent / "uv")
# What a newcomer types first, the exit status, and what the answer must contain.
SMOKE = (
    (("--version",), 0, "0."),
    (("--help",), 0, "ingest"),
    (("doctor",), 0, "trifacet[train]"),
    (("recipes",), 0, "quick"),
    (("train", "quick", "--data", "manifest.parquet", "--out", "run"), 8, "trifacet[train]"),
)


def build(folder: Path) -> Path:
    """The wheel, built from the sdist, both in `folder`."""
    command = [UV, "build", "--quiet", "--offline", "--no-build-isolation", "--python", sys.executable]
    subprocess.run([*command, "--out-dir", str(folder)], cwd=ROOT, check=True)
    (sdist,) = folder.glob("*.tar.gz")
    (wheel,) = folder.glob("*.whl")
    print(
        f"built {sdist.name} ({sdist.stat().st_size / 1e6:.1f} MB), {wheel.name} ({wheel.stat().st_size / 1e6:.1f} MB)"
    )
    return wheel


def check_contents(wheel: Path) -> None:
    """Stops unless the wheel holds every file of the package (recipes, weights, templates too), and no other."""
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = subprocess.run(["git", "ls-files", "src"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    kept = {name.removeprefix("src/") for name in files.splitlines() if (ROOT / name).exists()}
    if names != kept:
        sys.exit(f"not in the wheel: {sorted(kept - names)}; in the wheel but not in git: {sorted(names - kept)}")
    data = sorted(name for name in names if not name.endswith(".py"))
    print(f"{len(names)} files as in git, among them {', '.join(data)}")


def needed(name: str, found: dict[str, str]) -> dict[str, str]:
    """`found` with the lock's lines for what `name` needs, without extras, and for what those need."""
    for line in importlib.metadata.requires(name) or ():
        wanted = Requirement(line)
        key = re.sub(r"[-_.]+", "-", wanted.name).lower()
        if key not in found and (wanted.marker is None or wanted.marker.evaluate({"extra": ""})):
            found = needed(wanted.name, {**found, key: locked(key)})
    return found


def install(wheel: Path, venv: Path) -> None:
    """A clean environment at `venv` with the wheel and the base packages of the lock."""
    base = needed("trifacet", {})
    requirements = venv.parent / "base.txt"
    requirements.write_text("".join(base.values()), encoding="utf-8")
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, str(venv)], check=True)
    env = {**os.environ, "VIRTUAL_ENV": str(venv), "UV_COMPILE_BYTECODE": "1"}
    command = [UV, "pip", "install", "--quiet", "--no-deps"]
    locked_ones = [*command, "--require-hashes", "-r", str(requirements)]
    if subprocess.run([*locked_ones, "--offline"], env=env, check=False, capture_output=True).returncode:
        print("uv's cache lacks some of it: asking the network")
        subprocess.run(locked_ones, env=env, check=True)
    subprocess.run([*command, "--offline", str(wheel)], env=env, check=True)
    subprocess.run([UV, "pip", "check"], env=env, check=True)
    print(f"installed with {len(base)} packages: {', '.join(sorted(base))}")


def smoke(venv: Path) -> None:
    """Runs what a newcomer types first; stops when one answers otherwise than it should."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    env.update(COLUMNS="200", NO_COLOR="1", TRIFACET_CACHE_DIR=str(venv.parent))
    if (
        subprocess.run(
            [venv / "bin" / "python", "-c", "import torch"], env=env, check=False, capture_output=True
        ).returncode
        == 0
    ):
        sys.exit("the clean environment has a torch: the base install must do without")
    for words, status, answer in SMOKE:
        start = time.perf_counter()
        command = [str(venv / "bin" / "trifacet"), *words]
        told = subprocess.run(command, env=env, cwd=venv.parent, check=False, capture_output=True, text=True)
        seconds = time.perf_counter() - start
        if told.returncode != status or answer not in told.stdout + told.stderr:
            sys.exit(f"trifacet {' '.join(words)}: exit {told.returncode}\n{told.stdout}{told.stderr}")
        print(f"trifacet {' '.join(words)}: exit {status}, says {answer!r}, {seconds:.2f} s")


def main() -> None:
    """Builds, looks inside, installs, tries."""
    with tempfile.TemporaryDirectory() as temp:
        wheel = build(Path(temp) / "dist")
        check_contents(wheel)
        install(wheel, Path(temp) / "venv")
        smoke(Path(temp) / "venv")


if __name__ == "__main__":
    main()
