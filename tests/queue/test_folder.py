"""The queue on disk: names, order, what is left alone, and one row for each job whenever it is killed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.queue.jobs import drop, files, make_queue
from trifacet.core.errors import MachineError, RunError
from trifacet.queue.folder import Job, Settled, add_event, hold, open_queue, put_away, release, result_of, take, waiting
from trifacet.queue.results import Result, enter, read_results


def taken(queue) -> Job:
    job = take(queue, Settled(0.2))
    assert job is not None
    return job


def test_recipes_are_taken_by_name_as_people_count(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, "10-a.yaml", "2-b.json", "B.yml", "a.yaml", "2-a.YAML")
    assert [path.name for path in waiting(queue)[0]] == ["2-a.YAML", "2-b.json", "10-a.yaml", "a.yaml", "B.yml"]


def test_a_recipe_is_moved_whole_and_never_rewritten(tmp_path: Path) -> None:
    queue = make_queue(tmp_path)
    about = drop(queue, "one.json", text='{"a":1}  \r\n').stat()
    job = taken(queue)
    assert job.recipe == queue.path / "running" / "one" / "one.json"
    assert job.recipe.read_bytes() == b'{"a":1}  \r\n'
    assert (job.recipe.stat().st_ino, job.recipe.stat().st_mtime_ns) == (about.st_ino, about.st_mtime_ns)
    assert waiting(queue) == ([], {})


def test_what_is_no_recipe_is_left_alone_and_said_so(tmp_path: Path) -> None:
    long = "x" * 200 + ".yaml"
    queue = make_queue(
        tmp_path, ".gitkeep", ".a.yaml.swp", ".hidden.yaml", "notes.txt", "a.yaml~", "new\nline.yaml", long
    )
    (queue.at("queued") / "old").mkdir()
    (queue.at("queued") / "folder.yaml").mkdir()
    (queue.at("queued") / "link.yaml").symlink_to("notes.txt")
    before = files(queue.at("queued"))
    assert waiting(queue) == (
        [],
        {
            "notes.txt": "no recipe: these end in .yaml, .yml or .json",
            "a.yaml~": "no recipe: these end in .yaml, .yml or .json",
            "old": "a folder: put its recipes into queued/ themselves",
            "folder.yaml": "a folder: put its recipes into queued/ themselves",
            "link.yaml": "a link: put the file itself here",
            long: "a name that is too long: call it otherwise",
            "'new\\nline.yaml'": "a name that cannot be printed: call it otherwise",
        },
    )
    assert take(queue, Settled(0.0)) is None
    assert files(queue.at("queued")) == before


@pytest.mark.parametrize("place", ["running", "done", "failed", "runs"])
def test_a_name_that_is_taken_gets_a_number(tmp_path: Path, place) -> None:
    queue = make_queue(tmp_path, "a.yaml")
    (queue.at(place) / "a").mkdir()
    (queue.at(place) / "a" / "x.txt").touch()
    (queue.at("runs") / "a2").mkdir()
    job = taken(queue)
    assert (job.name, job.recipe.name) == ("a3", "a.yaml")


def test_the_name_of_a_row_is_taken_though_its_folder_is_gone(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, "a.yaml", "a.json")
    enter(queue.results_path, Result(name="a", state="done", recipe="a.yaml", recipe_sha256=""))
    assert [taken(queue).name, taken(queue).name] == ["a2", "a3"]


def test_a_file_that_is_being_written_is_not_taken(tmp_path: Path) -> None:
    queue, settled = make_queue(tmp_path), Settled(0.3)
    path = queue.at("queued") / "a.yaml"
    path.write_text("train:\n")
    assert take(queue, settled) is None
    future = path.stat().st_mtime + 1e6  # as a disk of another machine may have it: our own time counts
    for size in range(3):
        path.write_text("train:\n" + "#" * size)
        os.utime(path, (future, future))
        assert take(queue, settled) is None
    while (job := take(queue, settled)) is None:
        pass
    assert job.recipe.read_text() == "train:\n##"


def test_a_job_that_somebody_works_on_is_not_taken_twice(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, "a.yaml")
    job = taken(queue)
    assert take(queue, Settled(0.2)) is None
    os.close(job.lock)
    again = taken(queue)
    assert (again.name, again.recipe) == (job.name, job.recipe)


def test_what_was_begun_goes_before_what_waits(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, "b.yaml")
    os.close(taken(queue).lock)
    drop(queue, "a.yaml")
    assert [taken(queue).name, taken(queue).name] == ["b", "a"]


def test_a_lock_lasts_as_long_as_a_child_has_it(tmp_path: Path) -> None:
    handle = hold(tmp_path / "lock")
    assert handle is not None
    inherited = os.dup(handle)
    os.close(handle)
    assert hold(tmp_path / "lock") is None
    os.close(inherited)
    assert hold(tmp_path / "lock") is not None


def test_an_ended_job_has_one_row_and_a_place(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, "a.yaml", "b.yaml")
    for status, problem in ((0, ""), (3, "TRI101 no")):
        job = taken(queue)
        add_event(job, {"event": "started"})
        put_away(queue, job, result=result_of(job, exit_status=status, problem=problem))
    rows = read_results(queue.results_path)
    assert [(row.name, row.state, row.exit_status, row.problem, row.n_starts) for row in rows] == [
        ("a", "done", 0, "", 1),
        ("b", "failed", 3, "TRI101 no", 1),
    ]
    for row, place in zip(rows, ("done", "failed"), strict=True):
        assert read_results(queue.at(place) / row.name / "result.jsonl") == [row]
    assert files(queue.path / ".locks") == ["queue"]


def test_a_job_killed_between_its_row_and_its_place_gets_no_second_row(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, "a.yaml")
    job = taken(queue)
    enter(queue.results_path, result_of(job, exit_status=7, problem="the first"))
    os.close(job.lock)  # killed
    assert take(queue, Settled(0.2)) is None
    assert [row.problem for row in read_results(queue.results_path)] == ["the first"]
    assert files(queue.path / "failed") == ["a", "a/a.yaml", "a/result.jsonl"]
    assert files(queue.path / "running") == []
    stands = enter(queue.results_path, Result(name="a", state="done", recipe="a.yaml", recipe_sha256=""))
    assert (stands.state, len(read_results(queue.results_path))) == ("failed", 1)


def test_a_job_killed_before_its_recipe_moved_leaves_nothing(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, "b.yaml")
    (queue.at("running") / "a").mkdir()
    assert taken(queue).name == "b"
    assert files(queue.path / "running") == ["b", "b/b.yaml"]


def test_a_job_whose_recipe_was_taken_out_has_failed(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, "a.yaml")
    job = taken(queue)
    add_event(job, {"event": "started"})
    job.recipe.rename(tmp_path / "mine.yaml")
    release(queue, job)
    assert take(queue, Settled(0.2)) is None
    (row,) = read_results(queue.results_path)
    assert (row.state, row.exit_status, row.problem) == ("failed", None, "its recipe was taken out of running/")
    assert files(queue.path / "failed") == ["a", "a/events.jsonl", "a/result.jsonl"]


def test_a_table_that_was_changed_by_hand_stops_the_queue(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, "a.yaml")
    enter(queue.results_path, Result(name="x", state="done", recipe="x.yaml", recipe_sha256=""))
    queue.results_path.write_text(queue.results_path.read_text() + "done, I think\n")
    with pytest.raises(RunError) as raised:
        take(queue, Settled(0.2))
    assert str(raised.value) == (
        f"TRI431 {queue.results_path}: line 2 is no result of a job, got 'done, I think'. Correct or remove the "
        "line; each job's own row stands in result.jsonl beside its log."
    )
    assert [path.name for path in waiting(queue)[0]] == ["a.yaml"]


def test_a_queue_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MachineError) as raised:
        open_queue(tmp_path / "file")
    assert str(raised.value) == (
        f"TRI901 {tmp_path}/file/queued: cannot write here, got Not a directory. Choose another path or correct its "
        "permissions."
    )
