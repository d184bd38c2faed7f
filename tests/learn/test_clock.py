from __future__ import annotations

import time

import pytest
import torch
from torch import nn

from trifacet.learn.clock import PARTS, Clock, bytes_kept_for_backward, peak_memory

CPU = torch.device("cpu")


def test_parts_add_up_and_begin_anew() -> None:
    clock = Clock(CPU, before=100.0)
    for _ in range(2):
        with clock.part("forward"):
            time.sleep(0.01)
    for item in clock.waiting("wait", (time.sleep(0.01) for _ in range(3))):
        assert item is None
    taken = clock.take()
    assert list(taken) == [f"seconds_{part}" for part in PARTS]
    assert taken["seconds_forward"] >= 0.02
    assert taken["seconds_wait"] >= 0.03
    assert taken["seconds_save"] == 0
    assert clock.take()["seconds_forward"] == 0
    assert clock.seconds >= 100.05


def test_a_part_that_fails_is_timed_too() -> None:
    clock = Clock(CPU)
    with pytest.raises(ZeroDivisionError), clock.part("step"):
        raise ZeroDivisionError
    assert clock.take()["seconds_step"] > 0


def test_what_a_pass_keeps_is_counted_once_and_without_weights() -> None:
    net = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 5))
    inputs = torch.randn(8, 10)
    kept = bytes_kept_for_backward(net, inputs)
    # The first layer keeps its input; the rectified one is kept by the ReLU and by the second layer, once.
    assert kept == 4 * 8 * (10 + 20)
    assert bytes_kept_for_backward(net, inputs.repeat(2, 1)) == 2 * kept


def test_the_peak_of_memory_is_of_this_process() -> None:
    block = torch.ones(30_000_000)
    assert peak_memory(CPU)["peak_host_bytes"] > block.nbytes
