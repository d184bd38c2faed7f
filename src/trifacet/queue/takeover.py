"""A queue of configs of system 1 taken over: `queue` is to be trained here, `ends` was trained there."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from trifacet.core.errors import error
from trifacet.core.files import atomic_folder, atomic_path, sha256_file
from trifacet.core.run import now
from trifacet.queue.folder import (
    RESULT,
    Queue,
    begun_folders,
    changing,
    free_name,
    recipes_in,
    waiting,
)
from trifacet.queue.results import Result, enter, read_results


@dataclass(frozen=True)
class TakenOver:
    """The names of what is queued now, of what is filed as done elsewhere, and of what was here already."""

    queued: tuple[str, ...]
    elsewhere: tuple[str, ...]
    known: tuple[str, ...]


def take_over(queue: Queue, configs: Path) -> TakenOver:
    """Copies configs/queue into queued/ and configs/ends into done/, each content once; `configs` stays as it is.

    What lies in both was done. Killed at any moment, it goes on where it was when it is called again.

    Raises:
        ConfigError: TRI104, `configs` has neither folder. MachineError: TRI900, TRI901.
    """
    if not any((configs / name).is_dir() for name in ("queue", "ends")):
        do = f"Pass {configs.parent}." if configs.name in ("queue", "ends") and configs.is_dir() else ""
        what = "needs the folder that holds `queue` and `ends`"
        raise error("TRI104", what, where="--take-over", got=f"'{configs}'", do=do)
    queued, elsewhere, known = list[str](), list[str](), list[str]()
    with changing(queue):
        rows = read_results(queue.results_path)
        filed = {row.recipe_sha256: row for row in rows if row.state == "elsewhere"}
        there = {row.recipe_sha256 for row in rows}
        there |= {sha256_file(path) for path in waiting(queue)[0]}
        there |= {sha256_file(path) for folder in begun_folders(queue) for path in recipes_in(folder)}
        for path in recipes_in(configs / "ends"):
            sha256 = sha256_file(path)
            if sha256 in there:
                known.append(path.name)
            else:
                filed[sha256] = _enter_as_done(queue, path, sha256=sha256)
                elsewhere.append(filed[sha256].name)
            if row := filed.get(sha256):
                _put_in_done(queue, path, row=row)  # of a row too that was entered when this was killed
            there.add(sha256)
        for path in recipes_in(configs / "queue"):
            sha256 = sha256_file(path)
            if sha256 in there:
                known.append(path.name)
            else:
                queued.append(_queue(queue, path))
            there.add(sha256)
    return TakenOver(tuple(queued), tuple(elsewhere), tuple(known))


def _enter_as_done(queue: Queue, config: Path, *, sha256: str) -> Result:
    """The row of a job that was done elsewhere, without scores; entered before its folder is there."""
    name = free_name(queue, config.stem, taken={row.name for row in read_results(queue.results_path)})
    row = Result(name=name, state="elsewhere", recipe=config.name, recipe_sha256=sha256, ended=now())
    return enter(queue.results_path, row)


def _put_in_done(queue: Queue, config: Path, *, row: Result) -> None:
    """Puts the config of such a row into its folder below done/, unless that is there."""
    place = queue.at("done") / row.name
    if place.exists():
        return
    with atomic_folder(place) as folder:
        _copy(config, folder / row.recipe)
        (folder / RESULT).write_text(row.model_dump_json() + "\n", encoding="utf-8")


def _queue(queue: Queue, config: Path) -> str:
    """The config in queued/, under a name that is free there, as old as it is."""
    place, number = queue.at("queued") / config.name, 1
    while place.exists():
        number += 1
        place = queue.at("queued") / f"{config.stem}{number}{config.suffix}"
    with atomic_path(place) as temporary:
        _copy(config, temporary)
    return place.name


def _copy(config: Path, place: Path) -> None:
    """Copies what a file holds, and when that was written; not its permissions, which may forbid to sync it."""
    about = config.stat()
    shutil.copyfile(config, place)
    os.utime(place, ns=(about.st_atime_ns, about.st_mtime_ns))
