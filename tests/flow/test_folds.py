"""`trifacet train --folds`: everybody is answered by a run that never saw them, and all runs answer together."""

from __future__ import annotations

import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.flow.command import PICTURED, TINY, done, trifacet
from tests.flow.photos import World, write_world
from tests.flow.test_interrupted import stop_in_training
from trifacet.core.ensemble import open_ensemble
from trifacet.core.files import read_json, sha256_file
from trifacet.core.folds import OWN_RULE, open_folds
from trifacet.core.manifest import read_manifest, write_manifest
from trifacet.core.predictions import decide, read_decision, read_predictions
from trifacet.core.run import open_run
from trifacet.core.truth import truth_of
from trifacet.decision import fit_fold_rules
from trifacet.measure.classification import macro_f1
from trifacet.scoring import evaluate

N_FOLDS = 3


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return write_world(tmp_path_factory.mktemp("folds") / "photos", n_train=40, n_eval=3)


@pytest.fixture(scope="module")
def root(world: World) -> Path:
    root = world.train_dir.parent.parent
    done("ingest", world.train_dir, "--out", root / "all.parquet", "--workers", 1)
    done("split", root / "all.parquet", "--out", root / "split.parquet", "--val", 0.2, "--test", 0.2)
    done("train", "--data", root / "split.parquet", "--folds", N_FOLDS, "--out", root / "run", *PICTURED)
    return root


def test_everybody_outside_test_is_answered_by_a_run_that_never_saw_them(root: Path) -> None:
    manifest, split = read_manifest(root / "run/manifest.parquet"), read_manifest(root / "split.parquet")
    rest = split.split("train", "val")
    oof = read_predictions(root / "run/predictions/oof.parquet")
    assert sorted(oof.ids) == sorted(rest.photo_ids)
    assert oof.ids == [one for one in manifest.photo_ids if one in set(rest.photo_ids)]
    place = {one: i for i, one in enumerate(oof.ids)}
    seen_as_val: list[str] = []
    for fold in range(N_FOLDS):
        part = read_manifest(root / f"run/fold_{fold}/manifest.parquet")
        trained, val = part.split("train"), part.split("val")
        assert not set(trained.table["person_id"]) & set(val.table["person_id"])
        assert sorted(part.split("test").photo_ids) == sorted(split.split("test").photo_ids)
        own = read_predictions(root / f"run/fold_{fold}/predictions/val.parquet")
        assert np.array_equal(oof.probs[[place[one] for one in own.ids]], own.probs)
        seen_as_val += val.photo_ids
    assert sorted(seen_as_val) == sorted(rest.photo_ids)


def test_what_is_told_is_what_the_tables_hold(root: Path) -> None:
    info, scores = open_ensemble(root / "run").info, read_json(root / "run/scores.json")
    assert info.folded is not None
    oof, truth = read_predictions(root / "run/predictions/oof.parquet"), truth_of(read_manifest(root / "split.parquet"))
    assert truth.ids is not None
    of = dict(zip(truth.ids, truth.joint.tolist(), strict=True))
    true = np.array([of[one] for one in oof.ids])
    assert info.folded.argmax == pytest.approx(macro_f1(true, decide(oof, None), n_classes=18), abs=1e-9)
    assert info.folded.nested == pytest.approx(scores["oof"]["macro_f1"]["value"])
    assert scores["oof"]["n_people"] == len(
        {p for p, s in zip(truth.persons, truth.splits, strict=True) if s != "test"}
    )
    assert len(info.folded.by_fold) == N_FOLDS
    runs = [open_run(root / f"run/fold_{fold}") for fold in range(N_FOLDS)]
    fold_of = {one: i for i, run in enumerate(runs) for one in read_predictions(run.predictions_path("val")).ids}
    nested = fit_fold_rules(
        oof,
        truth,
        fold_of=np.array([fold_of[one] for one in oof.ids]),
        priors={i: run.info.priors for i, run in enumerate(runs)},
    )
    assert all(rule.temperature for rule in nested.rules.values())  # enough people to fit something on the others
    expected = evaluate(oof, truth, rule=nested).as_json()["nll"]["value"]
    assert scores["oof"]["nll"]["value"] == pytest.approx(expected, rel=1e-9)
    tested = [read_predictions(root / f"run/fold_{fold}/predictions/test.parquet").probs for fold in range(N_FOLDS)]
    mean = read_predictions(root / "run/predictions/test.parquet").probs
    assert np.allclose(mean, np.mean(tested, axis=0), atol=1e-6)
    page = (root / "run/report/index.html").read_text(encoding="utf-8")
    assert "fold 3" in page
    assert "by rules of the other folds" in page
    assert "data:image/" in page  # of photos out of folds


def test_no_fold_chooses_its_epoch_by_those_who_score_it(root: Path) -> None:
    for fold in range(N_FOLDS):
        run = open_run(root / f"run/fold_{fold}")
        assert run.info.recipe.train.choose == "last"
        assert sha256_file(run.weights_path("best")) == sha256_file(run.weights_path("last"))
    assert not any("flatters" in stamp for stamp in open_ensemble(root / "run").info.stamps)
    said = done(
        "train", "--data", root / "split.parquet", "--folds", 2, "--out", root / "chosen", *TINY, "--set",
        "train.choose=best",
    )  # fmt: skip
    assert "each fold's own people chose its epoch" in said.err + said.out


def test_folds_predict_submit_decide_and_join_an_ensemble(root: Path, world: World, tmp_path: Path) -> None:
    answers = tmp_path / "answers.parquet"
    done("predict", root / "run", world.eval_dir, "--out", answers)
    parts = []
    for fold in range(N_FOLDS):
        done("predict", root / f"run/fold_{fold}", world.eval_dir, "--out", tmp_path / "one.parquet")
        parts.append(read_predictions(tmp_path / "one.parquet").probs)
    assert np.allclose(read_predictions(answers).probs, np.mean(parts, axis=0), atol=1e-5)
    done("submit", answers, "--info", world.eval_dir / "info.csv", "--out", tmp_path / "output.csv")
    assert read_predictions(answers).decision == read_predictions(root / "run/predictions/oof.parquet").decision
    done("decide", root / "run", "--out", tmp_path / "rule.json")
    twin = shutil.copytree(root / "run", tmp_path / "twin")
    done("ensemble", root / "run", twin, "--out", tmp_path / "both", "--fit")
    assert open_ensemble(tmp_path / "both").info.fit is not None
    done("compare", root / "run", root / "run", "--on", "oof", "--out", tmp_path / "page.html")


def test_an_ensemble_of_folds_is_scored_by_rules_of_other_people(root: Path, tmp_path: Path) -> None:
    done("ensemble", root / "run", shutil.copytree(root / "run", tmp_path / "twin"), "--out", tmp_path / "both")
    oof = read_predictions(tmp_path / "both/predictions/oof.parquet")
    truth = truth_of(read_manifest(root / "split.parquet"))
    assert OWN_RULE in oof.stamps
    assert OWN_RULE not in read_predictions(tmp_path / "both/predictions/test.parquet").stamps
    told = read_json(tmp_path / "both/scores.json")["oof"]["nll"]["value"]
    flattered = evaluate(oof, truth.of(oof.ids)).as_json()["nll"]["value"]
    assert told != pytest.approx(flattered, abs=1e-9)
    known = truth.of(oof.ids)
    people = np.unique(known.groups)
    fold_of = (np.random.default_rng(0).permutation(len(people)) % 5)[np.searchsorted(people, known.groups)]
    priors = dict.fromkeys(range(5), open_ensemble(tmp_path / "both").info.priors)
    nested = fit_fold_rules(oof, known, fold_of=fold_of, priors=priors)
    assert told == pytest.approx(evaluate(oof, known, rule=nested).as_json()["nll"]["value"], rel=1e-9)


@pytest.mark.parametrize("fit", ["argmax", "rates"])
def test_folds_are_decided_as_the_recipe_says(root: Path, tmp_path: Path, fit: str) -> None:
    words = ("--folds", 2, "--out", tmp_path / "run", *TINY, "--set", f"decide.fit={fit}")
    done("train", "--data", root / "split.parquet", *words)
    rule, oof = (
        read_decision(tmp_path / "run/decision.json"),
        read_predictions(tmp_path / "run/predictions/oof.parquet"),
    )
    assert bool(rule.bias) == (fit == "rates")
    assert not rule.tau
    assert (OWN_RULE in oof.stamps) == (fit == "rates")
    folded = open_ensemble(tmp_path / "run").info.folded
    assert folded is not None
    assert (folded.nested == folded.argmax) == (fit == "argmax")


def test_an_attribute_that_nobody_labelled_is_left_out_of_all_folds(root: Path, tmp_path: Path) -> None:
    whole = read_manifest(root / "split.parquet")
    blank = whole.table.with_columns(pl.lit(None, dtype=pl.String).alias("gender"))
    write_manifest(tmp_path / "some.parquet", replace(whole, table=blank))
    words = ("--folds", 2, "--out", tmp_path / "run", *TINY, "--set", "model.tasks=[mask, gender]")
    said = done("train", "--data", tmp_path / "some.parquet", *words)
    assert "no photo to train on has a label of gender: this run answers mask alone" in said.err
    assert [open_run(tmp_path / f"run/fold_{i}").info.label_schema.names for i in range(2)] == [("mask",)] * 2


def test_stopped_folds_are_gone_on_with_to_the_same_bytes(root: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    long = (*TINY, "--set", "train.epochs=5", "--set", "train.batch_size=4")
    words = ["train", "--data", str(root / "split.parquet"), "--folds", "2", *long]
    done(*words, "--out", tmp_path / "whole")
    status, _, err = stop_in_training(run / "fold_1", signal.SIGTERM, [*words, "--out", str(run)], n_seen=1)
    assert (status, err.splitlines()[-1]) == (130, f"Go on with: trifacet train --resume {run}")
    assert open_run(run / "fold_0").info.status == "finished"
    refused = trifacet("predict", run, root / "split.parquet", "--out", tmp_path / "p.parquet")
    assert refused.err.startswith(f"TRI401 {run}: these are folds, and not all of them are trained")
    first = sha256_file(run / "fold_0/weights/last.safetensors")
    done("train", "--resume", run)
    assert sha256_file(run / "fold_0/weights/last.safetensors") == first
    for fold in range(2):
        name = f"fold_{fold}/weights/last.safetensors"
        assert weights_of(run / name) == weights_of(tmp_path / "whole" / name)
    ours, theirs = (read_predictions(at / "predictions/oof.parquet").probs for at in (run, tmp_path / "whole"))
    assert np.array_equal(ours, theirs)
    assert trifacet("train", "--resume", run).err.startswith(f"TRI407 {run}: these folds are all trained")


def test_a_fold_that_a_kill_left_half_made_is_begun_anew(root: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(root / "run", run)
    (run / "ensemble.json").unlink()
    (run / "fold_1/manifest.parquet").unlink()
    about = (run / "fold_1/run.json").read_text().replace('"manifest": "', '"other": "')
    (run / "fold_1/run.json").write_text(about)
    done("train", "--resume", run)
    assert open_run(run / "fold_1").info.status == "finished"
    assert open_run(run / "fold_1").info.inputs == open_run(root / "run/fold_1").info.inputs
    assert (run / "fold_1/manifest.parquet").is_file()
    assert open_folds(run).info.n_folds == N_FOLDS


def test_the_manifests_own_folds_are_taken_and_others_refused(root: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.parquet"
    done("split", root / "all.parquet", "--out", own, "--test", 0.2, "--val", 0, "--folds", 2)
    said = trifacet("train", "--data", own, "--folds", 3, "--out", tmp_path / "run", *TINY)
    assert said.err.startswith("TRI250 --folds: the manifest has 2 folds, not 3. Ask for 2, or divide the photos anew")
    few = tmp_path / "few.parquet"
    table = read_manifest(root / "all.parquet")
    old = table.table.filter(pl.col("age_years") >= 60)["person_id"].unique().sort().to_list()
    remedies = ("1 person. Add people of that class", "2 people. Take 2 folds or fewer")
    assert len(old) > len(remedies)
    for n_left, told in enumerate(remedies, start=1):
        write_manifest(few, table.where(~pl.col("person_id").is_in(old[n_left:])))
        said = trifacet("train", "--data", few, "--folds", 3, "--out", tmp_path / "run", *TINY)
        assert said.err.startswith(f"TRI250 --folds: 3 folds, but '60_plus' of age has {told}, or drop its photos")
    assert not (tmp_path / "run").exists()
    done("train", "--data", own, "--folds", 2, "--out", tmp_path / "run", *TINY)
    manifest = read_manifest(own)
    of = dict(zip(manifest.photo_ids, manifest.table["fold"], strict=True))
    val = read_manifest(tmp_path / "run/fold_1/manifest.parquet").split("val")
    assert {of[one] for one in val.photo_ids} == {1}


def weights_of(path: Path) -> bytes:
    """The tensors of a file of weights, without the names of runs beside them."""
    content = path.read_bytes()
    return content[8 + int.from_bytes(content[:8], "little") :]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        pytest.param(("--keep-val",), "TRI104 --keep-val: goes with --folds alone.", id="val is kept from no folds"),
        pytest.param(("--folds", 2, "--profile"), "TRI104 --profile: is of one run alone, got --folds", id="profile"),
    ],
)
def test_what_does_not_go_with_folds_is_told(root: Path, tmp_path: Path, words: tuple[object, ...], told: str) -> None:
    said = trifacet("train", "--data", root / "split.parquet", "--out", tmp_path / "run", *TINY, *words)
    assert said.err.startswith(told)
    assert list(tmp_path.iterdir()) == []


def test_folds_where_one_run_is_needed_are_told(root: Path, tmp_path: Path) -> None:
    said = trifacet("average", root / "run", "--out", tmp_path / "mean")
    told = f"TRI400 {root / 'run'}: several runs that answer together, and one is wanted here. Name one of its runs.\n"
    assert said.err == told


def test_folds_of_a_newer_trifacet_are_told(tmp_path: Path) -> None:
    (tmp_path / "folds.json").write_text('{"format": 2}')
    said = trifacet("train", "--resume", tmp_path)
    assert said.err == f"TRI400 {tmp_path}: folds format 2 is newer than this trifacet. Update trifacet.\n"
