from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from trifacet.core.errors import ConfigError, MachineError
from trifacet.learn.device import (
    at_once,
    choose_device,
    describe_device,
    has_fast_bf16,
    memory_guard,
    precision,
    seed_everything,
)

LOWER = "TRI902 training: out of memory. Lower train.batch_size (now 64) or data.image_size."


def test_auto_takes_what_there_is() -> None:
    expected = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert choose_device("auto").type == expected
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["nonsense", "cuda:99", "xla"])
def test_a_device_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        choose_device(name)
    assert str(caught.value).startswith(f"TRI104 train.device: this device cannot be used, got '{name}' (")
    assert str(caught.value).endswith(". `trifacet doctor` lists the devices there are.")


def test_a_device_is_described_by_what_decides_the_bits() -> None:
    cpu, n_threads = torch.device("cpu"), torch.get_num_threads()
    assert describe_device(cpu, "off") == {"device": "cpu", "n_threads": n_threads, "precision": "float32"}
    expected = "bfloat16" if has_fast_bf16(cpu) else "float32"
    assert describe_device(cpu, "auto")["precision"] == expected


@pytest.mark.parametrize(
    ("has_tiles", "has_dot", "is_fast"),
    [
        pytest.param(True, True, True, id="AMX"),
        pytest.param(False, True, True, id="AVX512-BF16"),
        pytest.param(False, False, False, id="neither"),
    ],
)
def test_bfloat16_is_fast_on_a_cpu_that_computes_it(
    has_tiles: bool, has_dot: bool, is_fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, has in [("amx_tile", has_tiles), ("avx512_bf16", has_dot)]:
        monkeypatch.setattr(torch.cpu, f"_is_{name}_supported", lambda has=has: has, raising=False)
    assert has_fast_bf16(torch.device("cpu")) == is_fast
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported", raising=False)  # torch before it asked
    assert has_fast_bf16(torch.device("cpu")) == has_tiles


def test_a_cpu_takes_as_few_photos_at_once_as_its_caches_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = {}
    for n_threads in (1, 2, 6, 64):
        monkeypatch.setattr(torch, "get_num_threads", lambda n=n_threads: n)
        taken[n_threads] = at_once(torch.device("cpu")), at_once(torch.device("cpu"), 48)
    assert taken == {1: (32, 32), 2: (32, 32), 6: (96, 48), 64: (128, 48)}
    assert at_once(torch.device("cuda"), 512) == 512


def test_precision_is_lowered_only_where_it_is_asked_for_and_fast() -> None:
    cpu, ones = torch.device("cpu"), torch.ones(2, 2)
    with precision(cpu, "off"):
        assert (ones @ ones).dtype == torch.float32
    with precision(cpu, "auto"):
        assert (ones @ ones).dtype == (torch.bfloat16 if has_fast_bf16(cpu) else torch.float32)


def test_a_seed_sets_all_three_global_generators() -> None:
    def drawn() -> list[float]:
        seed_everything(7)
        return [random.random(), float(np.random.random()), float(torch.rand(()))]  # noqa: NPY002

    assert drawn() == drawn()


def test_running_out_of_memory_says_what_to_lower() -> None:
    with pytest.raises(MachineError) as caught, memory_guard(64):
        torch.empty(2**50)  # more than any machine has addresses for
    assert str(caught.value) == LOWER
    for problem in (MemoryError(), torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")):
        with pytest.raises(MachineError) as caught, memory_guard(64):
            raise problem
        assert str(caught.value) == LOWER


def test_other_problems_pass_through() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), memory_guard(64):
        torch.zeros(2, 3) @ torch.zeros(2, 3)
