"""A reviewer's desk: which photo comes next in which pass, what is shown of it, and what an answer becomes.

Three passes: look through all and flag, look through what is flagged and confirm or dismiss, rule on labels.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import uuid4

from trifacet.clean.store import SETTLED, Outcome, Store, outcome, standing
from trifacet.core.decisions import USE, VERDICT, YEARS, Decision, why_no_value
from trifacet.core.errors import error, pick
from trifacet.core.findings import Findings
from trifacet.core.manifest import Manifest

Pass = Literal["look", "flagged", "rule", "settle"]
PASSES: dict[str, str] = {
    "look": "all photos, to flag what looks wrong",
    "flagged": "what somebody flagged, to confirm or dismiss",
    "rule": "findings and confirmed photos, to say what is right",
    "settle": "what reviewers see differently, to settle",
}


@dataclass
class Board:
    """What is ruled so far, kept in step with the store: events by (subject, attribute, who)."""

    store: Store
    last: int = 0
    about: dict[tuple[str, str, str], list[Decision]] = field(default_factory=dict)
    by_photo: dict[str, set[tuple[str, str, str]]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def refresh(self) -> None:
        """Reads what others added since."""
        with self.lock:
            for event in self.store.events(after=self.last):
                key = (event.subject, event.attribute, event.who)
                self.about.setdefault(key, []).append(event)
                self.by_photo.setdefault(event.subject, set()).add(key)
                self.last = event.number

    def stands(self, photo: str, attribute: str, who: str) -> Decision | None:
        """This reviewer's ruling that stands, None where there is none."""
        return next(iter(standing(self.about.get((photo, attribute, who), []))), None)

    def latest(self, photo: str, attribute: str, who: str) -> int:
        """The number of this reviewer's newest event about this, 0 for none."""
        events = self.about.get((photo, attribute, who))
        return events[-1].number if events else 0

    def verdicts(self, photo: str) -> dict[str, str]:
        """The verdict of each reviewer that stands."""
        keys = [key for key in self.by_photo.get(photo, ()) if key[1] == VERDICT]
        found = {who: self.stands(photo, VERDICT, who) for _, _, who in keys}
        return {who: ruling.new for who, ruling in found.items() if ruling is not None}

    def has_ruled(self, photo: str, who: str) -> bool:
        """Whether this reviewer ruled on the photo, was unsure of it, or skipped it."""
        rulings = [self.stands(*key) for key in self.by_photo.get(photo, ()) if key[2] == who]
        return any(r is not None and (r.attribute != VERDICT or r.new in ("unsure", "skipped")) for r in rulings)

    def outcome(self) -> Outcome:
        """What all rulings come to."""
        events = [event for events in self.about.values() for event in events]
        return outcome(sorted(events, key=lambda e: e.number))


@dataclass(frozen=True)
class Filters:
    """Which photos a reviewer wants to see, all of it at once: kinds of findings, an attribute, classes, a split."""

    kinds: tuple[str, ...] = ()
    attribute: str = ""
    classes: Mapping[str, str] = field(default_factory=dict)
    split: str = ""


@dataclass(frozen=True)
class Progress:
    """How far a reviewer is in a pass: photos done, and in all."""

    done: int
    n_photos: int


class Desk:
    """All that reviewers of one dataset need; safe for several threads. Rulings go to the store before they are told.

    A photo is known by its row in the manifest; nothing that a browser sends is ever taken for a path.
    """

    def __init__(self, manifest: Manifest, store: Store, *, findings: Findings | None = None) -> None:
        self.manifest, self.findings = manifest, findings
        self.board = Board(store)
        self.ids, self.paths = manifest.photo_ids, manifest.paths
        self.row_of = {photo: row for row, photo in enumerate(self.ids)}
        self.groups = manifest.groups
        self.members: dict[str, list[int]] = {}
        for row, person in enumerate(self.groups):
            self.members.setdefault(person, []).append(row)
        names = [*manifest.schema.names, YEARS, "split", "dropped_because"]
        self.labels = manifest.table.select(names).to_dicts()
        self.reasons = self._reasons()
        self._orders: dict[tuple[Any, ...], list[int]] = {}

    def _reasons(self) -> dict[int, list[dict[str, Any]]]:
        """Why each photo is shown: its findings, worst first."""
        found: dict[int, list[dict[str, Any]]] = {}
        if self.findings is not None:
            for finding in self.findings.issues.sort("score").iter_rows(named=True):
                if (row := self.row_of.get(finding["photo_id"])) is not None:
                    found.setdefault(row, []).append(finding)
        return found

    def order(self, which: str, filters: Filters) -> list[int]:
        """The rows of a pass, in the order in which they are shown: findings worst first, else as in the manifest."""
        key = (which, filters.kinds, filters.attribute, tuple(sorted(filters.classes.items())), filters.split)
        if key not in self._orders:
            rows = list(self.reasons) if which == "rule" and self.findings is not None else range(len(self.ids))
            self._orders[key] = [row for row in rows if self._fits(row, filters)]
        return self._orders[key]

    def _fits(self, row: int, filters: Filters) -> bool:
        labels, reasons = self.labels[row], self.reasons.get(row, [])
        if filters.split and labels["split"] != filters.split:
            return False
        if any(labels.get(name) != value for name, value in filters.classes.items()):
            return False
        wanted = [
            r
            for r in reasons
            if (not filters.kinds or r["kind"] in filters.kinds)
            and (not filters.attribute or r["attribute"] == filters.attribute)
        ]
        return bool(wanted) or not (filters.kinds or filters.attribute)

    def waits(self, row: int, which: str, who: str) -> bool | None:
        """Whether a photo waits for this reviewer: False where it is done, None where the pass does not ask."""
        photo = self.ids[row]
        if which == "look":
            return not self.board.verdicts(photo).get(who) and not self.board.has_ruled(photo, who)
        verdicts = self.board.verdicts(photo)
        if which == "flagged":
            if not {"flagged", "confirmed", "dismissed"} & {*verdicts.values()}:
                return None
            return verdicts.get(who) not in ("confirmed", "dismissed")
        if row not in self.reasons and self.findings is not None and "confirmed" not in verdicts.values():
            return None
        return not self.board.has_ruled(photo, who)

    def following(self, which: str, who: str, *, filters: Filters, after: int = -1) -> int | None:
        """The row that comes next for this reviewer, behind the row `after`, then from the start; None at the end."""
        pick(PASSES, which, what="pass")
        if which == "settle":
            rows = sorted({self.row_of[r[0].subject] for r in self.board.outcome().disagreements})
        else:
            rows = self._asked(which, filters)
        start = rows.index(after) + 1 if after in rows else 0
        for row in (*rows[start:], *rows[:start]):
            if which == "settle" or self.waits(row, which, who):
                return row
        return None

    def _asked(self, which: str, filters: Filters) -> list[int]:
        """The rows of a pass, with photos that were confirmed though nothing was found about them."""
        rows = self.order(which, filters)
        if which != "rule" or self.findings is None:
            return rows
        known = set(rows)
        confirmed = (key[0] for key in list(self.board.about) if key[1] == VERDICT)
        more = {self.row_of[photo] for photo in confirmed if "confirmed" in self.board.verdicts(photo).values()}
        return [*rows, *sorted(row for row in more - known if self._fits(row, filters))]

    def progress(self, which: str, who: str, *, filters: Filters) -> Progress:
        """How far this reviewer is."""
        if which == "settle":
            return Progress(0, len(self.board.outcome().disagreements))
        waiting = [self.waits(row, which, who) for row in self._asked(which, filters)]
        return Progress(waiting.count(False), sum(w is not None for w in waiting))

    def item(self, row: int, who: str) -> dict[str, Any]:
        """What is shown of a photo: its labels, its person's photos, why it is shown, and what this reviewer ruled.

        `seen` is the newest event that this shows; an answer sends it back.
        """
        photo = self.ids[row]
        rulings = [self.board.stands(*key) for key in sorted(self.board.by_photo.get(photo, ()))]
        disagreed = [r for r in rulings if r is not None and r.attribute != VERDICT]
        return {
            "row": row,
            "photo_id": photo,
            "labels": self.labels[row],
            "person": self.manifest.table["person_id"][row],
            "others": [self._beside(other) for other in self.members[self.groups[row]] if other != row],
            "why": self.reasons.get(row, []),
            "own": {r.attribute: r.new for r in rulings if r is not None and r.who == who},
            "rulings": [r.model_dump(include={"who", "attribute", "new", "reason", "at"}) for r in disagreed],
            "seen": self.board.last,
        }

    def _beside(self, row: int) -> dict[str, Any]:
        return {"row": row, "photo_id": self.ids[row], "labels": self.labels[row]}

    def rule(
        self,
        row: int,
        changes: Mapping[str, str],
        *,
        who: str,
        seen: int,
        is_whole_person: bool = False,
        is_settling: bool = False,
        reason: str = "",
    ) -> list[int]:
        """Writes a reviewer's answer about a photo, or all photos of its person at one stroke; the events' numbers.

        changes: the value of each attribute as it should be (the given label confirms it), `use` or `verdict`.

        Raises:
            StaleError: this reviewer answered meanwhile elsewhere. ConfigError: TRI100, no such attribute or value.
        """
        for name, new in changes.items():
            if why := why_no_value(name, new, schema=self.manifest.schema):
                raise error("TRI104", why, where=name, do="The schema has what may be ruled.")
        rows = self.members[self.groups[row]] if is_whole_person else [row]
        told = [
            Decision(
                who=who,
                subject=self.ids[one],
                attribute=name,
                old=self._given(one, name),
                new=new,
                reason=reason,
                certainty=SETTLED if is_settling else "",
            )
            for one in rows
            for name, new in changes.items()
        ]
        if len(told) > 1:
            stroke = uuid4().hex
            told = [decision.model_copy(update={"batch": stroke}) for decision in told]
        numbers = self.board.store.add(told, seen=seen)
        self.board.refresh()
        return numbers

    def _given(self, row: int, name: str) -> str:
        """The manifest's label as text, "" where there is none."""
        if name == VERDICT:
            return ""
        value = self.labels[row]["dropped_because" if name == USE else name]
        return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)

    def undo(self, number: int, *, who: str) -> list[int]:
        """Takes back a reviewer's stroke, or an undoing. Raises StaleError; StoreError TRI705."""
        numbers = self.board.store.undo(number, who=who)
        self.board.refresh()
        return numbers
