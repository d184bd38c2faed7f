"""The store of rulings: one SQLite file of events that are only ever added, safe to kill, shared by several reviewers.

Each reviewer says what a photo's label is; what counts is what they agree on, or what settled their disagreement.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from trifacet.core.decisions import COLUMNS, VERDICT, Decision
from trifacet.core.errors import error
from trifacet.core.files import file_system, is_disk_full

FORMAT = 1
BUSY_SECONDS = 30.0
SETTLED = "settled"  # the certainty of a ruling that ends a disagreement
# File systems whose locks SQLite cannot trust. Source: sqlite.org/faq.html, question 5; sqlite.org/howtocorrupt.html.
REMOTE = (
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "fuse.sshfs",
    "fuse.glusterfs",
    "webdav",
    "ncpfs",
)

Thing = tuple[str, str, str]  # what a ruling is about: subject, attribute, and who rules

_TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, who TEXT NOT NULL, scope TEXT NOT NULL,
    subject TEXT NOT NULL, attribute TEXT NOT NULL, old TEXT NOT NULL, new TEXT NOT NULL, reason TEXT NOT NULL,
    source TEXT NOT NULL, certainty TEXT NOT NULL, undo_of INTEGER NOT NULL, batch TEXT NOT NULL
);
CREATE INDEX of_subject ON events (subject, attribute, who);
CREATE INDEX of_undone ON events (undo_of) WHERE undo_of > 0;
CREATE TRIGGER keep_events BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER keep_all BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
"""


class StaleError(Exception):
    """Somebody ruled meanwhile: `latest` is the number of the newest event about it, 0 where it was taken back."""

    def __init__(self, latest: int) -> None:
        self.latest = latest
        super().__init__(f"a newer ruling stands: event {latest}")


@dataclass(frozen=True)
class Store:
    """A store at `path`; each call opens it for itself, so that threads and processes may share it."""

    path: Path

    def add(self, decisions: Sequence[Decision], *, seen: int | None = None) -> list[int]:
        """The numbers of these new events, all of them or none; they are on the disk when this returns.

        seen: the newest event that their author had seen; where that author ruled on one of these things meanwhile (in
        another window, say), nothing is added. Times and numbers are given here.

        Raises:
            StaleError: a newer event stands. StoreError: TRI703, TRI704. MachineError: TRI900.
        """
        with self._writing() as link:
            for decision in decisions if seen is not None else ():
                latest = _latest(link, decision)
                if seen is not None and latest > seen:
                    raise StaleError(latest)
            return [_insert(link, decision) for decision in decisions]

    def undo(self, number: int, *, who: str) -> list[int]:
        """Takes back an event of this reviewer, with all that was ruled at the same stroke; the new events' numbers.

        Undoing an undo rules again what it took back.

        Raises:
            StaleError: it is taken back already, or a newer ruling of the same thing stands. StoreError: TRI705.
        """
        with self._writing() as link:
            first = _event(link, number)
            if first is None or first.who != who:
                got = "no such event" if first is None else f"an event of {first.who}"
                raise error("TRI705", f"event {number} is not {who}'s to take back", where=self.path, got=got)
            batch = _events(link, "batch = ?", first.batch) if first.batch else [first]
            for event in batch:
                if not _may_be_undone(link, event):
                    raise StaleError(_latest(link, event))
            stroke = uuid4().hex if len(batch) > 1 else ""
            return [_insert(link, _reversed(event, batch=stroke)) for event in batch]

    def events(self, *, after: int = 0, who: str | None = None) -> list[Decision]:
        """The events after a number, oldest first, of all reviewers or of one; undone ones and undoings too."""
        with self._reading() as link:
            return _events(link, "number > ? AND (? IS NULL OR who = ?)", after, who, who)

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Keeps the file open: else every ruling is the last to close it, and waits until SQLite has tidied its log."""
        with _told(self.path), closing(_connect(self.path)) as link:
            link.execute("SELECT 1 FROM about").fetchone()
            yield

    def back_up(self, target: Path) -> None:
        """Copies the store, as it is at one moment, to a file that is not there yet. Raises ConfigError TRI104."""
        if target.exists():
            raise error("TRI104", "something is there already", where="--out", got=f"'{target}'", do="Name a new file.")
        with self._reading() as link, closing(sqlite3.connect(target)) as copy:
            link.backup(copy)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with _told(self.path), closing(_connect(self.path)) as link:
            yield link

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, which has the lock from its first moment: a plain BEGIN fails among writers."""
        with _told(self.path), closing(_connect(self.path)) as link:
            link.execute("BEGIN IMMEDIATE")
            try:
                yield link
            except BaseException:
                link.execute("ROLLBACK")
                raise
            link.execute("COMMIT")


def open_store(path: Path | str, *, about: Mapping[str, str] | None = None) -> Store:
    """The store at `path`, made where none is there.

    about: what it is about (the schema's fingerprint, say); a store that says otherwise of one of these is refused.

    Raises:
        StoreError: TRI703 not a store, or newer; TRI704 on a network disk; TRI706 about other data.
        MachineError: TRI900, TRI901.
    """
    path = Path(path)
    if (kind := file_system(path)) in REMOTE:
        raise error("TRI704", "the store lies on a network disk", where=path, got=kind)
    store = Store(path)
    if path.is_dir():
        raise error("TRI703", "a folder, not a store of rulings", where=path)
    with _told(path), closing(_connect(path)) as link:
        link.execute("PRAGMA journal_mode = WAL")  # the file remembers it
    with store._writing() as link:
        if not link.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            for statement in _statements(_TABLES):
                link.execute(statement)
            told = {"kind": "trifacet rulings", "format": str(FORMAT), **(about or {})}
            link.executemany("INSERT INTO about VALUES (?, ?)", told.items())
        there = dict(link.execute("SELECT name, value FROM about"))
    if there.get("kind") != "trifacet rulings":
        raise error("TRI703", "not a store of rulings", where=path)
    if int(there["format"]) > FORMAT:
        raise error("TRI703", f"format {there['format']} is newer than this trifacet", where=path)
    for name, value in (about or {}).items():
        if there.get(name, value) != value:
            got = f"{name} {there[name]}, not {value}"
            raise error("TRI706", "the store is about other data", where=path, got=got)
    return store


def standing(events: Sequence[Decision]) -> list[Decision]:
    """The rulings that stand: not taken back, and of each reviewer the newest about each thing; oldest first."""
    void: set[int] = set()
    newest: dict[Thing, Decision] = {}
    for event in reversed(events):
        if event.number in void:
            continue
        if event.undo_of:
            void.add(event.undo_of)
        else:
            newest.setdefault((event.subject, event.attribute, event.who), event)
    return sorted(newest.values(), key=lambda e: e.number)


@dataclass(frozen=True)
class Outcome:
    """What rulings come to: those that count, one a thing, and the things that reviewers see differently."""

    decisions: tuple[Decision, ...]
    disagreements: tuple[tuple[Decision, ...], ...]


def outcome(events: Sequence[Decision]) -> Outcome:
    """What the events come to: where reviewers agree the last one's ruling, else what settled it, else a disagreement.

    Verdicts about findings are nobody's label and are left out.
    """
    about: dict[tuple[str, str], list[Decision]] = {}
    for event in standing(events):
        if event.attribute != VERDICT:
            about.setdefault((event.subject, event.attribute), []).append(event)
    agreed, differ = [], []
    for rulings in about.values():
        settled = [r for r in rulings if r.certainty == SETTLED]
        if settled or len({r.new for r in rulings}) == 1:
            agreed.append((settled or rulings)[-1])
        else:
            differ.append(tuple(rulings))
    return Outcome(tuple(sorted(agreed, key=lambda e: e.number)), tuple(differ))


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What SQLite says of this file, as an error that a person can act on."""
    try:
        yield
    except sqlite3.DatabaseError as problem:
        if is_disk_full(problem) or "disk is full" in str(problem):
            raise error("TRI900", "no space left", where=path) from problem
        if "readonly" in str(problem) or "unable to open" in str(problem):
            raise error("TRI901", "cannot write here", where=path, got=str(problem)) from problem
        if "locked" in str(problem):
            got = f"it was locked for {BUSY_SECONDS:.0f} seconds"
            raise error("TRI707", "another process holds the store", where=path, got=got) from problem
        raise error("TRI703", "not a store of rulings, or damaged", where=path, got=str(problem)) from problem


def _connect(path: Path) -> sqlite3.Connection:
    link = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    link.execute("PRAGMA synchronous = FULL")  # in WAL mode only this outlives a power cut
    return link


def _statements(script: str) -> Iterator[str]:
    """The statements of a script: executescript would end the transaction that they belong to."""
    statement = ""
    for line in script.strip().splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _insert(link: sqlite3.Connection, decision: Decision) -> int:
    values = decision.model_dump(exclude={"number"}) | {"at": datetime.now(UTC).isoformat(timespec="milliseconds")}
    names = ", ".join(values)
    marks = ", ".join("?" * len(values))
    made = link.execute(f"INSERT INTO events ({names}) VALUES ({marks})", tuple(values.values()))  # names are fields
    return int(made.lastrowid or 0)


def _events(link: sqlite3.Connection, where: str, *values: object) -> list[Decision]:
    rows = link.execute(f"SELECT {', '.join(COLUMNS)} FROM events WHERE {where} ORDER BY number", values)
    return [Decision.model_construct(**dict(zip(COLUMNS, row, strict=True))) for row in rows]


def _event(link: sqlite3.Connection, number: int) -> Decision | None:
    return next(iter(_events(link, "number = ?", number)), None)


def _latest(link: sqlite3.Connection, like: Decision) -> int:
    """The number of the newest event by this author about this thing, an undoing too; 0 for none."""
    wanted = "SELECT max(number) FROM events WHERE subject = ? AND attribute = ? AND who = ?"
    return int(link.execute(wanted, (like.subject, like.attribute, like.who)).fetchone()[0] or 0)


def _may_be_undone(link: sqlite3.Connection, event: Decision) -> bool:
    """Whether an event is its author's newest word on its thing: a ruling that stands, or the last undoing."""
    about = _events(link, "subject = ? AND attribute = ? AND who = ?", event.subject, event.attribute, event.who)
    if event.undo_of:
        return about[-1].number == event.number
    return event.number in {e.number for e in standing(about)}


def _reversed(event: Decision, *, batch: str) -> Decision:
    """The event that takes this one back."""
    return event.model_copy(update={"old": event.new, "new": event.old, "undo_of": event.number, "batch": batch})
