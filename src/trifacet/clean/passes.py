"""The passes of a review, and the queue of a reviewer in one of them: which photos wait, which are done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Pass = Literal["look", "flagged", "rule", "settle"]
PASSES: dict[str, str] = {
    "look": "all photos, to flag what looks wrong",
    "flagged": "what somebody flagged, to confirm or dismiss",
    "rule": "findings and confirmed photos, to say what is right",
    "settle": "what reviewers see differently, to settle",
}
UNASKED, WAITS, DONE = b"\x00", b"\x01", b"\x02"


@dataclass(frozen=True)
class Filters:
    """Which photos a reviewer wants to see, all of it at once: kinds of findings, an attribute, classes, a split.

    classes: (attribute, class) as labelled.
    """

    kinds: tuple[str, ...] = ()
    attribute: str = ""
    classes: tuple[tuple[str, str], ...] = ()
    split: str = ""


@dataclass(frozen=True)
class Progress:
    """How far a reviewer is in a pass: photos done, and in all."""

    done: int
    n_photos: int


@dataclass(frozen=True)
class Order:
    """The rows of a pass in the order in which they are shown, and the place of each."""

    rows: Sequence[int]
    places: dict[int, int]


class Queue:
    """A reviewer's photos in a pass: a byte each, in the order in which they are shown, so that a look is a search.

    state: UNASKED, WAITS or DONE of a row. read: how much of the board's trail is in it.
    """

    def __init__(self, order: Order, state: Callable[[int], bytes], *, read: int) -> None:
        self.order, self.read = order, read
        self._state = state
        self._states = bytearray(b"".join(map(state, order.rows)))

    def tell(self, row: int) -> None:
        """Looks at a photo again: somebody ruled on it."""
        if (place := self.order.places.get(row)) is not None:
            self._states[place : place + 1] = self._state(row)

    def behind(self, row: int) -> int | None:
        """The next row that waits behind `row`, then from the start; None where none does but perhaps `row` itself."""
        start = self.order.places.get(row, -1) + 1
        place = self._states.find(WAITS, start)
        if place < 0:
            place = self._states.find(WAITS, 0, start)
        return None if place < 0 else self.order.rows[place]

    @property
    def progress(self) -> Progress:
        """Photos done, and in all."""
        done = self._states.count(DONE)
        return Progress(done, done + self._states.count(WAITS))
