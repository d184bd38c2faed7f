"""The environment of the original task: its variables stand for the places that a command is not given."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from trifacet.core.errors import error

if TYPE_CHECKING:
    from trifacet.core.evaluation import Evaluation
    from trifacet.core.run import Run

TRAIN, MODELS = "SM_CHANNEL_TRAIN", "SM_MODEL_DIR"
EVAL, MODEL, OUTPUT, TRUTH = "SM_CHANNEL_EVAL", "SM_CHANNEL_MODEL", "SM_OUTPUT_DATA_DIR", "SM_GROUND_TRUTH_DIR"


def place(variable: str, *parts: str) -> Path | None:
    """The place below what an environment variable names; None where it is not set."""
    value = os.environ.get(variable, "")
    return Path(value, *parts) if value else None


def needed(given: Path | None, variable: str, *parts: str, what: str) -> Path:
    """The place that was given, or that the environment names. Raises ConfigError TRI104 where neither does."""
    found = given or place(variable, *parts)
    if found is None:
        raise error("TRI104", f"{what} is needed, here or in the environment as {variable}")
    return found


def newest_run(folder: Path) -> Path:
    """`folder`, if it is a run or an ensemble; else the newest that is finished in it, if there is one."""
    from trifacet.core.ensemble import ABOUT, Ensemble, open_ensemble
    from trifacet.core.run import FOLDS, VARIANTS, open_run

    if any((folder / about).is_file() for about in ("run.json", ABOUT, FOLDS, VARIANTS)) or not folder.is_dir():
        return folder
    runs = [run for path in folder.glob("*/run.json") if (run := open_run(path.parent)).info.status == "finished"]
    finished: list[Run | Ensemble] = [*runs, *(open_ensemble(path.parent) for path in folder.glob(f"*/{ABOUT}"))]
    return max(finished, key=lambda one: (one.info.created, one.path.name)).path if finished else folder


def run_place(name: str, recipe: str) -> Path:
    """A free folder for a run: in the environment's folder of models, called `exp`, else in runs/, after the recipe."""
    from trifacet.core.run import numbered

    home = place(MODELS)
    return numbered(home or Path("runs"), name or ("exp" if home else Path(recipe).stem))


def write_beside(run: Run) -> None:
    """config.json (every setting) and both weights at the top of a run in the environment's folder of models.

    That is where the baseline has them; other runs are left as they are.
    """
    from trifacet.core.files import atomic_path, write_json

    home = place(MODELS)
    if home is None or run.path.parent.absolute() != home.absolute():
        return
    write_json(run.path / "config.json", run.info.recipe.model_dump(mode="json", by_alias=True))
    for which in ("best", "last"):
        with atomic_path(run.path / f"{which}.safetensors") as temporary:
            shutil.copyfile(run.weights_path(which), temporary)


def official_json(evaluation: Evaluation) -> dict[str, dict[str, object]]:
    """The object that the original evaluation prints. F1 is a fraction and says so, and it is what ranks.

    Raises:
        PredictionsError: TRI327, no photo has every label.
    """
    joint = evaluation.joint
    if joint is None:
        raise error("TRI327", "no photo has both an answer and every label", where="evaluate --official")
    return {
        "accuracy": {"value": f"{joint.accuracy.value:.2%}", "rank": False, "decs": True},
        "f1": {"value": f"{joint.macro_f1.value:.4f}", "rank": True, "decs": True},
    }
