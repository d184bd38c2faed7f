"""The store of rulings loses nothing, changes nothing, and says what stands."""

from __future__ import annotations

import multiprocessing
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from trifacet.clean import store as room
from trifacet.clean.store import SETTLED, StaleError, Store, open_store, outcome, standing
from trifacet.core.decisions import VERDICT, Decision
from trifacet.core.errors import MachineError, StoreError, TrifacetError

N_WRITERS = 8


def ruling(subject: str, new: str, *, who: str = "ann", attribute: str = "gender", **more: str) -> Decision:
    return Decision(who=who, subject=subject, attribute=attribute, old="male", new=new, **more)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "rulings.db", about={"schema": "abc"})


def stands(store: Store) -> list[tuple[str, str, str]]:
    return [(event.subject, event.who, event.new) for event in standing(store.events())]


def test_what_is_added_is_there_when_the_store_is_opened_again(store: Store) -> None:
    assert store.add([ruling("a", "female", reason="sure"), ruling("b", "male")]) == [1, 2]
    first, second = open_store(store.path, about={"schema": "abc"}).events()
    assert (first.number, first.subject, first.new, first.reason) == (1, "a", "female", "sure")
    assert first.at.startswith("20")
    assert second.number == 2
    assert [event.number for event in store.events(after=1)] == [2]


def test_a_stale_edit_is_refused_whole(store: Store) -> None:
    (number,) = store.add([ruling("a", "female")], seen=0)
    with pytest.raises(StaleError, match="a newer ruling stands: event 1") as caught:
        store.add([ruling("b", "female"), ruling("a", "male")], seen=0)
    assert caught.value.latest == number
    assert stands(store) == [("a", "ann", "female")]
    store.add([ruling("a", "male", who="bob")], seen=0)  # who reviews beside is no conflict


def test_undo_and_redo_walk_back_and_forth(store: Store) -> None:
    (first,) = store.add([ruling("a", "female")])
    (second,) = store.add([ruling("a", "male")])
    (undone,) = store.undo(second, who="ann")
    assert stands(store) == [("a", "ann", "female")]
    (redone,) = store.undo(undone, who="ann")
    assert stands(store) == [("a", "ann", "male")]
    store.undo(redone, who="ann")
    store.undo(first, who="ann")
    assert stands(store) == []
    assert len(store.events()) == 6


def test_what_was_ruled_at_one_stroke_is_taken_back_at_one(store: Store) -> None:
    numbers = store.add([ruling(photo, "female", batch="stroke") for photo in "abc"])
    undone = store.undo(numbers[1], who="ann")
    assert len(undone) == 3
    assert stands(store) == []
    store.undo(undone[0], who="ann")
    assert len(stands(store)) == 3


def test_only_the_newest_word_can_be_taken_back(store: Store) -> None:
    (first,) = store.add([ruling("a", "female")])
    (second,) = store.add([ruling("a", "male")])
    with pytest.raises(StaleError):
        store.undo(first, who="ann")
    (undone,) = store.undo(second, who="ann")
    with pytest.raises(StaleError):
        store.undo(second, who="ann")
    store.add([ruling("a", "male")])
    with pytest.raises(StaleError):
        store.undo(undone, who="ann")


@pytest.mark.parametrize(("number", "who", "got"), [(9, "ann", "no such event"), (1, "bob", "an event of ann")])
def test_nobody_takes_back_what_is_not_theirs(store: Store, number: int, who: str, got: str) -> None:
    store.add([ruling("a", "female")])
    with pytest.raises(StoreError) as caught:
        store.undo(number, who=who)
    assert str(caught.value) == (
        f"TRI705 {store.path}: event {number} is not {who}'s to take back, got {got}. Take back your own; what another "
        "reviewer sees differently is settled in the queue of disagreements."
    )


def test_reviewers_agree_disagree_and_settle(store: Store) -> None:
    store.add([ruling("same", "female"), ruling("differs", "female"), ruling("alone", "female")])
    store.add([ruling("same", "female", who="bob"), ruling("differs", "male", who="bob")])
    store.add([ruling("alone", "confirmed", attribute=VERDICT)])
    found = outcome(store.events())
    assert sorted((d.subject, d.new) for d in found.decisions) == [("alone", "female"), ("same", "female")]
    assert [[(d.who, d.new) for d in about] for about in found.disagreements] == [[("ann", "female"), ("bob", "male")]]
    store.add([ruling("differs", "male", who="cem", certainty=SETTLED)])
    found = outcome(store.events())
    assert ("differs", "male") in [(d.subject, d.new) for d in found.decisions]
    assert found.disagreements == ()


def write_many(path: Path, who: str, n_each: int) -> None:
    for i in range(n_each):
        Store(path).add([ruling(f"{who}{i}", "female", who=who)], seen=0)


@pytest.mark.parametrize("n_each", [40, pytest.param(500, marks=pytest.mark.prove)])
def test_writers_at_once_lose_nothing_and_never_wait_in_vain(store: Store, n_each: int) -> None:
    with multiprocessing.get_context("spawn").Pool(N_WRITERS) as pool:
        pool.starmap(write_many, [(store.path, f"w{i}", n_each) for i in range(N_WRITERS)])
    events = store.events()
    assert len(events) == N_WRITERS * n_each == len({event.subject for event in events})
    assert [event.number for event in events] == list(range(1, len(events) + 1))


def count_up(path: Path, seed: int, n_each: int, *, is_careful: bool) -> int:
    """Reads what stands of a photo and writes one more than that, `n_each` times; how often it had to read again."""
    store, rng = Store(path), random.Random(seed)
    last, counts, n_again = 0, dict.fromkeys("abc", 0), 0
    for _ in range(n_each):
        photo = rng.choice("abc")
        while True:
            for event in store.events(after=last):
                last, counts[event.subject] = event.number, int(event.reason)
            try:
                store.add([ruling(photo, "female", reason=str(counts[photo] + 1))], seen=last if is_careful else None)
                break
            except StaleError:
                n_again += 1
    return n_again


def counted(store: Store, n_each: int, *, is_careful: bool) -> tuple[int, int]:
    """What writers at once counted up to, and how often one was told to read again."""
    with multiprocessing.get_context("spawn").Pool(N_WRITERS) as pool:
        jobs = [
            pool.apply_async(count_up, (store.path, i, n_each), {"is_careful": is_careful}) for i in range(N_WRITERS)
        ]
        n_again = sum(job.get() for job in jobs)
    last = {event.subject: int(event.reason) for event in store.events()}
    return sum(last.values()), n_again


@pytest.mark.parametrize("n_each", [30, pytest.param(500, marks=pytest.mark.prove)])
def test_no_edit_is_lost_to_another_of_the_same_thing(store: Store, n_each: int) -> None:
    n, n_again = counted(store, n_each, is_careful=True)
    assert n == N_WRITERS * n_each == len(store.events())
    assert n_again > 0  # they did meet


def test_without_saying_what_one_saw_edits_are_lost(store: Store) -> None:
    n, _ = counted(store, 30, is_careful=False)
    assert n < N_WRITERS * 30 == len(store.events())


@pytest.mark.parametrize("words", ["UPDATE events SET new = 'x'", "DELETE FROM events"])
def test_events_are_never_changed(store: Store, words: str) -> None:
    store.add([ruling("a", "female")])
    with closing(sqlite3.connect(store.path)) as link, pytest.raises(sqlite3.IntegrityError, match="events are never"):
        link.execute(words)
    assert stands(store) == [("a", "ann", "female")]


def test_a_backup_is_a_store_of_its_own(store: Store, tmp_path: Path) -> None:
    store.add([ruling("a", "female")])
    store.back_up(tmp_path / "backup.db")
    store.add([ruling("b", "female")])
    assert [event.subject for event in open_store(tmp_path / "backup.db").events()] == ["a"]
    with pytest.raises(TrifacetError, match=r"^TRI104 --out: something is there already, got '.*backup.db'"):
        store.back_up(tmp_path / "backup.db")


def test_what_is_no_store_is_told(store: Store, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("photo,label\n" * 99)
    with closing(sqlite3.connect(tmp_path / "other.db")) as link:
        link.execute("CREATE TABLE about (name TEXT, value TEXT)")
    for path in (tmp_path / "text.db", tmp_path / "other.db", tmp_path):
        with pytest.raises(StoreError, match=r"^TRI703 .*not a store of rulings"):
            open_store(path)
    with pytest.raises(StoreError) as caught:
        open_store(store.path, about={"schema": "xyz"})
    assert str(caught.value) == (
        f"TRI706 {store.path}: the store is about other data, got schema abc, not xyz. Name another store for this "
        "data."
    )


def test_a_store_on_a_network_disk_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "file_system", lambda _: "nfs4")
    path = tmp_path / "rulings.db"
    with pytest.raises(StoreError) as caught:
        open_store(path)
    assert str(caught.value) == (
        f"TRI704 {path}: the store lies on a network disk, got nfs4. Keep the store on a disk of this "
        "machine; reviewers reach it by the page."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_somebody_else_holds_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "BUSY_SECONDS", 0.1)
    with closing(sqlite3.connect(store.path, isolation_level=None)) as link:
        link.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"^TRI707 .*another process holds the store"):
            store.add([ruling("a", "female")])
    store.add([ruling("a", "female")])


def test_a_store_that_is_kept_open_is_the_same_to_others(store: Store) -> None:
    with store.kept_open():
        store.add([ruling("a", "female")])
        assert stands(Store(store.path)) == [("a", "ann", "female")]
        assert store.path.with_name("rulings.db-wal").stat().st_size > 0  # not tidied after each ruling
    store.add([ruling("b", "female")])
    assert not store.path.with_name("rulings.db-wal").exists()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"^TRI901"):
        open_store(tmp_path / "nowhere" / "rulings.db")
