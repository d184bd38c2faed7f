"""Runs to their average: one network, as quick as any of them, from the weights of several epochs or runs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from trifacet.closing import finish
from trifacet.core.errors import error, first_few
from trifacet.core.files import atomic_folder, sha256_file, sha256_json
from trifacet.core.run import Run, create_run, now, open_finished_run, save_run, versions
from trifacet.opening import Progress, open_data, open_inputs, telling


def average_of(paths: Sequence[Path], out: Path, *, last: int | None, is_greedy: bool, progress: Progress) -> Run:
    """A new finished run whose weights are the mean of a run's kept epochs, or of the best weights of several runs.

    It is made beside `out` under another name, so that nothing half done ever stands there.

    Raises:
        ConfigError: TRI104. RunError: TRI400 to TRI403, TRI423 nothing to average, or runs that do not fit together.
    """
    from trifacet.learn.average import average_weights
    from trifacet.learn.predictor import geometry_of

    runs = [open_finished_run(path) for path in paths]
    source, members = runs[0], _members(runs, last=last, is_greedy=is_greedy)
    with atomic_folder(out) as part:
        run = _new(source, part, name=out.name, members=members)
        manifest = open_data(run.manifest_path)
        images = open_inputs(manifest, geometry_of(run.info.recipe), progress=progress)
        told = telling(progress, "averaging weights")
        made = average_weights(
            run, manifest, source=source, images=images, members=members, is_greedy=is_greedy, told=told
        )
        names = [_name(members[i], runs=runs) for i in made.chosen]
        note = f"the mean of {len(names)} of {len(members)} weights: {first_few(names, 10)}"
        run = finish(save_run(run, notes=(note,)), manifest, inputs=images, progress=progress)
    return replace(run, path=out)


def _members(runs: Sequence[Run], *, last: int | None, is_greedy: bool) -> list[Path]:
    if len(runs) > 1:
        if last is not None:
            raise error("TRI104", "the last epochs of one run are averaged, not of several", where="--last")
        first = runs[0]
        for unknown in (run for run in runs if "manifest" not in run.info.inputs):  # imported weights
            raise error("TRI423", "nobody knows what this run was trained on", where=str(unknown.path))
        for other in runs[1:]:
            if other.info.recipe.model != first.info.recipe.model or other.info.label_schema != first.info.label_schema:
                raise error("TRI423", "this run has another network", where=str(other.path))
            if other.info.recipe.data != first.info.recipe.data:
                raise error("TRI423", "this run sees photos cut another way", where=str(other.path))
            if other.info.inputs["manifest"] != first.info.inputs["manifest"]:
                raise error("TRI423", "this run was trained on other photos or another split", where=str(other.path))
            if _start(other) != _start(first) and not is_greedy:  # greedy leaves out what does harm
                do = "Begin both by --init of one run, or take --greedy; `trifacet ensemble` joins what they answer."
                raise error("TRI423", "this run began from other weights", where=str(other.path), do=do)
        return [run.weights_path("best") for run in runs]
    kept = sorted(runs[0].epochs_dir.glob("epoch_*.safetensors"))
    if len(kept) < max(last or 0, 2):
        do = "Train with train.keep_epochs set to as many as are to be averaged, or name several runs."
        raise error("TRI423", "too few epochs were kept", where=str(runs[0].path), got=f"{len(kept)}", do=do)
    return kept[-last:] if last else kept


def _start(run: Run) -> str:
    """What a run's weights began as: those of another run, or what its seed drew."""
    return run.info.inputs.get("init_weights", f"seed {run.info.seed}")


def _new(source: Run, part: Path, *, name: str, members: Sequence[Path]) -> Run:
    hashes = sha256_json([sha256_file(path) for path in members])
    inputs = {"manifest": source.info.inputs["manifest"], "averaged": hashes}
    keep = {"name": name, "created": now(), "status": "running", "finished": None, "inputs": inputs, "best": None}
    info = source.info.model_copy(update={**keep, "versions": versions(), "notes": (), "problem": None})
    run = create_run(part, info)
    shutil.copyfile(source.manifest_path, run.manifest_path)
    shutil.copyfile(source.metrics_path, run.metrics_path)
    return run


def _name(path: Path, *, runs: Sequence[Run]) -> str:
    return next((run.info.name for run in runs if run.weights_path("best") == path), path.stem)
