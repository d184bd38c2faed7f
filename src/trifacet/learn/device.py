"""Where the network runs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch

from trifacet.core.errors import error


def choose_device(name: str) -> torch.device:
    """The device called `name`; `auto` takes CUDA, then Apple's GPU, then the CPU.

    Raises:
        ConfigError: TRI104, no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as problem:
        got = f"'{name}' ({str(problem).splitlines()[0]})"
        do = "`trifacet doctor` lists the devices there are."
        raise error("TRI104", "this device cannot be used", where="train.device", got=got, do=do) from None
    return device


def seed_everything(seed: int) -> None:
    """Seeds Python's, numpy's and torch's global generators, as the baseline's function of this name does.

    trifacet itself does not need it: its randomness is a function of (seed, epoch, photo).
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  (the global generator is what is asked for)
    torch.manual_seed(seed)


def has_fast_bf16(device: torch.device) -> bool:
    """Whether bfloat16 is computed by the hardware: CUDA from Ampere on, x86 with AMX tiles or AVX512-BF16.

    A step of face_resnet29 took half as long on AMX and .64 with AVX512: docs/log.md, "bfloat16 on a CPU".
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    asked = (getattr(torch.cpu, f"_is_{name}_supported", lambda: False) for name in ("amx_tile", "avx512_bf16"))
    return device.type == "cpu" and any(has() for has in asked)


def precision(device: torch.device, amp: str) -> AbstractContextManager[Any]:
    """What a pass of the network runs in: bfloat16 where the hardware computes it and `amp` is "auto", else float32."""
    if amp == "auto" and has_fast_bf16(device):
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def at_once(device: torch.device, most: int = 128) -> int:
    """How many photos a pass without gradients takes, at most `most`: on a CPU 16 a core, which its caches hold.

    EfficientNet-Lite0 answered 71 photos a second 64 at a time and 141 at 16: docs/log.md, "Few photos at once".
    """
    return min(most, 16 * max(2, torch.get_num_threads())) if device.type == "cpu" else most


def describe_device(device: torch.device, amp: str) -> dict[str, Any]:
    """Its name, the number of CPU threads and the precision, which decide the bits of a result."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    bits = "bfloat16" if amp == "auto" and has_fast_bf16(device) else "float32"
    return {"device": name, "n_threads": torch.get_num_threads(), "precision": bits}


@contextmanager
def memory_guard(batch_size: int) -> Iterator[None]:
    """Turns every kind of running out of memory into one error that says what to lower.

    Raises:
        MachineError: TRI902.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as problem:
        text = str(problem).lower()
        if not isinstance(problem, (torch.OutOfMemoryError, MemoryError)) and not any(
            words in text for words in ("out of memory", "not enough memory", "can't allocate memory")
        ):
            raise
        do = f"Lower train.batch_size (now {batch_size}) or data.image_size."
        raise error("TRI902", "out of memory", where="training", do=do) from problem
