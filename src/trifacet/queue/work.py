"""The queue at work: one process a job, so that a job's crash is its own; killed, it goes on where it was."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from trifacet.core.errors import error
from trifacet.core.files import is_disk_full, read_jsonl
from trifacet.queue.folder import (
    EVENTS,
    LOG,
    PROBLEM,
    SETTLE_SECONDS,
    Job,
    Queue,
    Settled,
    add_event,
    begun_folders,
    hold,
    in_order,
    put_away,
    release,
    result_of,
    take,
    waiting,
)
from trifacet.queue.results import Result

PAUSED = 12  # the exit status of a job that a full disk stopped
STOPPED = (130, -signal.SIGINT, -signal.SIGTERM)
MAX_DEATHS = 3  # of a job at one checkpoint: a fourth start would end as they did
LOOK_SECONDS, TELL_SECONDS, GRACE_SECONDS, RETRY_SECONDS, LATEST_RETRY_SECONDS = 0.2, 1.0, 1.0, 30.0, 600.0

Step = Callable[[Job], Sequence[str]]  # a job -> the command line of one thing to do with it


@dataclass(frozen=True)
class Plan:
    """How a queue is worked on.

    steps: what is done with each job, one after another. workers: of each the CUDA_VISIBLE_DEVICES of its jobs, ""
    leaves it as it is; a worker has one job at a time, whoever of several queues on this folder gives it.
    """

    steps: tuple[Step, ...]
    workers: tuple[str, ...] = ("",)
    is_watching: bool = False
    settle_seconds: float = SETTLE_SECONDS
    retry_seconds: float = RETRY_SECONDS


@dataclass(frozen=True)
class Told:
    """Who is told what happens: `event` in words (what, the job's name, more of it), `look` about once a second."""

    event: Callable[[str, str, str], None] = lambda *_: None
    look: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class _Work:
    """A job with its process; `place` is the lock of the worker that has it."""

    job: Job
    place: int
    n_steps: int
    process: subprocess.Popen[bytes]


@dataclass(frozen=True)
class _Pause:
    """A full disk: what was said, the free bytes then, and when."""

    words: str
    n_free: int
    since: float


def worker_gpus(n_gpus: int, n_workers: int | None = None, *, allowed: str = "") -> tuple[str, ...]:
    """The `workers` of a plan: one a GPU unless said otherwise, GPUs in turn; without any GPU one that has "".

    allowed: this process's own CUDA_VISIBLE_DEVICES, which renumbers them.
    """
    names = [name.strip() for name in allowed.split(",")] if allowed else [str(i) for i in range(n_gpus)]
    return tuple(names[i % n_gpus] if n_gpus else "" for i in range(n_workers or n_gpus or 1))


def worker_locks(workers: Sequence[str]) -> tuple[str, ...]:
    """The name of each worker's lock: its GPU's and which of that GPU's workers it is.

    So queues on one folder that are given other GPUs do not wait for each other, and those with the same share it.
    """
    names = [f"worker-{re.sub(r'[^0-9A-Za-z-]', '_', gpu)}".rstrip("-") for gpu in workers]  # a MIG's has slashes
    return tuple(f"{name}-{names[:i].count(name)}" for i, name in enumerate(names))


def work(queue: Queue, plan: Plan, *, told: Told) -> list[Result]:
    """Trains what waits, job by job, until nothing waits or runs, or for ever; the results of the jobs of this process.

    Stopped by KeyboardInterrupt, its jobs are stopped in order and go on at the next start.

    Raises:
        PausedError: TRI904, the disk is full and nobody watches. RunError: TRI431.
    """
    busy: dict[int, _Work] = {}
    ended: list[Result] = []
    settled, pause, seen, looked = Settled(plan.settle_seconds), None, set[tuple[str, str]](), -TELL_SECONDS
    with _stopping(queue, busy, told=told):
        while True:
            try:
                for worker in [w for w, one in busy.items() if one.process.poll() is not None]:
                    _go_on(queue, plan, worker=worker, busy=busy, ended=ended, told=told)
                if pause is None or _may_retry(queue, pause, plan=plan):
                    pause = None
                    _fill(queue, plan, busy=busy, settled=settled, told=told)
            except Exception as problem:
                if not is_disk_full(problem) and not isinstance(problem, _DiskFull):
                    raise
                pause = _Pause(str(problem), shutil.disk_usage(queue.path).free, time.monotonic())
                told.event("paused", "", pause.words)
            strange = _strange(queue, is_idle=not busy and pause is None)
            for what, name in sorted(strange.keys() - seen):
                told.event(what, name, strange[what, name])
            seen |= strange.keys()
            if time.monotonic() - looked >= TELL_SECONDS:
                told.look()
                looked = time.monotonic()
            if not busy and not plan.is_watching:
                if pause:
                    do = f"Free some space, then start it again: trifacet queue {queue.path}"
                    raise error("TRI904", "the queue is paused: the disk is full", where=queue.path, do=do)
                if not waiting(queue)[0] and not begun_folders(queue):
                    return ended
            time.sleep(LOOK_SECONDS)


def _strange(queue: Queue, *, is_idle: bool) -> dict[tuple[str, str], str]:
    """What is not worked on and why, by (event, name): files that are no recipes, jobs that another process has."""
    found = {("left alone", name): why for name, why in waiting(queue)[1].items()}
    others = begun_folders(queue) if is_idle else ()
    return found | {("waiting for", folder.name): "another process works on it" for folder in others}


class _DiskFull(Exception):
    """A job said that the disk is full."""


def _may_retry(queue: Queue, pause: _Pause, *, plan: Plan) -> bool:
    """Whether there is more room than there was, or it was long ago: a quota does not show in the free bytes."""
    waited = time.monotonic() - pause.since
    has_more = shutil.disk_usage(queue.path).free > pause.n_free
    return waited >= (plan.retry_seconds if has_more else LATEST_RETRY_SECONDS)


def _fill(queue: Queue, plan: Plan, *, busy: dict[int, _Work], settled: Settled, told: Told) -> None:
    """Gives every free worker a job, as long as there are any."""
    for worker, lock in enumerate(worker_locks(plan.workers)):
        if worker in busy or not (begun_folders(queue) or waiting(queue)[0]):
            continue
        if (place := hold(queue.lock_path(lock))) is None:
            continue  # it works for another queue on this folder
        job = None
        try:
            if (job := take(queue, settled)) is not None:
                is_new = not (job.folder / EVENTS).exists()
                told.event("begun" if is_new else "taken up again", job.name, "")
                busy[worker] = _started(plan, job, worker=worker, place=place)
        finally:
            if worker not in busy:
                os.close(place)
                if job is not None:
                    release(queue, job)


def _started(plan: Plan, job: Job, *, worker: int, place: int, n_steps: int = 0) -> _Work:
    """The process of a job's next step. It inherits the locks, so that they end with the last of both processes.

    Its standard input ends with this process, which tells it to stop in order.
    """
    (job.folder / PROBLEM).unlink(missing_ok=True)
    if n_steps == 0:
        add_event(job, {"event": "started"})
    device = {"CUDA_VISIBLE_DEVICES": plan.workers[worker]} if plan.workers[worker] else {}
    with (job.folder / LOG).open("ab") as log:
        process = subprocess.Popen(
            plan.steps[n_steps](job),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **device},
            pass_fds=(job.lock, place),
            start_new_session=True,  # Ctrl-C is for the queue, which stops its jobs in order
        )
    return _Work(job, place, n_steps, process)


def _go_on(queue: Queue, plan: Plan, *, worker: int, busy: dict[int, _Work], ended: list[Result], told: Told) -> None:
    """What follows when a job's process has ended: its next step, another start, a place in done/ or failed/."""
    one = busy.pop(worker)
    job, status = one.job, _left(one.process)
    try:
        if status in STOPPED:
            time.sleep(GRACE_SECONDS)  # whoever stops everything reaches this process now: then the job is not to blame
        if not job.folder.is_dir():
            ended.append(_filed(queue, job, status=None, problem="its folder was taken out of running/", told=told))
        elif status == 0 and one.n_steps + 1 < len(plan.steps):
            busy[worker] = _started(plan, job, worker=worker, place=one.place, n_steps=one.n_steps + 1)
        elif status == PAUSED:
            raise _DiskFull(_problem(job) or "no space left")
        elif status < 0 and status not in STOPPED and _may_restart(job, status):
            told.event("died, taken up again", job.name, _ending(status))
            busy[worker] = _started(plan, job, worker=worker, place=one.place)
        else:
            problem = "" if status == 0 else _problem(job) or _ending(status)
            ended.append(_filed(queue, job, status=status, problem=problem, told=told))
    finally:
        if worker not in busy:
            os.close(one.place)
            if job.folder.exists():
                release(queue, job)


def _filed(queue: Queue, job: Job, *, status: int | None, problem: str, told: Told) -> Result:
    """The row of a job that has ended, put away and told."""
    row = put_away(queue, job, result=result_of(job, exit_status=status, problem=problem))
    score = "" if row.val_macro_f1 is None else f"val macro F1 {row.val_macro_f1:.3f}"
    told.event(row.state, job.name, problem or score)
    return row


def _may_restart(job: Job, status: int) -> bool:
    """Notes that the job's process was killed; False where it never gets any further before it is."""
    there = [path.relative_to(job.run).as_posix() for path in job.run.rglob("checkpoints/step_*")]
    newest = max(there, key=in_order, default="")
    add_event(job, {"event": "died", "exit_status": status, "checkpoint": newest})
    deaths = [event["checkpoint"] for event in read_jsonl(job.folder / EVENTS) if event["event"] == "died"]
    return deaths[-MAX_DEATHS:] != [newest] * MAX_DEATHS


def _problem(job: Job) -> str:
    """What the job's process said of its end; "" where it said nothing."""
    path = job.folder / PROBLEM
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""


def _ending(status: int) -> str:
    if status in STOPPED:
        return "stopped by somebody, not by its queue"
    if status < 0:
        return f"killed by signal {-status} ({signal.strsignal(-status)})"
    return f"ended with exit status {status}"


def _left(process: subprocess.Popen[bytes]) -> int:
    """The exit status of a process, when it has one."""
    status = process.wait()
    if process.stdin:
        process.stdin.close()
    return status


@contextmanager
def _stopping(queue: Queue, busy: dict[int, _Work], *, told: Told) -> Iterator[None]:
    """Stops the jobs in order when the block is left, and waits for them; told a second time, it kills them."""
    try:
        yield
    finally:
        try:
            for one in busy.values():
                told.event("stopping", one.job.name, "it goes on at the next start")
                one.process.terminate()
            for one in busy.values():
                _left(one.process)
        except KeyboardInterrupt:
            for one in busy.values():
                one.process.kill()
                _left(one.process)
        for one in busy.values():
            os.close(one.place)
            release(queue, one.job)
