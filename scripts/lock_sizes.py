"""Measures what the lock weighs and writes requirements.sizes.json, which the set-up reads aloud.

Installs the lock into a throw-away environment with an empty cache, as a newcomer would, and adds up what uv
fetched and what then lies on disk, bytecode included.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"


def lock_sha256() -> str:
    """The hash of what the lock pins; its comments, which tell who asked for what, do not count."""
    lines = [line for line in LOCK.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def folder_bytes(folder: Path) -> int:
    """What the regular files below `folder` take, in bytes; files with two names count once."""
    seen = {(s.st_dev, s.st_ino): s.st_size for p in folder.rglob("*") if not p.is_symlink() for s in [p.stat()]}
    return sum(seen.values())


def fetched_bytes(told: str) -> int:
    """The sum of the sizes in uv's lines `Downloading NAME (12.3MiB)`; it names files from 1 MiB on."""
    units = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
    found = re.findall(r"^Downloading \S+ \(([\d.]+)([KMG]iB)\)", told, re.MULTILINE)
    return round(sum(float(number) * units[unit] for number, unit in found))


def main() -> None:
    """Installs, measures, writes requirements.sizes.json."""
    uv = str(Path(sys.executable).parent / "uv")
    with tempfile.TemporaryDirectory(dir=ROOT.parent) as temp:
        venv = Path(temp) / "venv"
        env = {**os.environ, "UV_CACHE_DIR": f"{temp}/cache", "VIRTUAL_ENV": str(venv), "UV_COMPILE_BYTECODE": "1"}
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(venv)], check=True, env=env)
        install = [uv, "pip", "install", "--require-hashes", "-r", str(LOCK)]
        told = subprocess.run(install, check=True, env=env, stderr=subprocess.PIPE, text=True).stderr
        sizes = {
            "lock_sha256": lock_sha256(),
            "measured_on": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
            "n_packages": len(list(venv.glob("lib/python*/site-packages/*.dist-info"))),
            "download_bytes": fetched_bytes(told),
            "installed_bytes": folder_bytes(venv),
        }
    (ROOT / "requirements.sizes.json").write_text(json.dumps(sizes, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(sizes, indent=2))


if __name__ == "__main__":
    main()
