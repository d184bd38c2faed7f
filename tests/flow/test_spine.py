"""The whole way by commands, once, in the original layout; then a look at everything that lies there."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest

from tests.flow.command import PICTURED, TINY, Said, done, trifacet
from tests.flow.photos import World, write_world
from trifacet.core.evaluation import BY_ROW
from trifacet.core.files import read_json, read_jsonl, sha256_file
from trifacet.core.manifest import LEAK, PERSONS_UNKNOWN, read_manifest
from trifacet.core.predictions import read_decision, read_predictions
from trifacet.core.run import open_run

RUN_FILES = {
    ".lock",
    "run.json",
    "recipe.yaml",
    "schema.yaml",
    "manifest.parquet",
    "metrics.jsonl",
    "decision.json",
    "scores.json",
    "weights/best.safetensors",
    "weights/last.safetensors",
    "predictions/val.parquet",
    "predictions/test.parquet",
    "pictures/inputs.png",
    "pictures/answers.png",
    "report/index.html",
}
LOADS_SOMETHING = re.compile(
    r"(?:src|href)=\"(?!#|data:)[^\"]*\"|url\((?!#|['\"]?data:)|@import|<script|https?://(?!www\.w3\.org)"
)


class Way(NamedTuple):
    """Where everything lies, what each command said, and the photos' hashes before the first one."""

    root: Path
    world: World
    said: Mapping[str, Said]
    before: Mapping[str, str]


def hashes(*folders: Path) -> dict[str, str]:
    return {str(p): sha256_file(p) for folder in folders for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> Way:
    root = tmp_path_factory.mktemp("way")
    world = write_world(root / "photos", n_train=24, n_eval=8, n_unread=2)
    before = hashes(world.train_dir, world.eval_dir)
    answers, manifest, info = root / "answers.parquet", root / "manifest.parquet", world.eval_dir / "info.csv"
    said = {
        "ingest": done("ingest", world.train_dir, "--out", root / "photos.parquet", "--workers", 1),
        "split": done("split", root / "photos.parquet", "--out", manifest, "--val", 0.25, "--test", 0.25),
        "dry": done("train", "--data", manifest, "--dry-run", "--out", root / "dry.png", *PICTURED),
        "train": done("train", "--data", manifest, "--out", root / "run", *PICTURED),
        "predict": done("predict", root / "run", world.eval_dir, "--out", answers, "--page", root / "answers.html"),
        "again": done("predict", root / "run", manifest, "--split", "test", "--out", root / "test.parquet"),
        "decide": done("decide", root / "run", "--out", root / "rule.json"),
        "report": done("evaluate", answers, "--truth", world.truth_path, "--report", root / "report.html"),
        "refused": trifacet("submit", answers, "--info", info, "--out", root / "refused.csv"),
        "submit": done("submit", answers, "--info", info, "--out", root / "output.csv", "--fill"),
    }
    return Way(root, world, said, before)


def scores(predictions: Path, truth: Path, *words: object) -> dict[str, object]:
    """What `evaluate --json` prints."""
    told = json.loads(done("evaluate", predictions, "--truth", truth, "--json", *words).out)
    assert isinstance(told, dict)
    return told


def test_the_photos_of_the_user_are_as_they_were(way: Way) -> None:
    assert hashes(way.world.train_dir, way.world.eval_dir) == way.before


def test_ingest_tells_of_every_file(way: Way) -> None:
    assert "168 photos of 24 people" in way.said["ingest"].out
    assert re.search(r"^ok +168$", way.said["ingest"].out, re.MULTILINE)


def test_split_keeps_every_person_whole(way: Way) -> None:
    table = read_manifest(way.root / "manifest.parquet").table
    assert table["split"].value_counts().sort("split").rows() == [("test", 42), ("train", 84), ("val", 42)]
    assert table.group_by("person_id").agg(pl.col("split").n_unique())["split"].to_list() == [1] * 24


def test_a_dry_run_shows_shapes_and_a_picture_and_makes_no_run(way: Way) -> None:
    assert re.search(r"^input +32 x 3 x 32 x 32", way.said["dry"].out, re.MULTILINE)
    assert re.search(r"^answer age +32 x 101", way.said["dry"].out, re.MULTILINE)
    assert (way.root / "dry.png").read_bytes().startswith(b"\x89PNG")
    assert not (way.root / "dry").exists()


@pytest.mark.parametrize(
    ("key", "told"),
    [
        pytest.param("data.label_map.drop_ages=[0+]", "TRI101 data.label_map.drop_ages: no training photo", id="ages"),
        pytest.param("data.label_map.age_edges=[58]", "TRI101 data.label_map.age_edges: 3 age classes", id="edges"),
        pytest.param(
            "data.label_map.age_edges=[30, 580]",
            "TRI101 data.label_map.age_edges: must lie within the years",
            id="grid",
        ),
        pytest.param("sampler.factors={age: [1, 2]}", "TRI101 sampler.factors: 'age' has 3 classes", id="factors"),
        pytest.param('loss.class_weights={"age": [1, 2]}', "TRI101 loss.class_weights", id="weights"),
    ],
)
def test_what_training_would_stop_at_is_told_before_a_run_begins(way: Way, tmp_path: Path, key: str, told: str) -> None:
    words = (*TINY, "--set", "model.age=bands", "--set", key)
    said = trifacet("train", "--data", way.root / "manifest.parquet", "--out", tmp_path / "run", *words)
    assert said.err.startswith(told)
    assert said.status != 0
    assert list(tmp_path.iterdir()) == []


def test_a_run_holds_what_it_should(way: Way) -> None:
    lying = {p.relative_to(way.root / "run").as_posix() for p in (way.root / "run").rglob("*") if p.is_file()}
    assert {name for name in lying if not name.startswith("checkpoints/step_")} == RUN_FILES
    assert len(lying) == len(RUN_FILES) + 1


def test_a_run_tells_what_it_was_made_from_and_how(way: Way) -> None:
    info = open_run(way.root / "run").info
    assert (info.name, info.status, info.seed, info.problem) == ("run", "finished", 0, None)
    assert info.inputs == {"manifest": sha256_file(way.root / "run/manifest.parquet")}
    assert info.origins["train.epochs"] == "--set"
    assert info.origins["optim.lr"] == "default"
    assert info.n_photos == {"train": 84, "val": 42, "test": 42}
    assert info.n_persons == {"train": 12, "val": 6, "test": 6}
    assert {"python", "trifacet", "torch", "numpy"} <= info.versions.keys()
    assert info.machine["n_cores"]
    assert info.finished
    assert info.best
    assert info.stamps == ()
    assert [record["epoch"] for record in read_jsonl(way.root / "run/metrics.jsonl")] == [1]


def test_the_scores_of_a_run_are_those_that_evaluate_prints(way: Way) -> None:
    of_run = read_json(way.root / "run/scores.json")
    assert of_run["test"] == scores(way.root / "run/predictions/test.parquet", way.root / "manifest.parquet")
    assert f"{of_run['test']['macro_f1']['value']:.3f}" in way.said["train"].out


def test_predicting_again_answers_as_the_run_did(way: Way) -> None:
    run, again = (
        read_predictions(way.root / "run/predictions/test.parquet"),
        read_predictions(way.root / "test.parquet"),
    )
    assert list(run.ids) == list(again.ids)
    np.testing.assert_allclose(again.probs, run.probs, atol=1e-6)
    assert again.decision == run.decision == read_decision(way.root / "run/decision.json")


def test_deciding_again_gives_the_rule_of_the_run(way: Way) -> None:
    assert read_decision(way.root / "rule.json") == read_decision(way.root / "run/decision.json")


def test_every_photo_of_the_info_file_is_in_the_predictions(way: Way) -> None:
    asked = pl.read_csv(way.world.eval_dir / "info.csv")["ImageID"].to_list()
    made = read_predictions(way.root / "answers.parquet")
    assert sorted(made.ids) == sorted(asked)
    assert len(asked) == 56
    assert {i: e for i, e in zip(made.ids, made.errors, strict=True) if e} == {
        way.world.unread[0]: "truncated",
        way.world.unread[1]: "truncated",
    }


def test_photos_that_could_not_be_read_are_named(way: Way) -> None:
    first, second = way.world.unread
    named = f"{first} (truncated), {second} (truncated)"
    assert f"Note 2 photos could not be read: {named}" in way.said["predict"].err
    assert PERSONS_UNKNOWN not in way.said["predict"].err  # the truth knows them
    assert way.said["refused"].status == 5
    assert way.said["refused"].err == (
        f"TRI331 {way.world.eval_dir}/info.csv: 2 of 56 photos could not be read, got {named}. Repair the photos and "
        "predict again, or pass --fill to give them the commonest class of the training data.\n"
    )
    assert not (way.root / "refused.csv").exists()


def test_a_submission_answers_every_row_in_the_order_of_the_info_file(way: Way) -> None:
    asked = pl.read_csv(way.world.eval_dir / "info.csv")["ImageID"].to_list()
    text = (way.root / "output.csv").read_text()
    made = pl.read_csv(way.root / "output.csv")
    assert text.startswith("ImageID,ans\n")
    assert "\r" not in text
    assert made["ImageID"].to_list() == asked
    assert made["ans"].is_between(0, 17).all()
    assert made["ans"].dtype == pl.Int64
    assert "Note 2 photos could not be read and were filled" in way.said["submit"].err


def test_filled_rows_get_the_commonest_class_of_training(way: Way) -> None:
    priors = open_run(way.root / "run").info.priors
    commonest = sum(int(np.argmax(priors[name])) * size for name, size in (("mask", 6), ("gender", 3), ("age", 1)))
    made = dict(pl.read_csv(way.root / "output.csv").iter_rows())
    assert [made[name] for name in way.world.unread] == [commonest, commonest]


def test_a_submission_shows_its_shares_beside_those_of_training(way: Way) -> None:
    assert re.search(r"^worn +[\d.]+% +7\d\.\d%$", way.said["submit"].out, re.MULTILINE)


def test_the_submission_scores_as_the_predictions_do(way: Way) -> None:
    """But for the rows that were filled, which may be right."""
    of_answers = scores(way.root / "output.csv", way.world.truth_path)
    of_predictions = scores(way.root / "answers.parquet", way.world.truth_path)
    assert (of_answers["source"], of_predictions["source"]) == ("answers", "probabilities")
    assert (of_answers["n_unread"], of_predictions["n_unread"]) == (0, 2)
    by_hand = pl.read_csv(way.root / "output.csv")["ans"] == pl.read_csv(way.world.gt_path)["ans"]
    assert of_answers["accuracy"]["value"] == pytest.approx(by_hand.mean())  # type: ignore[index]
    n_filled_right = sum(right for right, name in zip(by_hand, way.world.unread, strict=False))
    assert of_predictions["accuracy"]["value"] == pytest.approx((by_hand.sum() - n_filled_right) / 56)  # type: ignore[index]


def test_scores_as_json_have_every_promised_key(way: Way) -> None:
    told = scores(way.root / "answers.parquet", way.world.truth_path)
    assert told["n_photos"] == 56
    assert told["n_people"] == 8
    assert told["interval_by"] == "person"
    figures = [told["macro_f1"], told["accuracy"]]
    figures += [told[name][key] for name in ("mask", "gender", "age") for key in ("macro_f1", "accuracy")]  # type: ignore[index]
    for figure in (*figures, told["age"]["mae_years"]):  # type: ignore[index]
        assert set(figure) == {"value", "low", "high"}
        assert figure["low"] <= figure["value"] <= figure["high"]
    assert told["stamps"] == []


def test_what_cannot_be_known_is_null(way: Way) -> None:
    told = scores(way.root / "output.csv", way.world.gt_path, "--by-row")
    assert told["age"]["mae_years"] is None  # type: ignore[index]
    assert told["n_people"] is None
    assert told["interval_by"] == "photo"
    assert told["stamps"] == [PERSONS_UNKNOWN, BY_ROW]
    assert told["accuracy"] == pytest.approx(scores(way.root / "output.csv", way.world.truth_path)["accuracy"], abs=0.2)


def test_the_official_truth_without_ids_is_joined_by_row_only_when_asked(way: Way) -> None:
    said = trifacet("evaluate", way.root / "output.csv", "--truth", way.world.gt_path)
    assert said.status == 5
    assert said.err == (
        "TRI326 evaluate: the truth has no ImageID column. Give the truth an ImageID column, or pass --by-row when "
        "both files have one row per photo in the same order.\n"
    )


@pytest.mark.parametrize("page", ["run/report/index.html", "answers.html", "report.html"])
def test_pages_stand_alone(way: Way, page: str) -> None:
    text = (way.root / page).read_text(encoding="utf-8")
    assert LOADS_SOMETHING.findall(text) == []
    assert text.count("data:image/") >= (0 if page == "report.html" else 10)
    assert len(text) < 3_000_000


def test_the_page_of_predictions_names_what_it_could_not_read(way: Way) -> None:
    text = (way.root / "answers.html").read_text(encoding="utf-8")
    for name in way.world.unread:
        assert name in text


def test_nothing_is_left_half_written(way: Way) -> None:
    assert {p.name for p in way.root.rglob(".*") if p.is_file()} == {".lock"}


def test_caches_are_listed_and_cleared(way: Way) -> None:
    told = done("cache", "list").out
    assert "32 x 32" in told
    (row, *_) = [line for line in told.splitlines() if "32 x 32" in line]
    assert str(way.world.train_dir)[:8] in row
    assert done("cache", "clear", row.split()[0]).out.endswith("GB freed\n")
    assert row.split()[0] not in done("cache", "list").out
    assert done("cache", "clear").out.endswith("GB freed\n")
    assert "32 x 32" not in done("cache", "list").out


def test_a_second_run_in_the_same_place_is_refused_and_changes_nothing(way: Way) -> None:
    before = hashes(way.root / "run")
    said = trifacet("train", "--data", way.root / "manifest.parquet", "--out", way.root / "run", *TINY)
    assert said.status == 6
    assert said.err.splitlines()[0] == (
        f"TRI402 {way.root}/run: this place is taken. Choose another --out (`train --name` numbers "
        "runs by itself); a folder is never overwritten."
    )
    assert hashes(way.root / "run") == before


def test_a_finished_run_is_not_gone_on_with(way: Way) -> None:
    before = hashes(way.root / "run")
    said = trifacet("train", "--resume", way.root / "run")
    assert said.status == 6
    assert said.err == (
        f"TRI407 {way.root}/run: this run is finished. Train into another folder; `--init RUN` starts from its "
        "weights.\n"
    )
    assert hashes(way.root / "run") == before


def test_names_are_numbered_seeds_are_drawn_and_runs_start_from_others(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also trains from a folder of photos, without ingest or split."""
    monkeypatch.chdir(way.root)
    random = ("--set", "train.seed=random", "--set", "optim.lr=1.0e-12", "--set", "optim.head_lr=1.0e-12")
    done("train", "--data", way.world.train_dir, "--name", "mine", *TINY, *random)
    done("train", "--data", way.root / "manifest.parquet", "--name", "mine", "--init", "run", *TINY, *random)
    first, second = (open_run(way.root / "runs" / name) for name in ("mine", "mine2"))
    assert first.info.recipe.train.seed == "random"
    assert isinstance(first.info.seed, int)
    assert first.info.seed != second.info.seed
    assert first.info.n_photos["test"] == 0
    assert first.info.n_persons["val"]
    # With a step this small the weights stay where they began.
    warm, cold = (read_predictions(run.predictions_path("val")) for run in (second, first))
    started = read_predictions(way.root / "run/predictions/val.parquet")
    assert np.abs(warm.probs - started.probs).max() < 0.01
    assert cold.probs.shape != started.probs.shape or np.abs(cold.probs - started.probs).max() > 0.01


def test_stamps_of_a_manifest_reach_every_score(way: Way) -> None:
    """The run's, the predictions', those of an evaluation, and the page."""
    leaky, run = way.root / "leaky.parquet", way.root / "leaky"
    said = done("split", way.root / "photos.parquet", "--out", leaky, "--val", 0.25, "--allow-leak")
    assert f"Note {LEAK}" in said.err
    said = done("train", "--data", leaky, "--out", run, *TINY)
    assert f"Note {LEAK}" in said.err
    assert LEAK in read_json(run / "scores.json")["val"]["stamps"]
    assert LEAK[1:] in (run / "report/index.html").read_text(encoding="utf-8")
    said = done("predict", run, way.world.eval_dir, "--out", way.root / "leaky-answers.parquet")
    assert LEAK in scores(way.root / "leaky-answers.parquet", way.world.truth_path)["stamps"]  # type: ignore[operator]


def test_photos_of_people_unknown_stamp_the_run(way: Way, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for i, path in enumerate(sorted(way.world.train_dir.rglob("*.jpg"))[:60]):
        place = photos / ("worn", "incorrect", "not_worn")[i % 3] / f"{i}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
    said = done("train", "--data", photos, "--out", tmp_path / "run", *TINY)
    assert f"Note {PERSONS_UNKNOWN}" in said.err
    told = read_json(tmp_path / "run/scores.json")["val"]
    alone = "no photo to train on has a label of gender, age: this run answers mask alone"
    assert told["stamps"] == [PERSONS_UNKNOWN, alone]
    assert (told["n_people"], told["interval_by"]) == (None, "photo")
    assert told["macro_f1"] == told["mask"]["macro_f1"]
    assert "gender" not in told


def test_a_run_that_answers_one_attribute_is_scored_on_it_and_says_so(way: Way, tmp_path: Path) -> None:
    for split in ("train", "eval"):
        for i, path in enumerate(sorted(way.world.train_dir.rglob("*.jpg"))[:30]):
            place = tmp_path / split / ("worn", "incorrect", "not_worn")[i % 3] / f"{i}.jpg"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes() + b"\0" * (split == "eval"))
    done("train", "--data", tmp_path / "train", "--out", tmp_path / "run", *TINY)
    done("ingest", tmp_path / "eval", "--out", tmp_path / "eval.parquet")  # a truth that knows three attributes
    done("predict", tmp_path / "run", tmp_path / "eval", "--out", tmp_path / "p.parquet")
    told = json.loads(done("evaluate", tmp_path / "p.parquet", "--truth", tmp_path / "eval.parquet", "--json").out)
    assert told["n_photos"] == 30
    assert told["mask"]["accuracy"]
    ids = read_predictions(tmp_path / "p.parquet").ids
    (tmp_path / "info.csv").write_text("ImageID,ans\n" + "".join(f"{one},0\n" for one in ids))
    said = done("submit", tmp_path / "p.parquet", "--info", tmp_path / "info.csv", "--out", tmp_path / "o.csv")
    assert "ans counts the 3 classes of mask, not the usual 18." in " ".join(said.err.split())


def test_answers_about_photos_of_the_training_are_stamped(way: Way, tmp_path: Path) -> None:
    said = done("predict", way.root / "run", way.root / "photos.parquet", "--out", tmp_path / "all.parquet")
    seen = (
        "of the 168 photos answered the run was trained on 84 and its epoch and rule were chosen on 42: a score over "
        "them flatters"
    )
    assert read_predictions(tmp_path / "all.parquet").stamps == (seen,)
    said = done("evaluate", tmp_path / "all.parquet", "--truth", way.root / "photos.parquet")
    assert f"Note {seen}" in said.err
    done("predict", way.root / "run", way.root / "manifest.parquet", "--split", "test", "--out", tmp_path / "t.parquet")
    assert read_predictions(tmp_path / "t.parquet").stamps == ()


def test_pages_are_called_after_what_they_show(way: Way) -> None:
    titles = {name: (way.root / name).read_text(encoding="utf-8") for name in ("report.html", "answers.html")}
    assert "<title>Scores of answers.parquet against truth.csv</title>" in titles["report.html"]
    assert "<title>What the run &#39;run&#39; answers</title>" in titles["answers.html"]


def test_photos_of_one_person_answer_for_each_other_where_that_is_asked(way: Way, tmp_path: Path) -> None:
    words = ("predict", way.root / "run", way.root / "manifest.parquet", "--split", "test")
    done(*words, "--out", tmp_path / "plain.parquet")
    refused = trifacet(*words, "--same-people", 7, "--fast", "--out", tmp_path / "people.parquet")
    assert refused.err.startswith("TRI104 --fast: goes without --same-people: rounding could change what photos of a")
    said = done(*words, "--same-people", 7, "--out", tmp_path / "people.parquet")
    plain, shared = (read_predictions(tmp_path / f"{name}.parquet") for name in ("plain", "people"))
    assert plain.ids == shared.ids
    assert np.allclose(plain.marginals["mask"], shared.marginals["mask"], atol=1e-5)
    assert not np.allclose(plain.marginals["age"], shared.marginals["age"], atol=1e-5)
    assert any(stamp.startswith("transductive: 42 photos taken for ") for stamp in shared.stamps)
    assert "transductive" in said.err
    assert not any("transductive" in stamp for stamp in plain.stamps)
