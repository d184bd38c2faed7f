"""System 1's folders of configs, taken over once, and left as they are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.sources import ROOT
from tests.queue.jobs import drop, files, make_queue
from trifacet.core.errors import ConfigError
from trifacet.queue.folder import Settled, take
from trifacet.queue.results import read_results
from trifacet.queue.takeover import TakenOver, take_over


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    folder = tmp_path / "configs"
    for name, text in (
        ("queue/.gitkeep", ""),
        ("queue/focal.json", "{1}"),
        ("queue/f1.json", "{2}"),
        ("queue/same.json", "{3}"),
        ("ends/.gitkeep", ""),
        ("ends/first.json", "{4}"),
        ("ends/same.json", "{5}"),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_what_waited_waits_here_and_what_ended_is_filed_without_scores(tmp_path: Path, configs: Path) -> None:
    queue, before = make_queue(tmp_path), {path: path.read_text() for path in configs.rglob("*.json")}
    made = take_over(queue, configs)
    assert made == TakenOver(queued=("f1.json", "focal.json", "same.json"), elsewhere=("first", "same"), known=())
    assert files(queue.at("queued")) == ["f1.json", "focal.json", "same.json"]
    assert (queue.path / "queued" / "focal.json").read_text() == "{1}"
    rows = read_results(queue.results_path)
    assert [(row.name, row.state, row.recipe, row.exit_status, row.val_macro_f1) for row in rows] == [
        ("first", "elsewhere", "first.json", None, None),
        ("same", "elsewhere", "same.json", None, None),
    ]
    assert (queue.path / "done" / "same" / "same.json").read_text() == "{5}"
    assert read_results(queue.path / "done" / "same" / "result.jsonl") == [rows[1]]
    assert {path: path.read_text() for path in configs.rglob("*.json")} == before


def test_taken_over_again_nothing_is_queued_twice(tmp_path: Path, configs: Path) -> None:
    queue = make_queue(tmp_path)
    take_over(queue, configs)
    job = take(queue, Settled(0.0))  # one of them is at work by now
    assert job is not None
    (configs / "queue" / "later.json").write_text("{6}")
    made = take_over(queue, configs)
    assert made == TakenOver(("later.json",), (), ("first.json", "same.json", "f1.json", "focal.json", "same.json"))
    assert len(read_results(queue.results_path)) == 2


def test_a_config_of_a_name_that_waits_already_gets_a_number(tmp_path: Path, configs: Path) -> None:
    queue = make_queue(tmp_path)
    drop(queue, "f1.json", text="mine")
    assert take_over(queue, configs).queued == ("f12.json", "focal.json", "same.json")
    assert (queue.path / "queued" / "f1.json").read_text() == "mine"


def test_what_lies_in_both_was_done_and_two_alike_are_one(tmp_path: Path, configs: Path) -> None:
    queue = make_queue(tmp_path)
    for name, text in (("queue/first.json", "{4}"), ("queue/twin.json", "{3}"), ("ends/twin.json", "{5}")):
        (configs / name).write_text(text)
    assert take_over(queue, configs) == TakenOver(
        queued=("f1.json", "focal.json", "same.json"),
        elsewhere=("first", "same"),
        known=("twin.json", "first.json", "twin.json"),
    )
    assert files(queue.at("queued")) == ["f1.json", "focal.json", "same.json"]
    assert [row.name for row in read_results(queue.results_path)] == ["first", "same"]


def test_copies_are_as_old_as_what_was_copied(tmp_path: Path, configs: Path) -> None:
    queue, past = make_queue(tmp_path), 1_600_000_000_123_456_789
    for name in ("queue/f1.json", "ends/first.json"):
        os.utime(configs / name, ns=(past, past))
    take_over(queue, configs)
    for path in (queue.at("queued") / "f1.json", queue.at("done") / "first" / "first.json"):
        assert path.stat().st_mtime_ns == past


KILLED = """
import os, signal, sys
from pathlib import Path
from trifacet.queue.folder import open_queue
from trifacet.queue.takeover import take_over

left = int(sys.argv[3])

def kill(event, _):
    global left
    if event == "os.rename":
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill)
take_over(open_queue(Path(sys.argv[1])), Path(sys.argv[2]))
"""


def test_killed_before_any_of_its_renames_it_goes_on_where_it_was(tmp_path: Path) -> None:
    configs = tmp_path / "configs"
    for name in ("ends/a.json", "queue/b.json"):
        (configs / name).parent.mkdir(parents=True)
        (configs / name).write_text(name)
    statuses = []
    while 0 not in statuses:
        queue = make_queue(tmp_path / str(len(statuses)))
        words = [sys.executable, "-c", KILLED, queue.path, configs, str(len(statuses))]
        statuses.append(subprocess.run(words, cwd=ROOT, check=False).returncode)
        take_over(queue, configs)
        assert [(row.name, row.state) for row in read_results(queue.results_path)] == [("a", "elsewhere")]
        assert files(queue.at("done")) == ["a", "a/a.json", "a/result.jsonl"]
        assert read_results(queue.at("done") / "a" / "result.jsonl") == read_results(queue.results_path)
        assert files(queue.at("queued")) == ["b.json"]
    assert statuses == [-signal.SIGKILL] * 3 + [0]  # its row, its folder, the one that waits


@pytest.mark.parametrize(
    ("name", "do"),
    [pytest.param("queue", "Pass {}/configs.", id="one of the two"), pytest.param("nothing", "See --help.", id="none")],
)
def test_another_folder_is_refused(tmp_path: Path, configs: Path, name: str, do: str) -> None:
    with pytest.raises(ConfigError) as raised:
        take_over(make_queue(tmp_path), configs / name)
    assert str(raised.value) == (
        f"TRI104 --take-over: needs the folder that holds `queue` and `ends`, got '{configs}/{name}'. "
        + do.format(tmp_path)
    )
