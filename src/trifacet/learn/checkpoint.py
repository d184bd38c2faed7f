"""Weights and resumable state as safetensors: whole or not there, never a pickle."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict
from safetensors.torch import load, save
from torch import Tensor, nn

from trifacet.core.errors import error
from trifacet.core.files import sha256_bytes, write_bytes
from trifacet.core.run import Best
from trifacet.core.tables import METADATA_KEY

KEPT = 3  # checkpoints kept: the newest may be the one a failing disk damages


class Progress(BaseModel):
    """How far a run has come: the phase, its next epoch, the steps so far, the best epoch, and the epochs recorded."""

    model_config = ConfigDict(frozen=True)

    phase: str
    next_epoch: int
    step: int
    n_records: int
    best: Best | None
    seconds: float


@dataclass(frozen=True)
class Checkpoint:
    """What resuming needs: the trained module's tensors, the optimiser's, and the progress."""

    progress: Progress
    module: dict[str, Tensor]
    optimizer: dict[str, Tensor]


def save_weights(path: Path, module: nn.Module, *, about: Mapping[str, str]) -> None:
    """Writes a module's tensors (float32, on the CPU) and what they belong to; same tensors, same bytes."""
    write_bytes(path, save(_on_cpu(module.state_dict()), metadata=_metadata(about)))


def save_checkpoint(folder: Path, module: nn.Module, *, optimizer: torch.optim.Optimizer, progress: Progress) -> Path:
    """Writes the state after a whole epoch and deletes all but the newest `KEPT`; the file's path.

    The name ends in the first 16 digits of the content's sha256, so that a damaged file shows itself.
    """
    tensors = {f"module.{k}": v for k, v in _on_cpu(module.state_dict()).items()}
    for index, state in optimizer.state_dict()["state"].items():
        kept = {k: torch.as_tensor(v) for k, v in state.items() if v is not None}  # channels_last, as the weights are
        tensors |= {f"optimizer.{index}.{k}": v.cpu().contiguous() for k, v in kept.items()}
    content = save(tensors, metadata=_metadata({"progress": progress.model_dump(mode="json")}))
    path = folder / f"step_{progress.step:09d}-{sha256_bytes(content)[:16]}.safetensors"
    write_bytes(path, content)
    for old in _newest_first(folder)[KEPT:]:
        old.unlink(missing_ok=True)
    return path


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest whole checkpoint; None when there is none. A damaged one is set aside as `*.damaged`.

    Raises:
        RunError: TRI406, every checkpoint is damaged: nothing is started over in silence.
    """
    damaged = sorted(folder.glob("*.damaged"))
    for path in _newest_first(folder):
        content = path.read_bytes()
        if sha256_bytes(content)[:16] == path.stem.rsplit("-", 1)[-1]:
            return _parse(content)
        aside = path.with_suffix(".safetensors.damaged")
        path.rename(aside)
        damaged.append(aside)
    if damaged:
        raise error("TRI406", "every checkpoint is damaged", where=str(folder), got=", ".join(p.name for p in damaged))
    return None


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Puts an optimiser's stored tensors (names `index.key`) back."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _parse(content: bytes) -> Checkpoint:
    size = int.from_bytes(content[:8], "little")  # safetensors: the header's length, then the header as JSON
    header: dict[str, Any] = json.loads(content[8 : 8 + size])
    parts: dict[str, dict[str, Tensor]] = {"module": {}, "optimizer": {}}
    for name, tensor in load(content).items():
        part, key = name.split(".", 1)
        parts[part][key] = tensor
    progress = Progress.model_validate(json.loads(header["__metadata__"][METADATA_KEY])["progress"])
    return Checkpoint(progress, parts["module"], parts["optimizer"])


def _metadata(about: Mapping[str, Any]) -> dict[str, str]:
    """Metadata under one key: safetensors writes several in an order that differs from call to call."""
    return {METADATA_KEY: json.dumps({"format": 1, **about}, sort_keys=True)}


def _newest_first(folder: Path) -> list[Path]:
    found = [p for p in folder.glob("step_*.safetensors") if re.fullmatch(r"step_\d+-[0-9a-f]{16}", p.stem)]
    return sorted(found, key=lambda p: p.stem, reverse=True)


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    copies = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(tensors.items())}
    shared = [tensor.data_ptr() for tensor in copies.values()]  # tied weights, which safetensors refuses
    return {name: t.clone() if shared.count(t.data_ptr()) > 1 else t for name, t in copies.items()}
