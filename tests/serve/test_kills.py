"""The review server killed while reviewers rule: what was acknowledged is there, and nothing by halves."""

from __future__ import annotations

import http.client
import json
import random
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.serve.reviewing import N_OF_PERSON, Place, Server, place_with_photos
from trifacet.clean.store import Store
from trifacet.core.decisions import Decision

N_KILLS, N_CLIENTS, N_PEOPLE = 100, 3, 4
LATEST_SECONDS = 0.4  # after the first acknowledged ruling
GENDERS = ("male", "female")

# A server whose store writes photo by photo and does not wait for the disk, as a careless one would.
CARELESS = """
import sys
from trifacet.clean import store as room
def add(self, decisions, *, seen=None):
    numbers = []
    for decision in decisions:
        with room.closing(room._connect(self.path)) as link:
            link.execute("PRAGMA synchronous = OFF")
            numbers.append(room._insert(link, decision))
    return numbers
room.Store.add = add
from trifacet.cli.main import main
sys.exit(main())
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return place_with_photos(tmp_path_factory.mktemp("reviewed"), n_people=N_PEOPLE)


@dataclass
class Client:
    """Rules as fast as it can, on whole persons and on single photos, until the server no longer answers."""

    who: str
    port: int
    seed: int
    told: list[tuple[int, str, int]] = field(default_factory=list)  # acknowledged: number, new, how many photos
    is_waiting: bool = False

    def work(self) -> None:
        rng = random.Random(self.seed)
        with closing(http.client.HTTPConnection("127.0.0.1", self.port)) as link:
            try:
                while True:
                    self._rule(link, rng)
            except (OSError, http.client.HTTPException, ValueError):
                return  # killed; `is_waiting` says whether in the middle of an answer

    def _rule(self, link: http.client.HTTPConnection, rng: random.Random) -> None:
        new, is_whole = rng.choice(GENDERS), rng.random() < 0.7
        body = {"row": rng.randrange(N_PEOPLE * N_OF_PERSON), "who": self.who, "changes": {"gender": new}}
        words = json.dumps(body | {"seen": 10**9, "of_person": ["gender"] if is_whole else []})
        self.is_waiting = True
        link.request("POST", "/api/rule", words, {"Content-Type": "application/json"})
        answer = json.loads(link.getresponse().read())
        self.is_waiting = False
        self.told += [(number, new, N_OF_PERSON if is_whole else 1) for number in answer["numbers"]]


def killed(place: Place, server: Server, *, seed: int) -> list[Client]:
    """Clients who ruled until the server was killed."""
    rng = random.Random(seed)
    clients = [Client(f"{seed}-{i}", server.port, N_CLIENTS * seed + i) for i in range(N_CLIENTS)]
    threads = [threading.Thread(target=client.work) for client in clients]
    for thread in threads:
        thread.start()
    while not any(client.told for client in clients):
        assert any(thread.is_alive() for thread in threads), "nobody was answered"
        time.sleep(0.001)
    time.sleep(rng.uniform(0, LATEST_SECONDS))
    server.kill()
    for thread in threads:
        thread.join()
    return clients


def lost(events: Sequence[Decision], clients: Sequence[Client]) -> list[tuple[str, int]]:
    """What was acknowledged and is not in the store as it was said: who and number."""
    there = {event.number: (event.who, event.new) for event in events}
    return [(c.who, number) for c in clients for number, new, _ in c.told if there.get(number) != (c.who, new)]


def halves(events: Sequence[Decision]) -> list[str]:
    """The strokes that do not stand on all photos of their person."""
    sizes = Counter(event.batch for event in events if event.batch)
    return [stroke for stroke, n in sizes.items() if n != N_OF_PERSON]


@pytest.mark.prove
def test_a_hundred_kills_lose_nothing_and_leave_no_half_person(place: Place, tmp_path: Path) -> None:
    own = Place(place.manifest_path, place.findings_path, tmp_path / "rulings.db")
    clients, n_inside = [], 0
    for seed in range(N_KILLS):
        made = killed(own, Server(own), seed=seed)
        clients += made
        n_inside += any(client.is_waiting for client in made)
        events = Store(own.store_path).events()  # as the next server finds them
        assert (lost(events, made), halves(events)) == ([], [])
    assert (lost(events, clients), halves(events)) == ([], [])
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    told = {number for client in clients for number, *_ in client.told}
    unheard = {event.who for event in events if event.number not in told}  # written, and killed before they were told
    unwritten = {client.who for client in clients if client.is_waiting} - unheard
    print(
        f"{N_KILLS} kills, {n_inside} while somebody waited; {len(told):,} of {len(events):,} events were told; "
        f"{len(unheard)} waited for what was written, {len(unwritten)} for what was not"
    )
    assert n_inside >= 0.9 * N_KILLS
    assert unheard  # kills landed on both sides of the moment in which an edit is written
    assert unwritten
    assert any(n > 1 for client in clients for *_, n in client.told)


@pytest.mark.prove
def test_a_careless_store_is_caught(place: Place, tmp_path: Path) -> None:
    own = Place(place.manifest_path, place.findings_path, tmp_path / "rulings.db")
    for seed in range(N_KILLS):
        killed(own, Server(own, program=(sys.executable, "-c", CARELESS)), seed=seed)
        if halves(Store(own.store_path).events()):
            return
    pytest.fail("no kill of a store that writes photo by photo was noticed")


def test_a_kill_in_the_middle_and_a_lost_ruling_are_noticed(place: Place, tmp_path: Path) -> None:
    own = Place(place.manifest_path, place.findings_path, tmp_path / "rulings.db")
    clients = killed(own, Server(own), seed=0)
    events = Store(own.store_path).events()
    assert (lost(events, clients), halves(events)) == ([], [])
    who, number = next((c.who, number) for c in clients for number, _, n in c.told if n > 1)
    with closing(sqlite3.connect(own.store_path)) as link:  # planted: one event of a stroke is gone
        link.execute("DROP TRIGGER keep_all")
        link.execute("DELETE FROM events WHERE number = ?", (number,))
        link.commit()
    events = Store(own.store_path).events()
    assert (lost(events, clients), len(halves(events))) == ([(who, number)], 1)


def test_two_servers_on_one_store_see_each_others_rulings(place: Place, tmp_path: Path) -> None:
    own = Place(place.manifest_path, place.findings_path, tmp_path / "rulings.db")
    with Server(own) as one, Server(own) as two:
        clients = [Client(f"c{i}", server.port, i) for i, server in enumerate((one, two))]
        threads = [threading.Thread(target=client.work) for client in clients]
        for thread in threads:
            thread.start()
        while not all(len(client.told) > 40 for client in clients):
            assert all(thread.is_alive() for thread in threads), "somebody was not answered"
            time.sleep(0.01)
        link = http.client.HTTPConnection("127.0.0.1", two.port)
        link.request("GET", "/api/team?who=-")
        team = json.loads(link.getresponse().read())
        link.close()
        one.kill()
        two.kill()
        for thread in threads:
            thread.join()
    events = Store(own.store_path).events()
    assert [one["who"] for one in team["reviewers"]] == ["c0", "c1"]
    assert [one["reviewers"] for one in team["agreement"]] == [["c0", "c1"]]
    assert (lost(events, clients), halves(events)) == ([], [])
