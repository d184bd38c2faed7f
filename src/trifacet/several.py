"""Several runs in one folder, trained one after another: each begun, gone on with, or left alone where it is done."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from trifacet.core.config import Resolved
from trifacet.core.ensemble import ABOUT
from trifacet.core.errors import TrifacetError, error
from trifacet.core.files import sha256_file
from trifacet.core.folds import Folds
from trifacet.core.manifest import Manifest, read_manifest
from trifacet.core.recipe import Recipe
from trifacet.core.run import Run, open_run
from trifacet.core.variants import Variants
from trifacet.opening import new_run, start_from
from trifacet.training import Told, train_run

if TYPE_CHECKING:
    from trifacet.learn.models import Net


@dataclass(frozen=True)
class Part:
    """One of the runs: where it lies, what it is called while it is trained, its recipe, and how its photos are got.

    origins: where each of the recipe's values came from.
    """

    path: Path
    label: str
    recipe: Recipe
    origins: Mapping[str, str]
    manifest: Callable[[], Manifest]


def trained_parts(several: Folds | Variants, parts: Sequence[Part], *, told: Told) -> list[Run]:
    """Every part's finished run, of a folder that is `locked`.

    Raises:
        RunError: TRI407 all is done. And what training raises.
    """
    with under_way(several):
        return [_one(part, inputs=several.info.inputs, told=told) for part in parts]


@contextmanager
def under_way(several: Folds | Variants) -> Iterator[None]:
    """What trains the parts of a folder. Where the disk fills up, how to go on is told of the whole folder.

    Raises:
        RunError: TRI407 all is done.
    """
    path = several.path
    if (path / ABOUT).is_file():
        raise error("TRI407", f"these {several.info.kind} are all trained", where=str(path))
    try:
        yield
    except TrifacetError as problem:
        if problem.code != "TRI904":
            raise
        do = f"Free some space, then go on with: trifacet train --resume {path}"
        raise error("TRI904", problem.what, where=problem.where, got=problem.got, do=do) from problem


def start_inputs(init: Path | str | None) -> dict[str, str]:
    """What a run's inputs say of the run whose weights it starts from; {} of none. Raises TRI400."""
    if init is None:
        return {}
    return {"init": str(Path(init).absolute()), "init_weights": sha256_file(open_run(Path(init)).weights_path())}


def start_of(inputs: Mapping[str, str]) -> Callable[[Net], None] | None:
    """What puts the weights that a run's inputs name into its net; None where they name none. Raises TRI400, TRI403."""
    return start_from(Path(inputs["init"]), sha256=inputs["init_weights"]) if "init" in inputs else None


def _one(part: Part, *, inputs: Mapping[str, str], told: Told) -> Run:
    run = open_run(part.path) if (part.path / "run.json").is_file() else None
    if run is None or "manifest" not in run.info.inputs:  # nothing, or a folder that a kill left half made
        shutil.rmtree(part.path, ignore_errors=True)
        run = new_run(part.path, Resolved(part.recipe, dict(part.origins)), manifest=part.manifest(), inputs=inputs)
    if run.info.status == "finished":
        return run
    return train_run(run, read_manifest(run.manifest_path), start=start_of(inputs), told=told_of(part.label, told))


def told_of(name: str, told: Told) -> Told:
    """What is told while a part of this name is trained: of which part it is told."""
    if (on_tick := told.on_tick) is None:
        return told
    return replace(told, on_tick=lambda tick: on_tick(replace(tick, of=f"{name}, {tick.of}" if tick.of else name)))
