"""The folder of a run of several folds: what was asked for, a run for each fold, and at the end an ensemble of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from trifacet.core.recipe import Recipe
from trifacet.core.run import FOLDS, Folder, read_about

FORMAT = 1
OWN_PEOPLE = "each fold's own people chose its epoch: the score out of folds flatters"
OWN_RULE = "the rule was fitted on these very answers: a score by it flatters"


class FoldsInfo(BaseModel):
    """What folds.json holds. `recipe` is resolved, `seed` a number; `inputs` tell of the weights it started from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    kind: Literal["folds"] = "folds"
    name: str
    created: str
    n_folds: int
    seed: int
    recipe: Recipe
    origins: dict[str, str] = {}
    inputs: dict[str, str] = {}


@dataclass(frozen=True)
class Folds(Folder):
    """A folder of folds and what its folds.json says."""

    info: FoldsInfo

    def fold_path(self, fold: int) -> Path:
        """The run in which this fold (from 0) is val."""
        return self.path / f"fold_{fold}"


def is_folds(path: Path) -> bool:
    """Whether a folder holds folds, trained or not."""
    return (path / FOLDS).is_file()


def open_folds(path: Path) -> Folds:
    """The folds at `path`. Raises RunError TRI400."""
    return Folds(path, read_about(path / FOLDS, FoldsInfo, code="TRI400"))
