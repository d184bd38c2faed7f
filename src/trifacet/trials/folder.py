"""The folder of a search: what was asked for, its trials, and its result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from trifacet.core.errors import error
from trifacet.core.run import Folder, read_about
from trifacet.trials.space import Axis, parse_axes

FORMAT = 1
ABOUT = "search.json"


class SearchPlan(BaseModel):
    """What is searched: settings (`over`, as `--over` takes them) or augmentation policies, and by how many trials.

    Trial 0 is the recipe as it is, with `sets` as `--set` takes them. keep: the weights of the best alone, or of all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    over: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    has_policies: bool = False
    n_trials: int = 20
    seed: int = 0
    keep: Literal["best", "all"] = "best"

    def check(self) -> tuple[Axis, ...]:
        """The axes of `over`. Raises ConfigError TRI104, what cannot be searched."""
        if bool(self.over) == self.has_policies:
            raise error("TRI104", "a search needs --over KEY=VALUES, or --policies, and not both", where="search")
        if self.n_trials < 2:
            what = "takes 2 or more: the first trial is the recipe as it is"
            raise error("TRI104", what, where="--trials", got=self.n_trials)
        return parse_axes(self.over)


class SearchInfo(BaseModel):
    """What search.json holds: the plan, the recipe's name, and its differences from the defaults, its seed a number."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    kind: Literal["search"] = "search"
    name: str
    created: str
    plan: SearchPlan
    recipe_name: str
    recipe: dict[str, Any]
    inputs: dict[str, str] = {}


@dataclass(frozen=True)
class Search(Folder):
    """A folder of trials and what its search.json says."""

    info: SearchInfo

    @property
    def journal_path(self) -> Path:
        """Optuna's journal: what was drawn, and what came of it."""
        return self.path / "trials.journal"

    @property
    def best_path(self) -> Path:
        """The result: a recipe."""
        return self.path / "best.yaml"

    @property
    def policies_path(self) -> Path:
        """The best policies as a file that `augment.policy` takes."""
        return self.path / "best_policy.yaml"

    def trial_path(self, number: int) -> Path:
        """The run of a trial."""
        return self.path / "trials" / f"{number:03d}"


def open_search(path: Path) -> Search:
    """The search at `path`. Raises RunError TRI440."""
    if not (path / ABOUT).is_file():
        raise error("TRI440", f"no search here (its folder holds {ABOUT})", where=str(path))
    return Search(path, read_about(path / ABOUT, SearchInfo, code="TRI440"))
