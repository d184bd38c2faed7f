"""Jobs at work: each once, in its own process, whatever becomes of it; a full disk pauses, a stop loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tests.house.sources import ROOT
from tests.queue.jobs import Notes, drop, files, make_queue, program
from trifacet.core.errors import PausedError
from trifacet.core.files import read_jsonl
from trifacet.queue.folder import Queue, begun_folders
from trifacet.queue.results import read_results
from trifacet.queue.work import Told, work, worker_gpus, worker_locks

PATIENCE_SECONDS = 120


def wait_for(is_there: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not is_there():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_queue_is_emptied_and_every_job_filed(tmp_path: Path) -> None:
    queue, notes = make_queue(tmp_path, "a.yaml", "b.json", "c.yml"), Notes()
    plan = program("print('hello'); print('oh', file=sys.stderr); sys.exit(4 if job.name == 'b' else 0)")
    ended = work(queue, plan, told=notes.told)
    assert [(row.name, row.state, row.exit_status, row.problem) for row in ended] == [
        ("a", "done", 0, ""),
        ("b", "failed", 4, "ended with exit status 4"),
        ("c", "done", 0, ""),
    ]
    assert read_results(queue.results_path) == ended
    assert notes.events == ["begun a", "done a", "begun b", "failed b", "begun c", "done c"]
    assert files(queue.path / "failed") == ["b", "b/b.json", "b/events.jsonl", "b/log.txt", "b/result.jsonl"]
    assert sorted((queue.path / "done" / "a" / "log.txt").read_text().split()) == ["hello", "oh"]


def test_what_a_job_says_of_its_end_is_its_problem(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, "a.yaml")
    (row,) = work(queue, program("(job / 'problem.txt').write_text('TRI101 no'); sys.exit(3)"), told=Told())
    assert (row.state, row.problem) == ("failed", "TRI101 no")


def test_a_job_that_dies_is_gone_on_with_as_long_as_it_gets_further(tmp_path: Path) -> None:
    queue, notes = make_queue(tmp_path, "a.yaml"), Notes()
    code = """
folder = run / 'checkpoints'
folder.mkdir(parents=True, exist_ok=True)
n = len(list(folder.iterdir()))
(folder / f'step_{n}').touch()
if n < 5: os.kill(os.getpid(), 9)
"""
    (row,) = work(queue, program(code), told=notes.told)
    assert (row.state, row.n_starts) == ("done", 6)
    assert notes.events == ["begun a", *["died, taken up again a"] * 5, "done a"]


def test_a_job_of_several_networks_gets_further_from_one_to_the_next(tmp_path: Path) -> None:
    code = """
n = len(list(run.glob('variant_*')))
(run / f'variant_{n}' / 'checkpoints' / 'step_00000002').mkdir(parents=True)
if n < 11: os.kill(os.getpid(), 9)
"""
    (row,) = work(make_queue(tmp_path, "a.yaml"), program(code), told=Told())
    assert (row.state, row.n_starts) == ("done", 12)


def test_a_job_that_dies_at_one_place_three_times_has_failed(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, "a.yaml", "b.yaml")
    ended = work(queue, program("job.name == 'a' and os.kill(os.getpid(), 9)"), told=Told())
    assert [(row.name, row.exit_status, row.n_starts, row.problem) for row in ended] == [
        ("a", -9, 3, "killed by signal 9 (Killed)"),
        ("b", 0, 1, ""),
    ]


def test_a_job_that_somebody_stops_has_failed_and_the_queue_goes_on(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, "a.yaml", "b.yaml")
    ended = work(queue, program("job.name == 'a' and os.kill(os.getpid(), 15)"), told=Told())
    assert [(row.name, row.state, row.problem) for row in ended] == [
        ("a", "failed", "stopped by somebody, not by its queue"),
        ("b", "done", ""),
    ]


def test_the_second_step_follows_the_first_and_its_failure_is_the_jobs(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, "a.yaml", "b.yaml", "c.yaml")
    first = program("print('first'); sys.exit(job.name == 'c')")
    second = program("print('second'); (job / 'predictions.csv').touch(); sys.exit(5 * (job.name == 'b'))")
    ended = work(queue, replace(first, steps=(*first.steps, *second.steps)), told=Told())
    assert [(row.name, row.exit_status, row.answers) for row in ended] == [
        ("a", 0, ("done/a/predictions.csv",)),
        ("b", 5, ()),
        ("c", 1, ()),
    ]
    logs = [(queue.path / row.state / row.name / "log.txt").read_text().split() for row in ended]
    assert logs == [["first", "second"], ["first", "second"], ["first"]]


def test_a_job_whose_folder_is_taken_out_has_failed_and_the_queue_goes_on(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, "a.yaml", "b.yaml")
    plan = program("job.name == 'a' and job.rename(job.parent.parent / 'mine')")
    ended = work(queue, replace(plan, steps=plan.steps * 2), told=Told())
    assert [(row.name, row.state, row.problem) for row in ended] == [
        ("a", "failed", "its folder was taken out of running/"),
        ("b", "done", ""),
    ]
    assert (queue.path / "mine" / "a.yaml").is_file()


def test_each_worker_has_its_gpu_and_no_more_jobs_than_workers_run(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, *(f"{i}.yaml" for i in range(6)))
    code = """
began = time.time(); time.sleep(0.4)
(job / 'told.txt').write_text(f"{os.environ['CUDA_VISIBLE_DEVICES']} {began} {time.time()}")
"""
    ended = work(queue, replace(program(code), workers=("3", "GPU-7")), told=Told())
    told = [(queue.path / "done" / row.name / "told.txt").read_text().split() for row in ended]
    assert {gpu for gpu, _, _ in told} == {"3", "GPU-7"}
    for gpu in ("3", "GPU-7"):
        times = sorted((float(began), float(left)) for name, began, left in told if name == gpu)
        assert all(left <= began for (_, left), (began, _) in pairwise(times))


@pytest.mark.parametrize(
    ("n_gpus", "n_workers", "allowed", "gpus"),
    [
        pytest.param(0, None, "", ("",), id="no GPU"),
        pytest.param(0, 2, "", ("", ""), id="two at a time on a CPU"),
        pytest.param(2, None, "", ("0", "1"), id="one a GPU"),
        pytest.param(2, 3, "", ("0", "1", "0"), id="more workers than GPUs"),
        pytest.param(2, 1, "", ("0",), id="fewer workers than GPUs"),
        pytest.param(2, None, "5, GPU-8f2e", ("5", "GPU-8f2e"), id="the GPUs that this process may use"),
        pytest.param(0, None, "-1", ("",), id="none that it may use"),
    ],
)
def test_every_worker_is_given_a_gpu(n_gpus: int, n_workers: int | None, allowed: str, gpus: tuple[str, ...]) -> None:
    assert worker_gpus(n_gpus, n_workers, allowed=allowed) == gpus


@pytest.mark.parametrize(
    ("workers", "names"),
    [
        pytest.param(("",), ("worker-0",), id="no GPU"),
        pytest.param(("", ""), ("worker-0", "worker-1"), id="two at a time on a CPU"),
        pytest.param(("3", "GPU-8f2e"), ("worker-3-0", "worker-GPU-8f2e-0"), id="one a GPU"),
        pytest.param(("0", "1", "0"), ("worker-0-0", "worker-1-0", "worker-0-1"), id="more workers than GPUs"),
        pytest.param(("MIG-GPU-8f/1/0",), ("worker-MIG-GPU-8f_1_0-0",), id="a part of a GPU"),
    ],
)
def test_a_workers_lock_is_called_by_its_gpu(workers: tuple[str, ...], names: tuple[str, ...]) -> None:
    assert worker_locks(workers) == names


def test_two_queues_with_other_gpus_work_side_by_side(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, "a.yaml", "b.yaml")
    code = """
(job / 'began').touch()
until = time.time() + 30
while len([*job.parent.glob('*/began'), *job.parent.parent.glob('done/*/began')]) < 2:
    if time.time() > until: sys.exit(3)  # the other queue does nothing
    time.sleep(0.01)
(job / 'gpu.txt').write_text(os.environ['CUDA_VISIBLE_DEVICES'])
"""
    plans = [replace(program(code), workers=(gpu,)) for gpu in ("0", "1")]
    threads = [threading.Thread(target=work, args=(queue, plan), kwargs={"told": Told()}) for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert [row.exit_status for row in read_results(queue.results_path)] == [0, 0]
    assert {path.read_text() for path in queue.at("done").glob("*/gpu.txt")} == {"0", "1"}


def test_two_queues_on_one_folder_share_the_jobs_and_run_none_twice(tmp_path: Path) -> None:
    queue, done = make_queue(tmp_path, *(f"{i}.yaml" for i in range(12))), []
    plan = replace(program("(job / 'ran.txt').open('a').write('x'); time.sleep(0.1)"), workers=("", ""))
    threads = [threading.Thread(target=lambda: done.append(work(queue, plan, told=Told()))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    names = [row.name for row in read_results(queue.results_path)]
    assert sorted(names) == sorted(str(i) for i in range(12))
    assert sorted(row.name for rows in done for row in rows) == sorted(names)
    assert {(queue.path / "done" / name / "ran.txt").read_text() for name in names} == {"x"}


def test_a_full_disk_pauses_the_queue_and_no_job_fails_of_it(tmp_path: Path) -> None:
    queue, notes = make_queue(tmp_path, "a.yaml", "b.yaml"), Notes()
    plan = program("(job / 'problem.txt').write_text('TRI904 full'); sys.exit(12)")
    with pytest.raises(PausedError) as raised:
        work(queue, plan, told=notes.told)
    assert str(raised.value) == (
        f"TRI904 {queue.path}: the queue is paused: the disk is full. "
        f"Free some space, then start it again: trifacet queue {queue.path}"
    )
    assert notes.events == ["begun a", "paused"]
    assert notes.more[-1] == "TRI904 full"
    assert read_results(queue.results_path) == []
    ended = work(queue, program(""), told=notes.told)
    assert [(row.name, row.state, row.n_starts) for row in ended] == [("a", "done", 2), ("b", "done", 1)]


def test_a_queue_that_watches_goes_on_when_there_is_room_and_takes_what_comes_later(
    tmp_path: Path, mount_disk: Callable[[str], Path]
) -> None:
    disk = mount_disk("400k")
    queue, notes = make_queue(disk, "a.yaml"), Notes()
    code = """
try:
    (job / 'big').write_bytes(bytes(600_000))
except OSError:
    (job / 'big').unlink()
    sys.exit(12)
"""

    def look() -> None:
        if "paused" in notes.events and "done a" not in notes.events:
            subprocess.run(["mount", "-o", "remount,size=4m", disk], check=True)
        if notes.events[-1] == "done a":
            drop(queue, "b.yaml")
        if notes.events[-1] == "done b":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work(queue, replace(program(code), is_watching=True), told=Told(notes.told.event, look))
    assert notes.events == ["begun a", "paused", "taken up again a", "done a", "begun b", "done b"]


QUEUE = """
import signal, sys
from pathlib import Path
from tests.queue.jobs import program
from trifacet.queue.folder import open_queue
from trifacet.queue.work import Told, work

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job, as the tests may be, ignores it
work(open_queue(Path(sys.argv[1])), program(sys.argv[2]), told=Told(lambda *words: print(*words, flush=True)))
"""
SLOW = """
import select, signal
def stop(*_):
    (job / 'stopped.txt').open('a').write('x')
    sys.exit(130)
signal.signal(signal.SIGTERM, stop)
(job / 'ran.txt').open('a').write('x')
if (job / 'stopped.txt').exists(): sys.exit(0)
if not select.select([0], [], [], 30)[0]: sys.exit(3)  # nobody stops it
time.sleep(0.5)
stop()
"""


def start(queue: Queue) -> subprocess.Popen[bytes]:
    """A queue in a process of its own, at a job that goes on until it is stopped, or its queue is gone."""
    process = subprocess.Popen([sys.executable, "-c", QUEUE, queue.path, SLOW], cwd=ROOT, stderr=subprocess.DEVNULL)
    wait_for(lambda: list(queue.at("running").glob("*/ran.txt")))
    return process


def test_ctrl_c_stops_the_job_in_order_and_it_goes_on_at_the_next_start(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, "a.yaml")
    process = start(queue)
    process.send_signal(signal.SIGINT)
    process.wait(PATIENCE_SECONDS)
    left = ["a", "a/a.yaml", "a/events.jsonl", "a/log.txt", "a/ran.txt", "a/stopped.txt"]
    assert files(queue.path / "running") == left
    (row,) = work(queue, program(SLOW), told=Told())
    assert (row.state, row.n_starts) == ("done", 2)
    assert (queue.path / "done" / "a" / "stopped.txt").read_text() == "x"


def test_a_queue_that_is_killed_takes_its_job_along_and_the_next_waits_for_it(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, "a.yaml")
    process = start(queue)
    process.kill()
    process.wait(PATIENCE_SECONDS)
    notes = Notes()
    (row,) = work(queue, program(SLOW), told=notes.told)  # at once: the job needs half a second to stop
    assert notes.events == ["waiting for a", "taken up again a", "done a"]
    assert (row.state, row.n_starts) == ("done", 2)
    assert (queue.path / "done" / "a" / "stopped.txt").read_text() == "x"


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, "a.yaml")
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); (job / 'ran.txt').touch(); time.sleep(60)"
    process = subprocess.Popen(
        [sys.executable, "-c", QUEUE, queue.path, deaf], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    wait_for(lambda: list(queue.at("running").glob("*/ran.txt")))
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    wait_for(lambda: process.stdout and b"stopping a" in process.stdout.readline())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_SECONDS)
    assert [folder.name for folder in begun_folders(queue)] == ["a"]
    events = read_jsonl(queue.path / "running" / "a" / "events.jsonl")
    assert [event["event"] for event in events] == ["started"]
    assert os.listdir(queue.path / "failed") == []  # noqa: PTH208
