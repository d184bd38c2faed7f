"""Weights and resumable state as safetensors: whole or not there, never a pickle."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict
from safetensors.torch import load, save
from torch import Tensor, nn

from trifacet.core.errors import error
from trifacet.core.files import sha256_bytes, write_bytes
from trifacet.core.run import Best, Run
from trifacet.core.tables import METADATA_KEY
from trifacet.learn.ema import Ema

KEPT = 3  # checkpoints kept: the newest may be the one a failing disk damages


class EpochSoFar(BaseModel):
    """The epoch at work: its steps and examples done, the sum of their losses, and the seconds they took."""

    model_config = ConfigDict(frozen=True)

    n_steps: int = 0
    n_done: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0

    def plus(self, n: int, *, loss: float, seconds: float) -> EpochSoFar:
        """One step more, of `n` examples and this mean loss, `seconds` after the epoch began."""
        done, total = self.n_done + n, self.loss_sum + n * loss
        return EpochSoFar(n_steps=self.n_steps + 1, n_done=done, loss_sum=total, seconds=seconds)


class Progress(BaseModel):
    """How far a run has come: the phase, its whole epochs, the steps so far, the best epoch, and the epochs recorded.

    `so_far` is what is done of the epoch `next_epoch`, `seconds` the training until now, `scores` val's in this phase.
    """

    model_config = ConfigDict(frozen=True)

    phase: str
    next_epoch: int
    step: int
    n_records: int
    best: Best | None
    seconds: float
    so_far: EpochSoFar = EpochSoFar()
    scores: tuple[float, ...] = ()

    def at(self, seconds: float) -> Progress:
        """The same, `seconds` of training after the start."""
        return self.model_copy(update={"seconds": seconds})

    def after_epoch(self, best: Best | None, *, score: float) -> Progress:
        """The epoch at work is whole, scored on val and recorded."""
        whole = {"next_epoch": self.next_epoch + 1, "n_records": self.n_records + 1, "so_far": EpochSoFar()}
        return self.model_copy(update={**whole, "best": best, "scores": (*self.scores, score)})

    def in_phase(self, name: str) -> Progress:
        """At the beginning of the next phase."""
        return self.model_copy(update={"phase": name, "next_epoch": 0, "scores": ()})


@dataclass(frozen=True)
class Checkpoint:
    """What resuming needs: the progress, and the tensors of module, average, optimiser and loss.

    `set_aside` names the files that were passed over to find this one.
    """

    progress: Progress
    module: dict[str, Tensor]
    average: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    loss: dict[str, Tensor] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)  # of the optimiser
    set_aside: tuple[str, ...] = ()


def save_weights(path: Path, module: nn.Module, *, about: Mapping[str, str]) -> None:
    """Writes a module's tensors (float32, on the CPU) and what they belong to; same tensors, same bytes."""
    write_bytes(path, save(_on_cpu(module.state_dict()), metadata=_metadata(about)))


def weights_about(run: Run) -> dict[str, str]:
    """What a weights file says of itself."""
    info = run.info
    return {
        "label_schema": info.label_schema.fingerprint,
        "backbone": info.recipe.model.backbone,
        "manifest": info.inputs.get("manifest", ""),
    }


def keep_epoch(folder: Path, module: nn.Module, *, epoch: int, n_kept: int, about: Mapping[str, str]) -> None:
    """Writes the weights of an epoch and deletes all but those of the newest `n_kept`."""
    save_weights(folder / f"epoch_{epoch:05d}.safetensors", module, about=about)
    for old in sorted(folder.glob("epoch_*.safetensors"))[:-n_kept]:
        old.unlink()


def save_checkpoint(
    folder: Path,
    module: nn.Module,
    *,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    average: Mapping[str, Tensor] | None = None,
    loss: nn.Module | None = None,
    run: str = "",
) -> Path:
    """Writes the state after a step and deletes all but the newest `KEPT`; the file's path.

    The name ends in the first 16 digits of the content's sha256, so that a damaged file shows itself. `run` tells the
    checkpoints of one run from another's.
    """
    tensors = {f"module.{k}": v for k, v in _on_cpu(module.state_dict()).items()}
    tensors |= {f"average.{k}": v for k, v in _on_cpu(average or {}).items()}
    tensors |= {f"loss.{k}": v for k, v in _on_cpu(loss.state_dict() if loss else {}).items()}
    moments, numbers = optimizer_state(optimizer)
    tensors |= {f"optimizer.{name}": tensor.cpu().contiguous() for name, tensor in moments.items()}
    about = {"progress": progress.model_dump(mode="json"), "run": run, "optimizer": numbers}
    content = save(tensors, metadata=_metadata(about))
    # Sorts by age: an epoch's end comes after its last step.
    place = f"step_{progress.step:09d}-{progress.n_records:05d}"
    path = folder / f"{place}-{sha256_bytes(content)[:16]}.safetensors"
    write_bytes(path, content)
    for old in _newest_first(folder)[KEPT:]:
        old.unlink(missing_ok=True)
    return path


def read_checkpoint(folder: Path, *, run: str = "") -> Checkpoint | None:
    """The newest whole checkpoint of this run; None when there is none. Any other is set aside as `*.damaged`.

    Raises:
        RunError: TRI406, none is whole and of this run: nothing is started over in silence.
    """
    for half in folder.glob(".step_*"):  # what a writer that was killed left
        half.unlink(missing_ok=True)
    set_aside: list[str] = []
    for path in _newest_first(folder):
        found = _parse(path.read_bytes(), name=path.stem, run=run)
        if found:
            return replace(found, set_aside=tuple(set_aside))
        aside = path.with_suffix(".safetensors.damaged")
        path.rename(aside)
        set_aside.append(aside.name)
    damaged = sorted(path.name for path in folder.glob("*.damaged"))
    if damaged:
        what = "every checkpoint is damaged or of another run"
        raise error("TRI406", what, where=str(folder), got=", ".join(damaged))
    return None


class Keeper:
    """Writes the checkpoints of one phase, at least `every_seconds` apart where it is asked whether one is due."""

    def __init__(
        self,
        run: Run,
        module: nn.Module,
        *,
        loss: nn.Module,
        optimizer: torch.optim.Optimizer,
        average: Ema | None,
    ) -> None:
        self._run, self._module, self._loss = run, module, loss
        self._optimizer, self._average = optimizer, average
        self._saved_at = time.monotonic()
        self._saved: Progress | None = None

    def is_due(self) -> bool:
        """Whether the last checkpoint is old enough."""
        return time.monotonic() - self._saved_at >= self._run.info.recipe.train.checkpoint_seconds

    def save(self, progress: Progress, *, after: str = "") -> None:
        """Writes what the module, its average and the optimiser hold now, once. after: the photos of the last step.

        Raises:
            RunError: TRI405, the weights are no numbers, or so large that nothing is computed with them: what was saved
            before is kept. MachineError: TRI900, TRI901.
        """
        if self._saved == progress.at(0):
            return
        if self._average:
            self._average.put_back()  # stopped while val was answered: what is kept are the module's own tensors
        length = float(torch.nn.utils.get_total_norm(self._module.parameters()))
        if not math.isfinite(length):
            what = f"the weights after step {progress.step} have a length of {length}"
            raise error("TRI405", what, where=str(self._run.path), got=after)
        save_checkpoint(
            self._run.checkpoints_dir,
            self._module,
            optimizer=self._optimizer,
            progress=progress,
            average=self._average.state() if self._average else None,
            loss=self._loss,
            run=self._run.info.fingerprint,
        )
        self._saved_at, self._saved = time.monotonic(), progress.at(0)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Puts a checkpoint's tensors back into all of them."""
        self._module.load_state_dict(checkpoint.module)
        self._loss.load_state_dict(checkpoint.loss)
        load_optimizer(self._optimizer, checkpoint.optimizer, numbers=checkpoint.numbers)
        if self._average:
            self._average.load(checkpoint.average)


def optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """An optimiser's tensors and numbers by `index.key`, those of its groups by `group.index.key`.

    Numbers stay numbers: of a step that came back as a tensor some optimisers would make other powers.
    """
    whole = optimizer.state_dict()
    named = {f"{i}.{key}": value for i, state in whole["state"].items() for key, value in state.items()}
    named |= {
        f"group.{i}.{key}": value for i, group in enumerate(whole["param_groups"]) for key, value in group.items()
    }
    tensors = {name: value for name, value in named.items() if isinstance(value, Tensor)}
    return tensors, {name: value for name, value in named.items() if isinstance(value, bool | int | float)}


def load_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], *, numbers: Mapping[str, Any] | None = None
) -> None:
    """Puts an optimiser's stored tensors and numbers back, laid out in memory as their parameters are.

    A fused step goes through parameter and moments element by element of the memory: strides that differ mix them up.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    stored = {**tensors, **(numbers or {})}
    for name in [name for name in stored if not name.startswith("group.")]:
        index, key = name.split(".", 1)
        like, value = parameters[int(index)], stored[name]
        is_moment = isinstance(value, Tensor) and value.shape == like.shape
        state.setdefault(int(index), {})[key] = torch.empty_like(like).copy_(value) if is_moment else value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    for name in [name for name in stored if name.startswith("group.")]:
        _, index, key = name.split(".", 2)
        optimizer.param_groups[int(index)][key] = stored[name]


def _parse(content: bytes, *, name: str, run: str) -> Checkpoint | None:
    """What a checkpoint's file holds; None where it is damaged or belongs to another run."""
    if sha256_bytes(content)[:16] != name.rsplit("-", 1)[-1]:
        return None
    size = int.from_bytes(content[:8], "little")  # safetensors: the header's length, then the header as JSON
    header: dict[str, Any] = json.loads(content[8 : 8 + size])
    about = json.loads(header["__metadata__"][METADATA_KEY])
    if about.get("run", "") != run:
        return None
    parts: dict[str, dict[str, Tensor]] = {"module": {}, "average": {}, "optimizer": {}, "loss": {}}
    for key, tensor in load(content).items():
        part, inner = key.split(".", 1)
        parts[part][inner] = tensor
    module, average, optimizer, loss = parts.values()
    progress, numbers = Progress.model_validate(about["progress"]), about.get("optimizer", {})
    return Checkpoint(progress, module, average, optimizer, loss, numbers)


def _metadata(about: Mapping[str, Any]) -> dict[str, str]:
    """Metadata under one key: safetensors writes several in an order that differs from call to call."""
    return {METADATA_KEY: json.dumps({"format": 1, **about}, sort_keys=True)}


def _newest_first(folder: Path) -> list[Path]:
    found = [p for p in folder.glob("step_*.safetensors") if re.fullmatch(r"step_\d+-\d+-[0-9a-f]{16}", p.stem)]
    return sorted(found, key=lambda p: p.stem, reverse=True)


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    copies = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(tensors.items())}
    shared = [tensor.data_ptr() for tensor in copies.values()]  # tied weights, which safetensors refuses
    return {name: t.clone() if shared.count(t.data_ptr()) > 1 else t for name, t in copies.items()}
