"""What is ruled so far: each photo's events in memory, in step with the store, and each reviewer's way back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from trifacet.clean.store import Outcome, Store, outcome, standing
from trifacet.core.decisions import VERDICT, Decision


@dataclass(frozen=True)
class Step:
    """A stroke that may be taken back: the number of its first event, and the photo that this one is about."""

    number: int
    photo: str


@dataclass
class Way:
    """What a reviewer may take back and what may be ruled again, the newest last."""

    back: list[Step] = field(default_factory=list)
    forth: list[Step] = field(default_factory=list)
    stroke: str = ""  # of the last event: what follows of it adds no step

    def tell(self, event: Decision) -> None:
        """Takes in the reviewer's next event."""
        if event.batch and event.batch == self.stroke:
            return
        self.stroke = event.batch
        step = Step(event.number, event.subject)
        if not event.undo_of:
            self.back.append(step)
            self.forth.clear()
        elif _taken(self.back, event.undo_of):
            self.forth.append(step)
        elif _taken(self.forth, event.undo_of):
            self.back.append(step)


def _taken(steps: list[Step], number: int) -> bool:
    """Whether this step was there; it no longer is."""
    for i in reversed(range(len(steps))):
        if steps[i].number == number:
            del steps[i]
            return True
    return False


class Board:
    """The events of a store by photo. `lock` guards it: hold it over whatever has to be of one moment.

    photos_of: the photos that an event is about, in the data that is reviewed.
    trail: the photo of each event so far, oldest first, so that whoever read the first n knows what changed since.
    """

    def __init__(self, store: Store, *, photos_of: Callable[[Decision], Sequence[str]]) -> None:
        self.store = store
        self.lock = threading.RLock()
        self.last = 0  # the newest event that was read
        self.trail: list[str] = []
        self._photos_of = photos_of
        self._events: dict[str, list[Decision]] = {}
        self._ways: dict[str, Way] = {}

    def refresh(self) -> None:
        """Reads what was added since."""
        with self.lock:
            for event in self.store.events(after=self.last):
                for photo in self._photos_of(event):
                    self._events.setdefault(photo, []).append(event)
                    self.trail.append(photo)
                self._ways.setdefault(event.who, Way()).tell(event)
                self.last = event.number

    @property
    def reviewers(self) -> list[str]:
        """Everybody who ever ruled, by name."""
        return sorted(filter(None, self._ways))

    def way(self, who: str) -> Way:
        """A reviewer's way back and forth."""
        return self._ways.get(who, Way())

    def rulings(self, photo: str) -> list[Decision]:
        """What stands of a photo, of all reviewers, oldest first."""
        return standing(self._events[photo]) if photo in self._events else []

    def verdicts(self, photo: str) -> dict[str, str]:
        """The verdict of each reviewer that stands."""
        return {r.who: r.new for r in self.rulings(photo) if r.attribute == VERDICT and r.new}

    def has_ruled(self, photo: str, who: str) -> bool:
        """Whether this reviewer ruled on the photo, was unsure of it, or skipped it."""
        own = [r for r in self.rulings(photo) if r.who == who]
        return any(r.attribute != VERDICT or r.new in ("unsure", "skipped") for r in own)

    def has_answered(self, photo: str, who: str) -> bool:
        """Whether this reviewer ruled on the photo or said to be unsure: nothing that is shown can sway them now."""
        own = [r for r in self.rulings(photo) if r.who == who]
        return any(r.attribute != VERDICT or r.new in ("unsure", "confirmed", "dismissed") for r in own)

    def outcome(self, photo: str) -> Outcome:
        """What the rulings about one photo come to."""
        return outcome(self._events.get(photo, []))
