"""A queue of configs of system 1 taken over: `queue` is to be trained here, `ends` was trained there."""

from __future__ import annotations

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
    """Copies configs/queue into queued/ and configs/ends into done/, once each; `configs` stays as it is.

    Raises:
        ConfigError: TRI104, `configs` has neither folder. MachineError: TRI900, TRI901.
    """
    if not any((configs / name).is_dir() for name in ("queue", "ends")):
        do = f"Pass {configs.parent}." if configs.name in ("queue", "ends") and configs.is_dir() else ""
        what = "needs the folder that holds `queue` and `ends`"
        raise error("TRI104", what, where="--take-over", got=f"'{configs}'", do=do)
    queued, elsewhere, known = list[str](), list[str](), list[str]()
    with changing(queue):
        there = {row.recipe_sha256 for row in read_results(queue.results_path)}
        there |= {sha256_file(path) for path in waiting(queue)[0]}
        there |= {sha256_file(path) for folder in begun_folders(queue) for path in recipes_in(folder)}
        for path in recipes_in(configs / "ends"):
            if sha256_file(path) in there:
                known.append(path.name)
            else:
                elsewhere.append(_file_as_done(queue, path))
        for path in recipes_in(configs / "queue"):
            if sha256_file(path) in there:
                known.append(path.name)
            else:
                queued.append(_copy(queue, path))
    return TakenOver(tuple(queued), tuple(elsewhere), tuple(known))


def _file_as_done(queue: Queue, config: Path) -> str:
    """A job that was done elsewhere: its config in done/, and a row without scores."""
    name = free_name(queue, config.stem, taken={row.name for row in read_results(queue.results_path)})
    sha256 = sha256_file(config)
    row = Result(name=name, state="elsewhere", recipe=config.name, recipe_sha256=sha256, ended=now())
    with atomic_folder(queue.at("done") / name) as folder:
        shutil.copyfile(config, folder / config.name)
        (folder / RESULT).write_text(row.model_dump_json() + "\n", encoding="utf-8")
    enter(queue.results_path, row)
    return name


def _copy(queue: Queue, config: Path) -> str:
    """The config in queued/, under a name that is free there, as old as it is."""
    place, number = queue.at("queued") / config.name, 1
    while place.exists():
        number += 1
        place = queue.at("queued") / f"{config.stem}{number}{config.suffix}"
    with atomic_path(place) as temporary:
        shutil.copyfile(config, temporary)
    return place.name
