"""The queue on disk: recipes wait, run, and are put away as done or failed; each leaves one row in the results.

Every change is one rename or one file written whole, under a lock, so that it can be killed between any two of them.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from trifacet.core.ensemble import is_ensemble, open_ensemble
from trifacet.core.errors import TrifacetError, error
from trifacet.core.files import is_disk_full, read_json, read_jsonl, sha256_file, sync_folder, write_text
from trifacet.core.run import now, numbered, open_run
from trifacet.core.variants import is_variants
from trifacet.queue.results import Result, State, enter, read_results

RECIPE_ENDINGS = (".yaml", ".yml", ".json")
SETTLE_SECONDS = 2.0  # a file that changed within them may still be being written
NAME_BYTES = 200  # a file's name may have 255, and numbers and endings are added
LOG, EVENTS, PROBLEM, RESULT = "log.txt", "events.jsonl", "problem.txt", "result.jsonl"  # of a job, beside its recipe

Place = Literal["queued", "running", "done", "failed", "runs"]
TAKEN_BY: tuple[Place, ...] = ("running", "done", "failed", "runs")


@dataclass(frozen=True)
class Queue:
    """The folder of a queue."""

    path: Path

    def at(self, name: Place) -> Path:
        """One of its folders."""
        return self.path / name

    @property
    def results_path(self) -> Path:
        """One row of JSON for each job that has ended."""
        return self.path / "results.jsonl"

    def lock_path(self, name: str) -> Path:
        """The file that is locked by whoever has this."""
        return self.path / ".locks" / name


@dataclass(frozen=True)
class Job:
    """A recipe that is worked on: its folder below running/, its run, and the lock that this process holds."""

    name: str
    folder: Path
    recipe: Path
    run: Path
    lock: int


def open_queue(path: Path) -> Queue:
    """The queue at `path`, its folders made where they are not there. Raises MachineError TRI900, TRI901."""
    queue = Queue(path)
    for place in (*map(queue.at, get_args(Place)), queue.path / ".locks"):
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise _cannot_write(place, problem) from problem
    return queue


def hold(path: Path, *, waits: bool = False) -> int | None:
    """The lock of a file, held as long as this handle or one that a child inherited is open; None, somebody has it.

    Raises:
        MachineError: TRI901, this file system cannot lock.
    """
    import fcntl  # Windows has none

    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as problem:
        raise _cannot_write(path, problem) from problem
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(handle)
        return None
    except OSError as problem:
        os.close(handle)
        do = "Put the queue on a disk of this machine."
        raise error(
            "TRI901", "this file system cannot lock files", where=path, got=problem.strerror, do=do
        ) from problem
    return handle


def _cannot_write(path: Path, problem: OSError) -> TrifacetError:
    code, what = ("TRI900", "no space left") if is_disk_full(problem) else ("TRI901", "cannot write here")
    return error(code, what, where=path, got=problem.strerror or problem)


@contextmanager
def changing(queue: Queue) -> Iterator[None]:
    """Nobody else moves a job of this queue within the block; it is short."""
    handle = hold(queue.lock_path("queue"), waits=True)
    assert handle is not None
    try:
        yield
    finally:
        os.close(handle)


def in_order(name: str) -> tuple[list[str | int], str]:
    """What sorts names as people count: `2-b` before `10-a`."""
    parts = re.split(r"(\d+)", name.casefold())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name


def waiting(queue: Queue) -> tuple[list[Path], dict[str, str]]:
    """The recipes in queued/ in the order of their names, and what is left alone there: why, by name.

    Hidden files (.gitkeep, an editor's) are left alone in silence.
    """
    found, strange = list[Path](), dict[str, str]()
    for entry in os.scandir(queue.at("queued")):
        if entry.name.startswith("."):
            continue
        if entry.is_symlink():
            strange[entry.name] = "a link: put the file itself here"
        elif entry.is_dir():
            strange[entry.name] = "a folder: put its recipes into queued/ themselves"
        elif not entry.name.lower().endswith(RECIPE_ENDINGS) or not entry.is_file():
            strange[entry.name] = "no recipe: these end in .yaml, .yml or .json"
        elif not entry.name.isprintable():
            strange[ascii(entry.name)] = "a name that cannot be printed: call it otherwise"
        elif len(os.fsencode(entry.name)) > NAME_BYTES:
            strange[entry.name] = "a name that is too long: call it otherwise"
        else:
            found.append(Path(entry))
    return sorted(found, key=lambda path: in_order(path.name)), strange


class Settled:
    """Tells whether a file has been left alone for a while; half a recipe often reads as a whole one."""

    def __init__(self, seconds: float = SETTLE_SECONDS) -> None:
        self._seconds = seconds
        self._seen: dict[Path, tuple[tuple[int, ...], float]] = {}

    def __call__(self, path: Path) -> bool:
        """Whether nobody has written to `path` for long enough, by its own time or by ours."""
        try:
            about = path.stat()
        except FileNotFoundError:  # taken back, or by another
            return False
        if 0 <= self._seconds <= time.time() - about.st_mtime:
            return True
        mark = (about.st_ino, about.st_size, about.st_mtime_ns)
        before, since = self._seen.get(path, (mark, time.monotonic()))
        self._seen[path] = (mark, since if before == mark else time.monotonic())
        return time.monotonic() - self._seen[path][1] >= self._seconds


def take(queue: Queue, is_settled: Callable[[Path], bool]) -> Job | None:
    """The job to work on next: one that was begun and that nobody works on, else the first that waits; None, none."""
    with changing(queue):
        begun = (_taken_up(queue, folder) for folder in begun_folders(queue))
        return next(filter(None, begun), None) or _begun(queue, is_settled)


def begun_folders(queue: Queue) -> list[Path]:
    """The folders of the jobs that were begun and are not put away."""
    folders = [path for path in queue.at("running").iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted(folders, key=lambda path: in_order(path.name))


def left_behind(queue: Queue) -> set[str]:
    """The jobs that were begun and that nobody works on: who did was killed, and who works next goes on with them."""
    with changing(queue):
        locks = {folder.name: hold(queue.lock_path(f"job-{folder.name}")) for folder in begun_folders(queue)}
        free = {name: lock for name, lock in locks.items() if lock is not None}
        for lock in free.values():
            os.close(lock)
    return set(free)


def recipes_in(folder: Path) -> list[Path]:
    """The recipes that lie in a folder, in the order of their names; none where it is missing."""
    found = folder.iterdir() if folder.is_dir() else ()
    kept = [path for path in found if path.suffix.lower() in RECIPE_ENDINGS and not path.name.startswith(".")]
    return sorted((path for path in kept if path.is_file()), key=lambda path: in_order(path.name))


def _taken_up(queue: Queue, folder: Path) -> Job | None:
    """A job that was begun, unless somebody works on it, or it had ended: then it is put away here."""
    lock = hold(queue.lock_path(f"job-{folder.name}"))
    if lock is None:
        return None
    recipes = recipes_in(folder)
    job = Job(folder.name, folder, recipes[0] if recipes else folder, queue.at("runs") / folder.name, lock)
    row = next((row for row in read_results(queue.results_path) if row.name == job.name), None)
    if row is None and recipes:
        return job
    if row is not None:
        _put_away(queue, job, state=row.state)
    elif not any(folder.iterdir()):  # killed before its recipe was moved here
        folder.rmdir()
        release(queue, job)
    else:
        gone = result_of(job, exit_status=None, problem="its recipe was taken out of running/")
        enter(queue.results_path, gone)
        _put_away(queue, job, state="failed")
    return None


def _begun(queue: Queue, is_settled: Callable[[Path], bool]) -> Job | None:
    """The first recipe that waits, moved whole into a folder of its own below running/."""
    taken = {row.name for row in read_results(queue.results_path)}
    for path in filter(is_settled, waiting(queue)[0]):
        name = free_name(queue, path.stem, taken=taken)
        lock = hold(queue.lock_path(f"job-{name}"))
        if lock is None:  # somebody took that job's folder out while it ran
            continue
        folder = queue.at("running") / name
        job = Job(name, folder, folder / path.name, queue.at("runs") / name, lock)
        try:
            folder.mkdir()
            path.rename(job.recipe)
            for changed in (folder, queue.at("running"), queue.at("queued")):
                sync_folder(changed)
        except OSError as problem:
            release(queue, job)
            if not isinstance(problem, FileNotFoundError):
                raise _cannot_write(folder, problem) from problem
        else:
            return job
    return None  # or its recipe was taken back this moment


def free_name(queue: Queue, stem: str, *, taken: set[str]) -> str:
    """`stem`, or `stem2`, `stem3`, ... where a job, a run or a row has that name already."""
    name, number = stem, 1
    while name in taken or any(os.path.lexists(queue.at(place) / name) for place in TAKEN_BY):
        number += 1
        name = f"{stem}{number}"
    return name


def release(queue: Queue, job: Job) -> None:
    """Gives a job's lock back; its file goes with the job's folder."""
    if not job.folder.exists():
        queue.lock_path(f"job-{job.name}").unlink(missing_ok=True)
    os.close(job.lock)


def put_away(queue: Queue, job: Job, *, result: Result) -> Result:
    """Enters a job's result, once, and moves its folder to done/ or failed/; the row that stands. Raises TRI900."""
    with changing(queue):
        stands = enter(queue.results_path, result)
        _put_away(queue, job, state=stands.state)
    return stands


def _put_away(queue: Queue, job: Job, *, state: State) -> None:
    row = next(row for row in read_results(queue.results_path) if row.name == job.name)
    home = queue.at("failed") if state == "failed" else queue.at("done")
    if job.folder.is_dir():  # else somebody took it out
        write_text(job.folder / RESULT, row.model_dump_json() + "\n")
        job.folder.rename(numbered(home, job.name))
        sync_folder(home)
        sync_folder(queue.at("running"))
    release(queue, job)


def add_event(job: Job, event: Mapping[str, Any]) -> None:
    """Adds what happened to a job, and when, to its events."""
    lines = [*read_jsonl(job.folder / EVENTS), {"when": now(), **event}]
    write_text(job.folder / EVENTS, "".join(json.dumps(line) + "\n" for line in lines))


def result_of(job: Job, *, exit_status: int | None, problem: str = "") -> Result:
    """The row of a job that ends now, with what its run tells of itself."""
    starts = [event["when"] for event in read_jsonl(job.folder / EVENTS) if event["event"] == "started"]
    figures: dict[str, Any] = {}
    try:
        if is_ensemble(job.run):
            figures = {"trained_seconds": open_ensemble(job.run).info.seconds}
        else:
            info = open_run(job.run).info
            figures = {"trained_seconds": info.seconds, "best_epoch": info.best.epoch if info.best else None}
        for split, scores in read_json(job.run / "scores.json").items():
            for part, name in (("value", ""), ("low", "_low"), ("high", "_high")):
                figures[f"{split}_macro_f1{name}"] = (scores["macro_f1"] or {}).get(part)
    except TrifacetError:  # it never began, or has no scores
        pass
    answers: Sequence[Path] = sorted(job.folder.glob("predictions.*")) if exit_status == 0 else ()
    return Result(
        name=job.name,
        state="done" if exit_status == 0 else "failed",
        exit_status=exit_status,
        problem=problem,
        recipe=job.recipe.name if job.recipe != job.folder else "",
        recipe_sha256=sha256_file(job.recipe) if job.recipe.is_file() else "",
        begun=starts[0] if starts else None,
        ended=now(),
        n_starts=len(starts),
        run=f"runs/{job.name}" if figures or is_variants(job.run) else "",
        answers=tuple(f"done/{job.name}/{path.name}" for path in answers),
        **figures,
    )
