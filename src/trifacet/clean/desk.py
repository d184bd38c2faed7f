"""A reviewer's desk: which photo comes next in which pass, what is shown of it, and what an answer becomes.

Three passes: look through all and flag, look through what is flagged and confirm or dismiss, rule on labels.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from trifacet.clean.board import Board, Step
from trifacet.clean.passes import DONE, PASSES, UNASKED, WAITS, Filters, Order, Progress, Queue
from trifacet.clean.store import SETTLED, Store
from trifacet.core.decisions import PERSON, USE, VERDICT, YEARS, Decision, why_no_value
from trifacet.core.errors import error, first_few, pick
from trifacet.core.findings import Findings
from trifacet.core.manifest import Manifest

KEPT_QUEUES = 64  # of reviewers, passes and filters: a byte a photo each
BESIDE = 24  # other photos of the person that are shown


class Desk:
    """All that reviewers of one dataset need; safe for several threads. Rulings go to the store before they are told.

    A photo is known by its row in the manifest; nothing that a browser sends is ever taken for a path.
    """

    def __init__(
        self, manifest: Manifest, store: Store, *, findings: Findings | None = None, is_following_links: bool = False
    ) -> None:
        self.manifest, self.findings, self.is_following_links = manifest, findings, is_following_links
        self.ids = manifest.photo_ids
        self._files: list[tuple[str, str]] = list(manifest.table.select("source", "path").iter_rows())
        _require_inside([path for _, path in self._files])
        self.row_of = {photo: row for row, photo in enumerate(self.ids)}
        self.groups = manifest.groups
        self.members: dict[str, list[int]] = {}
        for row, person in enumerate(self.groups):
            self.members.setdefault(person, []).append(row)
        names = [*manifest.schema.names, YEARS, PERSON, "split", "dropped_because"]
        self._columns = {name: manifest.table[name].to_list() for name in names}
        self.reasons = self._reasons()
        self.board = Board(store, photos_of=self._photos_of)
        self.board.refresh()
        self._order = lru_cache(KEPT_QUEUES)(self._ordered)
        self._queue = lru_cache(KEPT_QUEUES)(self._queued)

    def _photos_of(self, event: Decision) -> list[str]:
        """The photos that an event is about; none where it is about another dataset's."""
        if event.scope == "person":
            return [self.ids[row] for row in self.members.get(f"person:{event.subject}", [])]
        return [event.subject] if event.subject in self.row_of else []

    def _reasons(self) -> dict[int, list[dict[str, Any]]]:
        """Why each photo is shown: its findings, worst first; `other` is the row of the photo beside it."""
        found: dict[int, list[dict[str, Any]]] = {}
        table = None if self.findings is None else self.findings.issues.sort("score", maintain_order=True)
        for finding in () if table is None else table.iter_rows(named=True):
            row, other = (self.row_of.get(finding[name]) for name in ("photo_id", "other_id"))
            if row is None:
                continue
            found.setdefault(row, []).append(finding | {"other": other})
            if finding["kind"] == "swap" and other is not None:  # it doubts both labels
                turned = {"photo_id": finding["other_id"], "other_id": finding["photo_id"], "other": row}
                proposed = {"proposed": self._columns[finding["attribute"]][row] or "", "confidence": None}
                found.setdefault(other, []).append(finding | turned | proposed)
        return found

    def labels(self, row: int) -> dict[str, Any]:
        """What the manifest says of a photo: each attribute, its years and person, its split, why it is left out."""
        return {name: column[row] for name, column in self._columns.items()}

    def _ordered(self, which: str, filters: Filters) -> Order:
        """The rows of a pass, in the order in which they are shown: findings worst first, then as in the manifest."""
        for name, _ in filters.classes:
            pick(self._columns, name, what="attribute")
        rows = list(range(len(self.ids)))
        if which == "rule":
            rows = [*self.reasons, *(row for row in rows if row not in self.reasons)]
        kept = rows if filters == Filters() else [row for row in rows if self._fits(row, filters)]
        return Order(kept, {row: place for place, row in enumerate(kept)})

    def _fits(self, row: int, filters: Filters) -> bool:
        if filters.split and self._columns["split"][row] != filters.split:
            return False
        if any(self._columns[name][row] != value for name, value in filters.classes):
            return False
        wanted = [
            r
            for r in self.reasons.get(row, [])
            if (not filters.kinds or r["kind"] in filters.kinds)
            and (not filters.attribute or r["attribute"] == filters.attribute)
        ]
        return bool(wanted) or not (filters.kinds or filters.attribute)

    def _queued(self, which: str, who: str, *, filters: Filters) -> Queue:
        pick(PASSES, which, what="pass")
        read = len(self.board.trail)
        return Queue(self._order(which, filters), lambda row: self._state(row, which, who=who), read=read)

    def _state(self, row: int, which: str, *, who: str) -> bytes:
        waits = self.waits(row, which, who=who)
        return UNASKED if waits is None else WAITS if waits else DONE

    def waits(self, row: int, which: str, *, who: str) -> bool | None:
        """Whether a photo waits for this reviewer: False where it is done, None where the pass does not ask."""
        photo, board = self.ids[row], self.board
        verdicts = board.verdicts(photo)
        if which == "look":
            return who not in verdicts and not board.has_ruled(photo, who)
        if which == "flagged":
            is_asked = bool({"flagged", "confirmed", "dismissed"} & {*verdicts.values()})
            return verdicts.get(who) not in ("confirmed", "dismissed") if is_asked else None
        if which == "settle":
            found = board.outcome(photo)
            is_asked = bool(found.disagreements) or any(d.certainty == SETTLED for d in found.decisions)
            return bool(found.disagreements) if is_asked else None
        is_asked = self.findings is None or row in self.reasons or "confirmed" in verdicts.values()
        return not board.has_ruled(photo, who) if is_asked else None

    def _told(self, which: str, who: str, *, filters: Filters) -> Queue:
        """A reviewer's queue with all that was ruled so far in it. The board's lock is held."""
        queue = self._queue(which, who, filters=filters)
        for photo in {*self.board.trail[queue.read :]}:
            queue.tell(self.row_of[photo])
        queue.read = len(self.board.trail)
        return queue

    def following(self, which: str, who: str, *, filters: Filters, after: int = -1) -> int | None:
        """The row that comes next for this reviewer, behind the row `after`, then from the start; None at the end."""
        with self.board.lock:
            return self._told(which, who, filters=filters).behind(after)

    def progress(self, which: str, who: str, *, filters: Filters) -> Progress:
        """How far this reviewer is."""
        with self.board.lock:
            return self._told(which, who, filters=filters).progress

    @property
    def reviewers(self) -> list[str]:
        """Everybody who ruled so far, by name."""
        with self.board.lock:
            return self.board.reviewers

    @property
    def splits(self) -> list[str]:
        """The splits that there are."""
        return sorted({*self._columns["split"]} - {None})

    def has_answered(self, row: int, who: str) -> bool:
        """Whether this reviewer answered, so that nothing that is shown can sway them."""
        with self.board.lock:
            return self.board.has_answered(self.ids[row], who)

    def read(self, row: int) -> bytes:
        """The file of a photo.

        Raises:
            OSError: it is gone, cannot be read, or is a link that leaves its folder and links are not followed.
        """
        source, name = self._files[row]
        home = self.manifest.roots[source]
        path = Path(home, name)
        if not self.is_following_links and not path.resolve().is_relative_to(home.resolve()):
            raise PermissionError(f"{path} leads out of {home}")
        return path.read_bytes()

    def item(self, row: int, who: str) -> dict[str, Any]:
        """What is shown of a photo: its labels, its person's photos, why it is shown, and what this reviewer ruled.

        `seen` is the newest event that this shows; an answer sends it back.
        """
        with self.board.lock:
            rulings, seen = self.board.rulings(self.ids[row]), self.board.last
            differ = {found[0].attribute for found in self.board.outcome(self.ids[row]).disagreements}
        members = self.members[self.groups[row]]
        others = [other for other in members[: BESIDE + 1] if other != row][:BESIDE]
        return {
            "row": row,
            "photo_id": self.ids[row],
            "labels": self.labels(row),
            "person": self._columns[PERSON][row],
            "n_of_person": len(members),
            "others": [{"row": other, "photo_id": self.ids[other], "labels": self.labels(other)} for other in others],
            "why": self.reasons.get(row, []),
            "own": {r.attribute: r.new for r in rulings if r.who == who},
            "rulings": [
                r.model_dump(include={"who", "attribute", "new", "reason", "at"})
                for r in rulings
                if r.attribute != VERDICT
            ],
            "differs": sorted(differ),
            "seen": seen,
        }

    def way(self, who: str) -> dict[str, dict[str, int] | None]:
        """What this reviewer may take back, and rule again: number and row of a stroke, None for nothing."""
        with self.board.lock:
            way = self.board.way(who)
            back, forth = (steps[-1] if steps else None for steps in (way.back, way.forth))
        return {"back": self._step(back), "forth": self._step(forth)}

    def _step(self, step: Step | None) -> dict[str, int] | None:
        return None if step is None else {"number": step.number, "row": self.row_of.get(step.photo, -1)}

    def rule(
        self,
        row: int,
        changes: Mapping[str, str],
        *,
        who: str,
        seen: int,
        of_person: Collection[str] = (),
        is_settling: bool = False,
        reason: str = "",
    ) -> list[int]:
        """Writes a reviewer's answer about a photo at one stroke; the events' numbers, which begin with its own.

        changes: the value of each attribute as it should be (the given label confirms it), `use` or `verdict`.
        of_person: those of them that are said of all photos of the person.

        Raises:
            StaleError: this reviewer answered meanwhile elsewhere. ConfigError: TRI104, no such attribute or value.
        """
        for name, new in changes.items():
            if why := why_no_value(name, new, schema=self.manifest.schema):
                raise error("TRI104", why, where=name, do="The schema has what may be ruled.")
        others = self.members[self.groups[row]] if of_person else []
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
            for one in (row, *(other for other in others if other != row))
            for name, new in changes.items()
            if one == row or name in of_person
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
        value = self._columns["dropped_because" if name == USE else name][row]
        return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)

    def undo(self, number: int, *, who: str) -> list[int]:
        """Takes back a reviewer's stroke, or an undoing. Raises StaleError; StoreError TRI705."""
        numbers = self.board.store.undo(number, who=who)
        self.board.refresh()
        return numbers


def _require_inside(paths: Sequence[str]) -> None:
    """Refuses photos that are named as if they lay outside their folder. Raises StoreError TRI713."""
    if outside := [path for path in paths if path.startswith("/") or ".." in path.split("/")]:
        raise error("TRI713", "photos outside their folder are not shown", got=first_few(outside))
