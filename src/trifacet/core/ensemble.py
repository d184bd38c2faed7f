"""The ensemble directory: several runs that answer together, and how much each has to say."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from trifacet.core.config import flatten
from trifacet.core.errors import error
from trifacet.core.files import sha256_file
from trifacet.core.recipe import Recipe
from trifacet.core.run import Folder, Run, open_finished_run, read_about
from trifacet.core.schema import LabelSchema

FORMAT = 1
ABOUT = "ensemble.json"
TABLES = ("val", "test", "oof")  # the predictions that a run may hold of photos it was not trained on

Voting = Literal["soft", "hard"]


class Member(BaseModel):
    """One member: where it lies, seen from the ensemble; what it is called; its share of the answer; a sha256.

    `sha256` is that of a run's best weights, or of another ensemble's ensemble.json.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    name: str
    weight: float
    sha256: str


class WeightFit(BaseModel):
    """What fitted weights are worth: macro F1 (0..1) on `n_people`, whose photos each weights of others answered.

    `equal` is the score of equal weights on the same photos, `best_member` that of the best one alone, which is chosen
    by hindsight.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fitted_on: str
    n_photos: int
    n_people: int
    nested: float
    equal: float
    best_member: float


class Folded(BaseModel):
    """What a model of folds is worth: macro F1 (0..1) of answers that no model gave who knew the person.

    nested: of every photo decided by a rule that other folds fitted; argmax: by the most probable class. by_fold: each
    fold's own, as nested; None where a fold lacks labels. recipe: what every fold was trained by.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    nested: float | None
    argmax: float | None
    by_fold: tuple[float | None, ...]
    recipe: Recipe


class EnsembleInfo(BaseModel):
    """What ensemble.json holds. Shares add up to 1; priors are the first member's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    kind: Literal["ensemble"] = "ensemble"
    name: str
    created: str
    members: tuple[Member, ...]
    voting: Voting = "soft"
    fit: WeightFit | None = None
    folded: Folded | None = None
    seed: int = 0
    label_schema: LabelSchema
    priors: dict[str, tuple[float, ...]]
    n_photos: dict[str, int] = {}
    inputs: dict[str, str] = {}
    stamps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    versions: dict[str, str] = {}
    machine: dict[str, Any] = {}
    seconds: float = 0.0

    @property
    def settings(self) -> dict[str, Any]:
        """What two ensembles, or an ensemble and a run, may differ in."""
        if self.folded is not None:
            return flatten(self.folded.recipe.model_dump(mode="json", by_alias=True))
        shares = ", ".join(f"{member.name} {member.weight:.3f}" for member in self.members)
        return {"ensemble.members": shares, "ensemble.voting": self.voting}


@dataclass(frozen=True)
class Ensemble(Folder):
    """An ensemble directory and what its ensemble.json says; its manifest is the first member's."""

    info: EnsembleInfo

    def __repr__(self) -> str:
        return f"Ensemble({str(self.path)!r}, {len(self.info.members)} members, {self.info.voting} voting)"

    @property
    def heard(self) -> tuple[Member, ...]:
        """The members whose share is not nothing: only they are asked."""
        return tuple(member for member in self.info.members if member.weight > 0)

    def member_path(self, member: Member) -> Path:
        """Where a member lies, checked to be what it was. Raises RunError TRI400, TRI401, TRI420, TRI421."""
        path = Path(os.path.normpath(self.path / member.path))
        if not path.is_dir():
            raise error("TRI421", f"its member '{member.name}' is not here any more", where=str(self.path), got=path)
        if fingerprint_of(open_member(path)) != member.sha256:
            what = f"its member '{member.name}' has other weights than it had"
            raise error("TRI421", what, where=str(self.path), got=path)
        return path


def is_ensemble(path: Path) -> bool:
    """Whether a folder holds an ensemble."""
    return (path / ABOUT).is_file()


def open_ensemble(path: Path) -> Ensemble:
    """The ensemble at `path`. Raises RunError TRI420."""
    return Ensemble(path, read_about(path / ABOUT, EnsembleInfo, code="TRI420"))


def open_member(path: Path) -> Run | Ensemble:
    """What can answer at `path`: an ensemble or a finished run. Raises RunError TRI400, TRI401, TRI420."""
    return open_ensemble(path) if is_ensemble(path) else open_finished_run(path)


def fingerprint_of(member: Run | Ensemble) -> str:
    """The sha256 of what makes its answers. Raises RunError TRI403, a run without weights."""
    path = member.weights_path() if isinstance(member, Run) else member.path / ABOUT
    if not path.is_file():
        raise error("TRI403", "the weights are missing", where=str(path))
    return sha256_file(path)
