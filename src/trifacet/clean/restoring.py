"""A backup of a store put in a store's place: checked first, and never over anything that is there."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from trifacet.clean.store import FORMAT, REMOTE
from trifacet.core.decisions import COLUMNS
from trifacet.core.errors import error
from trifacet.core.files import atomic_path, file_system

BESIDE = ("-wal", "-shm", "-journal")  # what SQLite keeps beside a file. Source: sqlite.org/tempfiles.html


def restore(backup: Path, out: Path) -> int:
    """Copies a sound backup to `out`, where nothing is; the number of its events. The backup itself is only read.

    Raises:
        StoreError: TRI704 a network disk; TRI711 not a sound backup. ConfigError: TRI104, something is there.
        MachineError: TRI900, TRI901.
    """
    _check_place(out)
    if (kind := file_system(out)) in REMOTE:
        raise error("TRI704", "the store lies on a network disk", where=out, got=kind)
    if not backup.is_file():
        raise error("TRI711", "no such file", where=backup, do="Check the path.")
    for end in BESIDE:
        beside = backup.with_name(backup.name + end)
        if beside.is_file() and beside.stat().st_size:
            do = "Make a backup of it first: `trifacet decisions backup`."
            raise error("TRI711", "a store in use, not a backup", where=backup, got=f"{beside.name} beside it", do=do)
    try:
        # immutable: nothing is written beside the backup, and it may lie where nobody can write
        with closing(sqlite3.connect(f"file:{quote(str(backup.absolute()))}?immutable=1", uri=True)) as link:
            n_events = _checked(link, backup)
            with atomic_path(out) as temporary, closing(sqlite3.connect(temporary)) as copy:
                link.backup(copy)
                _check_place(out)  # it took a while
    except sqlite3.DatabaseError as problem:
        raise error("TRI711", "damaged, or no SQLite file", where=backup, got=str(problem)) from problem
    return n_events


def _check_place(out: Path) -> None:
    """Refuses a place where a store is, or the remains of one, which SQLite would mix into the new one."""
    for there in (out, *(out.with_name(out.name + end) for end in BESIDE)):
        if there.exists() or there.is_symlink():
            do = "Name a new file, or move that one away: no store is ever overwritten."
            raise error("TRI104", "something is there already", where="--out", got=f"'{there}'", do=do)


def _checked(link: sqlite3.Connection, backup: Path) -> int:
    """The number of events, of a store that is whole and of a format that is known."""
    found = [row[0] for row in link.execute("PRAGMA integrity_check")]
    if found != ["ok"]:
        raise error("TRI711", "damaged", where=backup, got=str(found[0]))
    tables = {row[0] for row in link.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'trigger')")}
    if not {"about", "events", "keep_events", "keep_all"} <= tables:
        raise error("TRI711", "not a store of rulings", where=backup)
    about = dict(link.execute("SELECT name, value FROM about"))
    if about.get("kind") != "trifacet rulings" or not about.get("format", "").isdigit():
        raise error("TRI711", "not a store of rulings", where=backup)
    if int(about["format"]) > FORMAT:
        raise error("TRI711", f"format {about['format']} is newer than this trifacet", where=backup)
    columns = [row[1] for row in link.execute("PRAGMA table_info(events)")]
    if lacking := [name for name in COLUMNS if name not in columns]:
        raise error("TRI711", "events lack columns", where=backup, got=", ".join(lacking))
    return int(link.execute("SELECT count(*) FROM events").fetchone()[0])
