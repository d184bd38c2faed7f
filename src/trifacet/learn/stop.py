"""Ctrl-C and SIGTERM, held back while a training step is under way, so that what is saved is never half a step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """A context in which a signal that asks to stop waits for the end of `held()`; outside it acts at once.

    What the signals did before is still what they do, only later. A second one does not wait. Signals can be handled in
    the main thread alone: elsewhere, and where a signal has no handler in Python, nothing changes.
    """

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}
        self._asked: tuple[int, FrameType | None] | None = None
        self._is_held = False

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            found = {number: signal.getsignal(number) for number in SIGNALS}
            self._before = {number: handler for number, handler in found.items() if callable(handler)}
            for number in self._before:
                signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """The step. Raises what the signal's own handler does (KeyboardInterrupt) after it, if one came."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
        if self._asked:
            self._act(*self._asked)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._is_held and self._asked is None:
            self._asked = number, frame
        else:
            self._act(number, frame)

    def _act(self, number: int, frame: FrameType | None) -> None:
        self._asked = None
        self._before[signal.Signals(number)](number, frame)
