"""A backup is put in a store's place whole, or not at all, and never over anything."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from trifacet.clean import restoring
from trifacet.clean.restoring import restore
from trifacet.clean.store import open_store
from trifacet.core.decisions import Decision
from trifacet.core.errors import ConfigError, StoreError

RULING = Decision(who="ann", subject="a", attribute="gender", old="male", new="female", reason="x" * 500)


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    store = open_store(tmp_path / "old.db", about={"schema": "abc"})
    store.add([RULING.model_copy(update={"subject": str(i)}) for i in range(400)])
    store.back_up(tmp_path / "kept.db")
    return tmp_path / "kept.db"


def test_a_backup_becomes_a_store_and_stays_as_it_is(backup: Path) -> None:
    before = sha256(backup.read_bytes()).hexdigest(), sorted(p.name for p in backup.parent.iterdir())
    out = backup.with_name("new.db")
    assert restore(backup, out) == 400
    store = open_store(out, about={"schema": "abc"})
    assert [e.subject for e in store.events()] == [str(i) for i in range(400)]
    assert store.add([RULING]) == [401]
    assert sha256(backup.read_bytes()).hexdigest() == before[0]
    assert {*before[1], "new.db"} == {p.name for p in backup.parent.iterdir()}
    with closing(sqlite3.connect(out)) as link, pytest.raises(sqlite3.DatabaseError, match="never changed"):
        link.execute("UPDATE events SET new = 'male'")


@pytest.mark.parametrize("name", ["new.db", "new.db-wal", "new.db-shm", "new.db-journal"])
def test_nothing_is_ever_overwritten(backup: Path, name: str) -> None:
    there = backup.with_name(name)
    there.write_bytes(b"mine")
    with pytest.raises(ConfigError) as caught:
        restore(backup, backup.with_name("new.db"))
    assert str(caught.value) == (
        f"TRI104 --out: something is there already, got '{there}'. Name a new file, or move that one away: no store is "
        "ever overwritten."
    )
    assert there.read_bytes() == b"mine"


def damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for start in range(8192, len(content) - 4096, 8192):
        content[start : start + 512] = b"\xff" * 512
    path.write_bytes(content)


def shortened(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def changed(*statements: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with closing(sqlite3.connect(path)) as link:
            for statement in statements:
                link.execute(statement)
            link.commit()

    return change


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(damaged, "damaged", id="overwritten pages"),
        pytest.param(shortened, "damaged", id="half of it"),
        pytest.param(lambda p: p.write_bytes(b""), "not a store of rulings.", id="nothing"),
        pytest.param(
            lambda p: p.write_text("subject,new\n" * 99), "damaged, or no SQLite file, got file is not", id="csv"
        ),
        pytest.param(changed("DROP TABLE about"), "not a store of rulings.", id="another database"),
        pytest.param(changed("DROP TRIGGER keep_all"), "not a store of rulings.", id="a store whose events can vanish"),
        pytest.param(changed("UPDATE about SET value = 'x' WHERE name = 'kind'"), "not a store of rulings.", id="kind"),
        pytest.param(
            changed("UPDATE about SET value = '9' WHERE name = 'format'"), "format 9 is newer than", id="newer"
        ),
        pytest.param(
            changed("ALTER TABLE events DROP COLUMN reason"), "events lack columns, got reason.", id="columns"
        ),
        pytest.param(lambda p: p.unlink(), "no such file.", id="no file"),
    ],
)
def test_what_is_no_sound_backup_is_refused(backup: Path, spoil: Callable[[Path], object], said: str) -> None:
    spoil(backup)
    out = backup.with_name("new.db")
    with pytest.raises(StoreError) as caught:
        restore(backup, out)
    assert str(caught.value).startswith(f"TRI711 {backup}: {said}")
    assert not out.exists()
    assert [p for p in backup.parent.iterdir() if p.name.startswith((".", "new"))] == []


def test_a_store_in_use_is_no_backup(tmp_path: Path) -> None:
    store = open_store(tmp_path / "live.db")
    with closing(sqlite3.connect(store.path)) as reader:
        reader.execute("SELECT * FROM events").fetchall()
        store.add([RULING])
        with pytest.raises(StoreError) as caught:
            restore(store.path, tmp_path / "new.db")
    assert str(caught.value) == (
        f"TRI711 {store.path}: a store in use, not a backup, got live.db-wal beside it. Make a backup of it first: "
        "`trifacet decisions backup`."
    )


def test_no_store_is_restored_to_a_network_disk(backup: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restoring, "file_system", lambda _: "nfs4")
    with pytest.raises(StoreError, match=r"^TRI704 .*new\.db: the store lies on a network disk, got nfs4"):
        restore(backup, backup.with_name("new.db"))
