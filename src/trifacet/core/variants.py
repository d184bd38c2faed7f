"""The folder of several networks: what was asked for, a run or folds for each, and at the end an ensemble of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from trifacet.core.recipe import Recipe
from trifacet.core.run import VARIANTS, Folder, read_about

FORMAT = 1


class VariantsInfo(BaseModel):
    """What variants.json holds. `recipes` are resolved, their seeds numbers; `names` are those of the networks.

    n_folds: that each is trained in; 0: a run each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    kind: Literal["variants"] = "variants"
    name: str
    created: str
    seed: int
    names: tuple[str, ...]
    recipes: tuple[Recipe, ...]
    origins: tuple[dict[str, str], ...]
    n_folds: int = 0
    inputs: dict[str, str] = {}


@dataclass(frozen=True)
class Variants(Folder):
    """A folder of variants and what its variants.json says."""

    info: VariantsInfo

    def variant_path(self, number: int) -> Path:
        """The run, or the folds, of this network (from 0)."""
        return self.path / f"variant_{number}"


def is_variants(path: Path) -> bool:
    """Whether a folder holds variants, trained or not."""
    return (path / VARIANTS).is_file()


def open_variants(path: Path) -> Variants:
    """The variants at `path`. Raises RunError TRI400."""
    return Variants(path, read_about(path / VARIANTS, VariantsInfo, code="TRI400"))
