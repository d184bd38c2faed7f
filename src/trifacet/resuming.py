"""What was stopped in training, gone on with: a run, or several in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trifacet.core.ensemble import Ensemble
from trifacet.core.errors import error
from trifacet.core.folds import is_folds, open_folds
from trifacet.core.run import Run, open_run
from trifacet.core.variants import is_variants, open_variants
from trifacet.folding import train_folds
from trifacet.opening import Progress, open_data, quiet, require_train
from trifacet.several import start_of
from trifacet.training import Told, train_run
from trifacet.varying import go_on

if TYPE_CHECKING:
    from trifacet.learn.train import OnTick


def resume(
    path: Path | str, *, progress: Progress = quiet, on_tick: OnTick | None = None, profile: bool = False
) -> Run | Ensemble:
    """A run, folds or variants that were stopped, gone on with from the newest whole checkpoint.

    Raises:
        RunError: TRI400, TRI403, TRI407 finished, TRI408.
    """
    require_train()
    path, told = Path(path), Told(progress, on_tick, profile)
    if is_folds(path):
        return train_folds(open_folds(path), told=told)
    if is_variants(path):
        return go_on(open_variants(path), told=told)
    run = open_run(path)
    if run.info.status == "finished":
        raise error("TRI407", "this run is finished", where=str(path))
    return train_run(run, open_data(run.manifest_path), start=start_of(run.info.inputs), told=told)
