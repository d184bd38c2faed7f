"""Signals wait for the end of a step, and only for that."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from trifacet.learn.stop import SIGNALS, Stop


class Asked(Exception):
    """What the program's own handler raises."""


@pytest.fixture(params=SIGNALS, ids=lambda number: number.name)
def number(request: pytest.FixtureRequest) -> Iterator[signal.Signals]:
    def handle(*_: object) -> None:
        raise Asked

    before = signal.signal(request.param, handle)
    yield request.param
    signal.signal(request.param, before)


def test_a_signal_in_a_step_acts_after_it(number: signal.Signals) -> None:
    done = []

    def work() -> None:
        with Stop() as stop:
            with stop.held():
                os.kill(os.getpid(), number)
                done.append("step")
            done.append("after")

    with pytest.raises(Asked):
        work()
    assert done == ["step"]


def test_a_signal_between_steps_acts_at_once(number: signal.Signals) -> None:
    done = []

    def work() -> None:
        with Stop() as stop:
            with stop.held():
                done.append("step")
            os.kill(os.getpid(), number)
            done.append("after")

    with pytest.raises(Asked):
        work()
    assert done == ["step"]


def test_a_second_signal_does_not_wait(number: signal.Signals) -> None:
    done = []

    def work() -> None:
        with Stop() as stop, stop.held():
            os.kill(os.getpid(), number)
            done.append("once")
            os.kill(os.getpid(), number)
            done.append("twice")

    with pytest.raises(Asked):
        work()
    assert done == ["once"]


def test_the_handlers_are_the_programs_own_again_afterwards(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Stop():
        assert signal.getsignal(number) != before
    assert signal.getsignal(number) == before


def test_an_error_in_a_step_is_not_hidden_by_a_signal(number: signal.Signals) -> None:
    def work() -> None:
        with Stop() as stop, stop.held():
            os.kill(os.getpid(), number)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()


def test_outside_the_main_thread_nothing_changes(number: signal.Signals) -> None:
    before, seen = signal.getsignal(number), []

    def work() -> None:
        with Stop() as stop, stop.held():
            seen.append(signal.getsignal(number))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
