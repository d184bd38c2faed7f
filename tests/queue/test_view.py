"""The table of a queue says of each job where it is and what it is worth."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.queue.jobs import make_queue
from trifacet.core.files import write_json
from trifacet.core.recipe import Recipe
from trifacet.core.run import VARIANTS
from trifacet.core.variants import VariantsInfo
from trifacet.queue.folder import left_behind, take
from trifacet.queue.results import Result, enter
from trifacet.queue.view import Line, lines

COMMON = {"recipe": "x.yaml", "recipe_sha256": ""}


def test_a_line_for_every_job_in_the_order_of_its_life(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, "5.yaml", "6.yaml", "7.yaml")
    figures = dict(zip(("val_macro_f1", "val_macro_f1_low", "val_macro_f1_high"), (0.7126, 0.68, 0.7444), strict=True))
    for row in (
        Result(name="old", state="elsewhere", **COMMON),
        Result(name="1", state="done", exit_status=0, trained_seconds=90, best_epoch=7, **COMMON, **figures),
        Result(name="2", state="failed", exit_status=3, problem="TRI101 no", **COMMON),
    ):
        enter(queue.results_path, row)
    for name in ("3", "4"):
        (queue.at("running") / name).mkdir()
    run = queue.path / "runs" / "4"
    run.mkdir()
    (run / "run.json").write_text(json.dumps({"recipe": {"train": {"head_epochs": 25, "epochs": 4}}}))
    records = [{"val_macro_f1": score, "seconds": 30.0} for score in (0.5, 0.61249, None, 0.6)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    assert lines(queue) == [
        Line("old", "elsewhere", note="where it was taken over from"),
        Line("1", "done", "best 7", "0.713 [0.680, 0.744]", "", "1.5"),
        Line("2", "failed", note="status 3"),
        Line("3", "running", note="preparing"),
        Line("4", "running", "4/29", "0.612", "", "2.0"),
        Line("5.yaml", "queued"),
        Line("6.yaml", "queued"),
        Line("7.yaml", "queued"),
    ]
    assert [line.name for line in lines(queue, n_ended=1, n_waiting=1)] == ["2", "3", "4", "5.yaml", "and 2 more"]


def test_a_job_of_several_networks_shows_the_one_at_work(tmp_path: Path) -> None:
    queue = make_queue(tmp_path)
    (queue.at("running") / "pair").mkdir()
    run = queue.path / "runs" / "pair"
    recipes, origins = (Recipe(), Recipe()), ({}, {})
    info = VariantsInfo(name="pair", created="", seed=0, names=("a", "b"), recipes=recipes, origins=origins)
    run.mkdir()
    write_json(run / VARIANTS, info.model_dump(mode="json", by_alias=True))
    assert lines(queue) == [Line("pair", "running", note="preparing")]
    for i in range(2):  # of the first nothing is shown any more
        one = run / f"variant_{i}"
        one.mkdir()
        write_json(one / "run.json", {"recipe": {"train": {"head_epochs": 0, "epochs": 4 + i}}})
        (one / "metrics.jsonl").write_text(json.dumps({"val_macro_f1": 0.25 * (i + 1), "seconds": 60.0}) + "\n")
    assert lines(queue) == [Line("pair", "running", "1/5", "0.500", "", "1.0", "network 2 of 2")]


def test_a_job_that_nobody_works_on_is_told_apart_from_one_at_work(tmp_path: Path) -> None:
    queue = make_queue(tmp_path, "a.yaml", "b.yaml")
    killed, alive = (take(queue, lambda _: True) for _ in range(2))
    assert killed is not None
    assert alive is not None
    assert left_behind(queue) == set()
    os.close(killed.lock)  # as the end of its process does
    assert [line.state for line in lines(queue, stopped=left_behind(queue))] == ["stopped", "running"]
    again = take(queue, lambda _: True)
    assert again is not None
    assert again.name == killed.name
