"""A file of torch.save to safetensors, in a process of its own: `python -P -m trifacet.learn.unpickle FILE OUT`.

weights_only: of all that a pickle may name, only tensors, containers and numbers are made; any other name ends the
reading before anything of it is looked up. What was found is told on stdout as JSON.
"""

from __future__ import annotations

import json
import pickle
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

CPU_SECONDS = 120
SPARE_BYTES = 1 << 30
COPIES = 4  # of the file in memory: as read, as single tensors, and as written
NUMBERS: list[Any] = [  # beside the weights in many a checkpoint: scores and losses as numpy has them
    (np.float64(0).__reduce__()[0], "numpy.core.multiarray.scalar"),
    (np.float64(0).__reduce__()[0], "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("float64", "float32", "int64", "int32")),
]


def main(path: Path, out: Path) -> None:
    """Writes the tensors of the file's state dict to `out`, and tells their names in order, or what was wrong."""
    size = path.stat().st_size
    _limit(SPARE_BYTES + COPIES * size)
    torch.serialization.clear_safe_globals()
    try:
        with torch.serialization.safe_globals(NUMBERS):
            loaded = torch.load(path, map_location="cpu", weights_only=True)
        tensors, beside = _state(loaded)
        if sum(t.numel() * t.element_size() for t in tensors.values()) > COPIES * size:
            raise ValueError("tensors far larger than the file that holds them")
        save_file({name: _plain(tensor) for name, tensor in tensors.items()}, out)
        told: dict[str, Any] = {"names": list(tensors), "beside": beside}
    except (pickle.UnpicklingError, RuntimeError) as problem:
        named = re.search(r"GLOBAL (\S+)|(TorchScript)|function (\S+)", str(problem))
        told = {"code": next(filter(None, named.groups()))} if named else {"problem": _first_line(problem)}
    except Exception as problem:  # noqa: BLE001  (a damaged file may raise anything; the parent tells of it)
        told = {"problem": _first_line(problem)}
    print(json.dumps(told))  # noqa: T201  (to the parent)


def _limit(n_bytes: int) -> None:
    """Allows this process so much more memory, and a while of the CPU, where the system lets it."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + n_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _state(loaded: Any) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors of a state dict, or of the largest that a checkpoint holds, and what else it holds."""
    if not isinstance(loaded, Mapping):
        raise TypeError(f"no state dict but {type(loaded).__name__}")
    parts = {"": loaded, **{str(k): v for k, v in loaded.items() if isinstance(v, Mapping)}}
    found = {name: {str(k): v for k, v in part.items() if isinstance(v, Tensor)} for name, part in parts.items()}
    name = max(found, key=lambda name: len(found[name]))
    if not found[name]:
        raise ValueError("no tensors")
    return found[name], [str(key) for key in loaded if key != name] if name else []


def _plain(tensor: Tensor) -> Tensor:
    dense = tensor.detach().to_dense() if tensor.is_sparse else tensor.detach()
    return (dense.float() if dense.is_floating_point() else dense).contiguous().clone()


def _first_line(problem: Exception) -> str:
    return (str(problem) or type(problem).__name__).splitlines()[0][:200]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
