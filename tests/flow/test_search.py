"""`trifacet search`: trials that are runs, none trained twice, and a recipe that `train` takes."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import save_file

from tests.flow.command import TINY, done, trifacet
from tests.flow.photos import World, write_world
from tests.flow.test_interrupted import PATIENCE_SECONDS, PROGRAM
from trifacet.choosing import open_recipe
from trifacet.cli.search import _tell
from trifacet.core.files import read_json, read_jsonl
from trifacet.core.policies import parse_policies
from trifacet.core.run import locked, open_run
from trifacet.learn.backbones import build_backbone
from trifacet.trials.folder import open_search
from trifacet.trials.result import NO_WEIGHTS, differences
from trifacet.trials.study import Row, best_row, open_study, rows_of

SETS = (
    *TINY,
    *("--set", "train.epochs=3", "--set", "train.threads=1", "--set", "report.pictures=false"),
    *("--set", "optim.head_lr=null"),
)
OVER = ("--over", "optim.lr=log:1e-6..1e-1", "--over", "train.batch_size=16|32", "--over", "loss.weights.age=0.5..2")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return write_world(tmp_path_factory.mktemp("search") / "photos", n_train=36, n_eval=0)


@pytest.fixture(scope="module")
def data(world: World) -> Path:
    root = world.train_dir.parent.parent
    done("ingest", world.train_dir, "--out", root / "all.parquet", "--workers", 1)
    done(
        "split",
        root / "all.parquet",
        "--out",
        root / "split.parquet",
    )
    return root / "split.parquet"


@pytest.fixture(scope="module")
def whole(data: Path) -> Path:
    out = data.parent / "whole"
    done("search", "--data", data, "--out", out, "--trials", 8, "--seed", 1, *OVER, *SETS)
    return out


def rows(search: Path) -> list[Row]:
    return rows_of(open_study(search / "trials.journal"))


def same(rows: list[Row]) -> list[tuple[Any, ...]]:
    """All that must not depend on kills."""
    return [(row.number, row.state, row.score, row.changes, row.problem) for row in rows]


def test_every_trial_is_a_run_and_its_score_is_that_of_its_best_epoch(whole: Path) -> None:
    found = rows(whole)
    assert [row.number for row in found] == list(range(8))
    assert found[0].changes == {}
    for row in found:
        run = open_run(whole / f"trials/{row.number:03d}")
        assert run.info.status == {"finished": "finished", "pruned": "interrupted"}[row.state]
        epochs = [record["val_score"] for record in read_jsonl(run.metrics_path)]
        assert row.score == (max(epochs) if row.state == "finished" else epochs[-1])
        assert run.info.recipe.optim.lr == float(row.changes.get("optim.lr", 1e-4))
        assert run.info.recipe.loss.weights == ({"age": float(row.changes["loss.weights.age"])} if row.number else {})
        assert run.info.seed == 0
    assert len({open_run(whole / f"trials/{i:03d}").info.inputs["manifest"] for i in range(8)}) == 1


def test_a_pruned_trial_was_below_the_median_and_is_stopped(whole: Path) -> None:
    pruned = [row for row in rows(whole) if row.state == "pruned"]
    assert pruned, "else this looks at nothing: choose other seeds"
    for row in pruned:
        told = read_jsonl(whole / f"trials/{row.number:03d}/metrics.jsonl")
        assert len(told) == 2
        before = [read_jsonl(whole / f"trials/{i:03d}/metrics.jsonl") for i in range(row.number)]
        others = sorted(records[1]["val_score"] for records in before if len(records) > 1)
        assert max(record["val_score"] for record in told) < others[len(others) // 2] + 1e-9


def test_only_the_best_keeps_its_weights_and_the_others_say_so(whole: Path) -> None:
    best = best_row(rows(whole))
    assert best is not None
    kept = [i for i in range(8) if (whole / f"trials/{i:03d}/weights").exists()]
    assert kept == [best.number]
    said = [NO_WEIGHTS in open_run(whole / f"trials/{i:03d}").info.notes for i in range(8)]
    assert said == [i != best.number for i in range(8)]


def test_the_result_is_the_recipe_of_the_best_trial_and_trains_to_the_same(whole: Path, data: Path) -> None:
    best = best_row(rows(whole))
    assert best is not None
    run = open_run(whole / f"trials/{best.number:03d}")
    assert open_recipe(whole / "best.yaml").settings == run.info.recipe
    head = [line for line in (whole / "best.yaml").read_text().splitlines() if line.startswith("#")]
    assert head[0].startswith(f"# best: quick after a search, macro F1 on val {best.score:.4f}, the recipe as it is ")
    assert "optim.lr=log:1e-6..1e-1" in head[1]
    assert "flatters" in head[2]
    done("train", whole / "best.yaml", "--data", data, "--out", data.parent / "again")
    again = open_run(data.parent / "again")
    assert again.info.best == run.info.best
    assert again.weights_path("best").read_bytes() == run.weights_path("best").read_bytes()


@pytest.mark.prove
def test_a_killed_search_ends_as_one_that_was_not(whole: Path, data: Path) -> None:
    out, n_kills, lines = data.parent / "killed", 0, set[int]()
    words = ["search", "--data", str(data), "--out", str(out), "--trials", "8", "--seed", "1", *OVER, *SETS]
    for n_trials in (1, 3, 5):
        process = subprocess.Popen([*PROGRAM, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + PATIENCE_SECONDS
        seen = out / f"trials/{n_trials:03d}/metrics.jsonl"
        while not seen.is_file() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        process.kill()
        n_kills += process.wait() == -signal.SIGKILL
        words, found = ["search", "--resume", str(out)], rows(out)
        assert found[-1].state == "running"
        lines.add(len(found))
    assert n_kills == 3
    assert len(lines) == 3, "the kills must land in different trials"
    before = {i: (out / f"trials/{i:03d}/run.json").read_bytes() for i in range(max(lines) - 1)}
    said = done("search", "--resume", out)
    assert same(rows(out)) == same(rows(whole))
    assert "finished" in said.out
    weightless = {i: content for i, content in before.items() if NO_WEIGHTS.encode() in content}
    assert {i: (out / f"trials/{i:03d}/run.json").read_bytes() for i in weightless} == weightless
    for i in range(8):
        own, other = (read_jsonl(path / f"trials/{i:03d}/metrics.jsonl") for path in (out, whole))
        assert [r["val_score"] for r in own] == [r["val_score"] for r in other]


def test_policies_are_searched_and_the_best_are_a_recipe(data: Path) -> None:
    out = data.parent / "policies"
    short = ("--set", "train.epochs=1")
    done("search", "--data", data, "--out", out, "--policies", "--trials", 3, "--keep-all", *SETS, *short)
    found, search = rows(out), open_search(out)
    base = found[0].score
    above = sorted((r for r in found[1:] if (r.score or 0) > (base or 0)), key=lambda r: (-(r.score or 0), r.number))
    drawn = [open_run(search.trial_path(i)).info.recipe.augment.policy for i in range(3)]
    assert drawn[0] == "none"
    assert len(set(drawn)) == 3
    policy = open_recipe(search.best_path).settings.augment.policy
    if above:
        assert policy == tuple(drawn[r.number][0] for r in above)
        assert parse_policies(str(search.policies_path)) == policy
    else:
        assert policy == "none"
        assert not search.policies_path.exists()
    assert all((search.trial_path(i) / "weights/best.safetensors").is_file() for i in range(3))


def test_a_trial_that_cannot_be_trained_is_told_and_the_search_goes_on(data: Path) -> None:
    out = data.parent / "failing"
    over = ("--over", "model.classifier=linear|cosine", "--over", "loss.terms={cross_entropy: 1}|{arc_face: 1}")
    said = done("search", "--data", data, "--out", out, "--trials", 6, *over, *SETS, "--set", "train.epochs=1")
    failed = [row for row in rows(out) if row.state == "failed"]
    assert failed, "else this looks at nothing"
    assert all(row.changes["loss.terms"] == "{arc_face: 1}" for row in failed)
    assert all(row.changes["model.classifier"] == "linear" for row in failed)
    assert "loss arc_face turns angles" in failed[0].problem
    assert f"{len(failed)} failed" in said.out
    assert "loss arc_face turns angles" in said.err


def test_more_trials_and_no_time_for_them(data: Path) -> None:
    out, one = data.parent / "more", ("--set", "train.epochs=1", "--over", "optim.lr=1e-4..1e-3")
    said = trifacet("search", "--data", data, "--out", out, "--trials", 2, "--timeout", 0, *SETS, *one)
    assert (said.status, rows(out)) == (0, [])
    assert said.out == f"no trial was trained yet; go on with: trifacet search --resume {out}\n"
    done("search", "--resume", out)
    assert len(rows(out)) == 2
    done("search", "--resume", out, "--trials", 3)
    assert len(rows(out)) == 3
    assert read_json(out / "search.json")["plan"]["n_trials"] == 3


def test_a_network_that_does_not_exist_is_refused_before_a_trial(data: Path, tmp_path: Path) -> None:
    asked = ("--over", "model.backbone=baseline_cnn|timm/resnet_18", "--trials", 2)
    said = trifacet("search", "--data", data, "--out", tmp_path / "s", *asked)
    assert said.err.startswith("TRI100 model.backbone: timm has no model 'resnet_18'. Did you mean")
    assert not (tmp_path / "s").exists()


def test_a_search_of_which_nothing_can_be_trained_says_why(data: Path) -> None:
    out, lr = data.parent / "lost", "optim.lr=1e30..1e31"
    said = trifacet(
        "search", "--data", data, "--out", out, "--trials", 2, "--over", lr, *SETS, "--set", "optim.lr=1e30"
    )
    assert said.status == 6
    assert f"TRI441 {out}: no trial could be trained, got TRI405 {out}/trials/000: at step" in said.err
    assert f"Go on with: trifacet search --resume {out}" in said.err


def test_a_search_gone_on_with_from_another_folder_spends_no_trial(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, right, wrong = tmp_path / "away", tmp_path / "right", tmp_path / "wrong"
    wrong.mkdir()
    right.mkdir()
    weights = build_backbone(open_recipe("quick", ["model.backbone=baseline_cnn"]).settings.model).state_dict()
    save_file(weights, right / "own.safetensors")
    monkeypatch.chdir(right)
    sets = (*SETS, "--set", "train.epochs=1", "--set", "model.weights=own.safetensors")
    done("search", "--data", data, "--out", out, "--trials", 4, "--timeout", 0, *OVER, *sets)
    monkeypatch.chdir(wrong)
    said = trifacet("search", "--resume", out)
    assert said.status == 6
    assert "\nTRI403 own.safetensors: cannot be read as safetensors, got No such file" in said.err
    assert rows(out) == []
    monkeypatch.chdir(right)
    done("search", "--resume", out)
    assert [row.state for row in rows(out)] == ["finished"] * 4
    monkeypatch.chdir(wrong)
    assert "4 finished" in done("search", "--resume", out).out


def test_photos_that_are_gone_stop_a_search_and_fail_no_trial(tmp_path: Path) -> None:
    world, out = write_world(tmp_path / "photos", n_train=12, n_eval=0), tmp_path / "gone"
    done("ingest", world.train_dir, "--out", tmp_path / "all.parquet", "--workers", 1)
    sets = (*SETS, "--set", "train.epochs=1", "--set", "data.image_size=[40, 40]")
    words = ("--data", tmp_path / "all.parquet", "--out", out, "--trials", 2, "--timeout", 0, *OVER, *sets)
    done("search", *words)
    (tmp_path / "photos").rename(tmp_path / "elsewhere")
    said = trifacet("search", "--resume", out)
    assert said.status == 4
    assert "\nTRI204 photos changed since they were ingested, got " in said.err
    assert [row.state for row in rows(out)] == ["running"]
    (tmp_path / "elsewhere").rename(tmp_path / "photos")
    done("search", "--resume", out)
    assert [row.state for row in rows(out)] == ["finished"] * 2


FRAGILE = """
from pathlib import Path
from torch.nn.functional import cross_entropy

def loss(logits, target):
    if (Path(__file__).parent / "unplugged").exists():
        raise OSError(19, "no such device")
    if (Path(__file__).parent / "broken").exists():
        raise ValueError("the device is gone")
    return cross_entropy(logits, target, reduction="none")
"""


def test_three_failed_trials_in_a_row_and_a_fault_of_the_machine_stop_a_search_that_can_be_gone_on_with(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, broken = tmp_path / "stuck", tmp_path / "broken"
    (tmp_path / "fragile.py").write_text(FRAGILE)
    monkeypatch.syspath_prepend(str(tmp_path))
    broken.touch()
    sets = (*SETS, "--set", "train.epochs=1", "--set", "loss.terms={fragile:loss: 1}")
    said = trifacet("search", "--data", data, "--out", out, "--trials", 6, *OVER, *sets)
    assert said.status == 6
    assert said.err.splitlines()[-1] == (
        f"TRI442 {out}: three trials failed one after another, got ValueError: the device is gone. Mend that, then go "
        "on with `trifacet search --resume`; more --trials make up for those that failed."
    )
    assert f"Go on with: trifacet search --resume {out}" in said.err
    assert [row.state for row in rows(out)] == ["failed"] * 3
    broken.rename(tmp_path / "unplugged")
    with pytest.raises(OSError, match="no such device"):
        trifacet("search", "--resume", out)
    assert [row.state for row in rows(out)] == ["failed"] * 3 + ["running"]
    (tmp_path / "unplugged").unlink()
    done("search", "--resume", out)
    assert [row.state for row in rows(out)] == ["failed"] * 3 + ["finished"] * 3


def test_settings_that_cannot_be_trained_never_stop_a_search(data: Path) -> None:
    out = data.parent / "lost_often"
    over = ("--over", "optim.lr=1e30..1e31", *SETS, "--set", "train.epochs=1")
    said = done("search", "--data", data, "--out", out, "--trials", 5, *over)
    assert [row.state for row in rows(out)] == ["finished"] + ["failed"] * 4
    assert "1 finished, 4 failed" in said.out


def test_a_search_that_another_process_works_on_is_left_as_it_is(whole: Path) -> None:
    before = (whole / "search.json").read_bytes()
    with locked(open_search(whole)):
        said = trifacet("search", "--resume", whole, "--trials", 20)
    assert said.status == 6
    assert "TRI408" in said.err
    assert (whole / "search.json").read_bytes() == before


def test_the_result_is_told_without_the_journal_which_another_may_write_by_then(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(whole, copy)
    found, journal = rows(copy), copy / "trials.journal"
    lock = copy / "trials.journal.lock"
    lock.touch()
    with journal.open("a") as file:
        file.write('{"half a line')
    before = journal.read_bytes()
    _tell(open_search(copy), found)
    assert (journal.read_bytes(), lock.exists()) == (before, True)
    assert f"trifacet train {copy / 'best.yaml'} --data DATA" in capsys.readouterr().out


def test_the_differences_of_a_recipe_make_it_again() -> None:
    sets = ["loss.terms={focal: 1}", "schema={age_edges: [25, 50]}", "augment.strength={blur: 0.5}", "optim.lr=1e-05"]
    resolved = open_recipe("quick", sets)
    content = yaml.safe_load(yaml.safe_dump(differences(resolved.settings), default_flow_style=None))
    assert content == {
        "loss": {"terms": {"focal": 1.0}},
        "augment": {"strength": {"blur": 0.5}},
        "optim": {"lr": 1e-05},
        "schema": {"age_edges": [25, 50]},
    }
    assert differences(open_recipe("quick").settings) == {}
