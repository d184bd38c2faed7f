"""The run directory: its names, what run.json tells, and its life from `running` to `finished`."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from trifacet.core.errors import MachineError, TrifacetError, error
from trifacet.core.files import read_json, sha256_json, write_bytes, write_json, write_text
from trifacet.core.recipe import Recipe
from trifacet.core.schema import LabelSchema

FORMAT = 1
Status = Literal["running", "interrupted", "paused", "failed", "finished"]
# What stands in place of run.json where several runs are under way: a fold each, or a variant each.
FOLDS, VARIANTS = "folds.json", "variants.json"
RESERVE_BYTES = 65_536  # kept free for run.json: a full disk must still learn that the run is paused


class Best(BaseModel):
    """The epoch whose weights are kept: its number (from 1) and its macro F1 on val, by argmax."""

    model_config = ConfigDict(frozen=True)

    epoch: int
    macro_f1: float


class RunInfo(BaseModel):
    """What run.json holds. `recipe` is resolved, `origins` says where each value came from.

    `priors` are the training split's class shares per attribute; `n_photos`, `n_persons` count by split; `notes` say
    what went otherwise than asked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    kind: Literal["run"] = "run"
    name: str
    status: Status = "running"
    created: str
    finished: str | None = None
    seed: int
    recipe: Recipe
    origins: dict[str, str] = {}
    label_schema: LabelSchema
    priors: dict[str, tuple[float, ...]]
    n_photos: dict[str, int]
    n_persons: dict[str, int | None]
    inputs: dict[str, str] = {}
    stamps: tuple[str, ...] = ()
    versions: dict[str, str] = {}
    machine: dict[str, Any] = {}
    best: Best | None = None
    seconds: float = 0.0
    problem: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """16 hex digits that tell this run's training from any other's: recipe, seed, data and the moment it began.

        Of the recipe what differs from the defaults: a key that a later version adds leaves older runs what they were.
        """
        about = {"recipe": self.recipe.model_dump(mode="json", exclude_defaults=True), "inputs": self.inputs}
        return sha256_json({**about, "seed": self.seed, "created": self.created})[:16]


@dataclass(frozen=True)
class Folder:
    """A folder of what answers, a run or an ensemble, and the names of what both have in it."""

    path: Path

    @property
    def manifest_path(self) -> Path:
        """The manifest of the photos that its predictions are scored on."""
        return self.path / "manifest.parquet"

    @property
    def decision_path(self) -> Path:
        """The decision rule fitted on its predictions."""
        return self.path / "decision.json"

    @property
    def scores_path(self) -> Path:
        """Its scores by split, as `evaluate --json` prints them."""
        return self.path / "scores.json"

    @property
    def report_path(self) -> Path:
        """The report page."""
        return self.path / "report" / "index.html"

    def predictions_path(self, split: str) -> Path:
        """What it predicts for `val`, `test` or `oof`."""
        return self.path / "predictions" / f"{split}.parquet"


@dataclass(frozen=True)
class Run(Folder):
    """A run directory and what its run.json says."""

    info: RunInfo

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {self.info.status})"

    @property
    def metrics_path(self) -> Path:
        """One JSON record per epoch."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints_dir(self) -> Path:
        """What `--resume` goes on from."""
        return self.path / "checkpoints"

    @property
    def pictures_dir(self) -> Path:
        """Grids of inputs and predictions."""
        return self.path / "pictures"

    def weights_path(self, which: Literal["best", "last"] = "best") -> Path:
        """The weights of the best or the last epoch."""
        return self.path / "weights" / f"{which}.safetensors"

    @property
    def epochs_dir(self) -> Path:
        """The weights of its last epochs, where they are kept: epoch_00029.safetensors, ..."""
        return self.path / "weights" / "epochs"


def create_run(path: Path, info: RunInfo) -> Run:
    """A new run directory with run.json, recipe.yaml and schema.yaml.

    Raises:
        RunError: TRI402, the folder exists and is not empty.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise error("TRI402", "this place is taken", where=str(path))
    run = Run(path, info)
    recipe = info.recipe.model_dump(mode="json", by_alias=True)
    write_text(path / "recipe.yaml", yaml.safe_dump(recipe, sort_keys=False))
    write_text(path / "schema.yaml", yaml.safe_dump(info.label_schema.model_dump(mode="json"), sort_keys=False))
    return save_run(run)


def save_run(run: Run, **changes: Any) -> Run:
    """The run with `changes` in its info, run.json written anew."""
    run = Run(run.path, run.info.model_copy(update=changes))
    write_json(run.path / "run.json", run.info.model_dump(mode="json", by_alias=True))
    return run


@contextmanager
def locked(run: Folder) -> Iterator[None]:
    """Nobody else trains this run, or these folds, within the block. Raises RunError TRI408, somebody trains it now."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(run.path / ".lock", blocking=False):
            yield
    except Timeout:
        raise error("TRI408", "another process trains this run", where=str(run.path)) from None


@contextmanager
def reserved(run: Run) -> Iterator[None]:
    """Keeps room on the disk within the block, so that run.json can be written after it. Raises TRI900, TRI901."""
    reserve = run.path / ".reserve"
    write_bytes(reserve, bytes(RESERVE_BYTES))
    try:
        yield
    finally:
        reserve.unlink(missing_ok=True)


def pause(run: Run, problem: Exception) -> TrifacetError:
    """The error TRI904 of a run that a full disk stopped; its status is `paused`, if that much can be written."""
    with suppress(MachineError):
        save_run(open_run(run.path), status="paused", problem=str(problem))
    where, got = getattr(problem, "where", ""), getattr(problem, "got", "")
    do = f"Free some space, then go on with: trifacet train --resume {run.path}"
    return error("TRI904", "training is paused: the disk is full", where=where or run.path, got=got, do=do)


def several_under_way(path: Path) -> str:
    """`folds` or `variants` where these are begun here and not yet a model; "" else."""
    begun = [name for name in (FOLDS, VARIANTS) if (path / name).is_file()]
    return begun[0].removesuffix(".json") if begun and not (path / "ensemble.json").is_file() else ""


def open_run(path: Path | str) -> Run:
    """The run at `path`, whatever its status. Raises RunError TRI400."""
    path = Path(path)
    about = path / "run.json"
    if kind := several_under_way(path):
        do = f"Go on with `trifacet train --resume {path}`, or name one of its {kind}."
        raise error("TRI401", f"these are {kind}, and not all of them are trained", where=str(path), do=do)
    if (path / "ensemble.json").is_file():
        what, do = "several runs that answer together, and one is wanted here", "Name one of its runs."
        raise error("TRI400", what, where=str(path), do=do)
    if not about.is_file():
        raise error("TRI400", "no run here (a run directory holds run.json)", where=str(path))
    return Run(path, read_about(about, RunInfo, code="TRI400"))


Info = TypeVar("Info", bound=BaseModel)


def read_about(path: Path, kind: type[Info], *, code: str) -> Info:
    """What the JSON at `path` tells of its folder. Raises that error where it is damaged, or of a newer trifacet."""
    content, known = read_json(path, code=code), kind.model_fields["format"].default
    if isinstance(number := content.get("format"), int) and number > known:
        what = f"{kind.model_fields['kind'].default} format {number} is newer than this trifacet"
        raise error(code, what, where=str(path.parent), do="Update trifacet.")
    try:
        return kind.model_validate(content)
    except ValidationError as problem:
        wrong = ", ".join(".".join(map(str, e["loc"])) for e in problem.errors())
        raise error(code, f"{path.name} is not of this trifacet", where=str(path.parent), got=wrong) from None


def open_finished_run(path: Path) -> Run:
    """The run at `path`, ready to predict. Raises RunError TRI400, TRI401."""
    run = open_run(path)
    if run.info.status != "finished":
        do = f"Finish it with `trifacet train --resume {path}`."
        raise error("TRI401", "this run is not finished", where=str(path), got=f"status {run.info.status}", do=do)
    return run


def numbered(folder: Path, name: str) -> Path:
    """The path after the last taken one of `name`, `name2`, `name3`, ... in `folder`."""
    if not (folder / name).exists():
        return folder / name
    taken = [re.fullmatch(rf"{re.escape(name)}(\d+)", p.name) for p in folder.iterdir()]
    return folder / f"{name}{max([1, *(int(m[1]) for m in taken if m)]) + 1}"


def now() -> str:
    """This moment in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Python's version and those of the packages that decide a result, where installed."""
    found = {"python": platform.python_version()}
    for package in ("trifacet", "numpy", "pillow", "polars", "torch", "torchvision", "timm", "kornia"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """What the run is computed on, as far as it needs no torch."""
    return {"system": platform.platform(), "processor": platform.machine(), "n_cores": os.cpu_count()}
