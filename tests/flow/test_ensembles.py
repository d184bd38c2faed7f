"""Several runs that answer together, by commands and by functions; what does not go together is refused."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import trifacet
from tests.flow.command import TINY, done
from tests.flow.command import trifacet as command
from tests.flow.photos import World, write_world
from trifacet.committee import Committee
from trifacet.core.ensemble import open_ensemble
from trifacet.core.files import read_json, sha256_file
from trifacet.core.manifest import read_manifest, write_manifest
from trifacet.core.predictions import Predictions, decide, read_decision, read_predictions, write_predictions
from trifacet.core.run import open_run
from trifacet.core.truth import truth_of
from trifacet.joining import NESTED
from trifacet.scoring import evaluate


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return write_world(tmp_path_factory.mktemp("ensembles") / "photos", n_train=70, n_eval=3, n_unread=1)


@pytest.fixture(scope="module")
def root(world: World) -> Path:
    """Three runs on one split: a, b of another input size, and c whose age is cut at 58; d on another split."""
    root = world.train_dir.parent.parent
    done("ingest", world.train_dir, "--out", root / "all.parquet", "--workers", 1)
    for name, seed in (("split", 0), ("other", 1)):
        done(
            "split",
            root / "all.parquet",
            "--out",
            root / f"{name}.parquet",
            "--val",
            0.3,
            "--test",
            0.3,
            "--seed",
            seed,
        )
    sets = {
        "a": (),
        "b": ("data.image_size=[40,24]", "decide.tta=none", "train.seed=3"),
        "c": ("schema={age_edges: [30, 58]}", "optim.lr=0.01"),
        "d": ("decide.fit=rates", "decide.tta=flips4"),
    }
    for name, own in sets.items():
        words = [word for one in own for word in ("--set", one)]
        data = root / ("other.parquet" if name == "d" else "split.parquet")
        done("train", "--data", data, "--out", root / name, *TINY, *words)
    return root


@pytest.fixture(scope="module")
def plain(root: Path) -> Path:
    done("ensemble", root / "a", root / "b", root / "c", "--out", root / "plain", "--weights", "2,1,1")
    return root / "plain"


@pytest.fixture(scope="module")
def each(root: Path, world: World) -> dict[str, Predictions]:
    """What each of a, b, c answers to the eval photos."""
    for name in "abc":
        done("predict", root / name, world.eval_dir, "--out", root / f"p_{name}.parquet")
    return {name: read_predictions(root / f"p_{name}.parquet") for name in "abc"}


def told(root: Path, *members: str, table: str = "val") -> list[Predictions]:
    return [read_predictions(root / name / "predictions" / f"{table}.parquet") for name in members]


def at_sixty(said: Predictions) -> np.ndarray:
    """Joint probabilities under the usual cut, of a net whose attributes are independent."""
    schema = trifacet.DEFAULT_SCHEMA
    return schema.joint({**said.marginals, "age": schema.band_probs(said.age_probs)})


@pytest.mark.parametrize("table", ["val", "test"])
def test_an_ensemble_says_the_weighted_mean_of_its_members_under_the_cut_of_the_first(
    root: Path, plain: Path, table: str
) -> None:
    made = read_predictions(plain / "predictions" / f"{table}.parquet")
    a, b, c = told(root, "a", "b", "c", table=table)
    assert (made.schema, list(made.ids)) == (trifacet.DEFAULT_SCHEMA, list(a.ids))
    assert c.schema != made.schema
    np.testing.assert_allclose(made.probs, (2 * a.probs + b.probs + at_sixty(c)) / 4, atol=1e-5)
    np.testing.assert_allclose(made.age_probs, (2 * a.age_probs + b.age_probs + c.age_probs) / 4, atol=1e-6)


def test_an_ensemble_is_a_folder_that_tells_what_it_was_made_of(root: Path, plain: Path) -> None:
    lying = {p.relative_to(plain).as_posix() for p in plain.rglob("*") if p.is_file()}
    assert lying == {
        "ensemble.json", "schema.yaml", "manifest.parquet", "decision.json", "scores.json", "predictions/val.parquet",
        "predictions/test.parquet", "report/index.html",
    }  # fmt: skip
    info = open_ensemble(plain).info
    assert [(m.path, m.name, m.weight) for m in info.members] == [
        ("../a", "a", 0.5),
        ("../b", "b", 0.25),
        ("../c", "c", 0.25),
    ]
    assert [m.sha256 for m in info.members] == [sha256_file(root / n / "weights/best.safetensors") for n in "abc"]
    assert (info.format, info.kind, info.voting, info.fit) == (1, "ensemble", "soft", None)
    assert info.inputs == {"manifest": sha256_file(root / "a" / "manifest.parquet")}
    made = read_predictions(plain / "predictions/val.parquet")
    assert made.made_by == {"run": "plain", **{f"weights_{i}": m.sha256 for i, m in enumerate(info.members)}}
    assert made.decision == read_decision(plain / "decision.json")
    assert made.decision.fitted_on == "val"
    page = (plain / "report/index.html").read_text()
    assert re.search(r"Members, share and macro F1 on test.*?a</dt>\s*<dd>0\.500, 0\.\d{3}", page, re.DOTALL)
    assert "data:image/" not in page  # as the members' recipes have it
    scores = read_json(plain / "scores.json")
    again = evaluate(made, truth_of(read_manifest(root / "split.parquet"))).as_json()
    assert scores["val"] == json.loads(json.dumps(again))


def test_an_ensemble_predicts_what_its_members_do_each_on_its_own_input(
    root: Path, plain: Path, world: World, each: dict[str, Predictions]
) -> None:
    done(
        "predict", plain, world.eval_dir, "--out", root / "p.parquet", "--page", root / "p.html", "--decision", "argmax"
    )
    made, (a, b, c) = read_predictions(root / "p.parquet"), (each[name] for name in "abc")
    assert list(made.ids) == list(a.ids)
    assert list(made.errors) == list(a.errors)
    read = a.is_read
    assert 0 < read.sum() < len(a)
    wanted = (2 * a.probs + b.probs + at_sixty(c)) / 4
    np.testing.assert_allclose(made.probs[read], wanted[read], atol=1e-5)
    assert np.isnan(made.probs[~read]).all()
    assert made.made_by["run"] == "plain"
    page = (root / "p.html").read_text(encoding="utf-8")
    assert "What the run &#39;plain&#39; answers" in page
    assert "data:image" not in page  # for its members show no photos
    model = trifacet.load_model(plain)
    assert isinstance(model, Committee)
    assert repr(model) == "Committee('plain', 3 members, soft voting)"
    assert {inputs.shape for inputs in model.prepare(np.zeros((60, 50, 3), np.uint8)).values()} == {
        (32, 32, 3),
        (40, 24, 3),
    }
    assert model.decision == read_decision(plain / "decision.json")


def test_what_an_ensemble_says_of_its_own_val_photos_is_in_its_folder(root: Path, plain: Path) -> None:
    said = done("predict", plain, root / "split.parquet", "--split", "val", "--out", root / "val.parquet")
    assert "its epoch and rule were chosen on" in said.err
    made, kept = read_predictions(root / "val.parquet"), read_predictions(plain / "predictions/val.parquet")
    np.testing.assert_allclose(made.probs, kept.probs, atol=1e-4)
    np.testing.assert_array_equal(made.classes, kept.classes)


def test_several_runs_answer_as_their_mean(root: Path, world: World, each: dict[str, Predictions]) -> None:
    done("predict", root / "a", root / "b", world.eval_dir, "--out", root / "mean.parquet")
    made, a, b = read_predictions(root / "mean.parquet"), each["a"], each["b"]
    read = a.is_read
    np.testing.assert_allclose(made.probs[read], (a.probs[read] + b.probs[read]) / 2, atol=1e-5)
    assert made.made_by == {"run": "a + b", "weights_0": a.made_by["weights"], "weights_1": b.made_by["weights"]}
    assert made.decision is not None
    assert (made.decision.tau, made.decision.priors) == ({}, a.decision.priors)
    again = trifacet.predict([root / "a", root / "b"], world.eval_dir)
    np.testing.assert_array_equal(again.probs[read], made.probs[read])


def test_decide_and_compare_take_an_ensemble_for_a_run(root: Path, plain: Path) -> None:
    done("decide", plain, "--out", root / "rule.json")
    assert read_decision(root / "rule.json") == read_decision(plain / "decision.json")
    said = done("compare", root / "a", plain, "--on", "val", "--out", root / "compare.html")
    assert "a 0.500, b 0.250, c 0.250" in said.out
    assert "optim.lr" not in said.out
    a, ensemble = trifacet.compare([root / "a", plain])
    n_bytes = sum((root / name / "weights/best.safetensors").stat().st_size for name in "abc")
    assert (ensemble.n_bytes, a.n_bytes) == (n_bytes, (root / "a/weights/best.safetensors").stat().st_size)
    scored = done("evaluate", plain / "predictions/test.parquet", "--truth", root / "split.parquet", "--json")
    assert json.loads(scored.out)["macro_f1"] == read_json(plain / "scores.json")["test"]["macro_f1"]


def test_answers_are_as_frequent_as_classes_where_that_is_asked_for(root: Path, plain: Path, world: World) -> None:
    (own,) = told(root, "d")
    true = truth_of(read_manifest(root / "d/manifest.parquet").split("val"))
    for i, (name, said) in enumerate(zip(own.schema.names, own.schema.decode(own.classes).T, strict=True)):
        size = len(own.schema.attribute(name).classes)
        wanted, got = (np.bincount(column, minlength=size) for column in (true.classes[:, i], said))
        assert np.abs(wanted - got).max() <= 2
    info = open_run(root / "d").info
    assert [note for note in info.notes if note.startswith("tta flips4 shows faces upside down")] == list(
        info.notes[-1:]
    )
    words = done("decide", plain, "--match-rates", "--out", root / "rates.json")
    assert re.search(r"mask +71.4%, 14.3%, 14.3% +7\d\.\d%, 1\d\.\d%, 1\d\.\d%", words.out)
    assert set(read_decision(root / "rates.json").bias) == {"mask", "gender", "age"}
    done("predict", plain, world.eval_dir, "--out", root / "q.parquet")
    done("decide", plain, "--on", root / "q.parquet", "--rates", "gender=1,1", "--out", root / "half.json")
    rule = read_decision(root / "half.json")
    assert (set(rule.bias), rule.fitted_on, rule.n_persons, rule.temperature) == ({"gender"}, "q.parquet", None, {})
    genders = np.array(
        [row[1] for row in rule.label_schema.decode(decide(read_predictions(root / "q.parquet"), rule)) if row[1] >= 0]
    )
    assert abs(int((genders == 0).sum()) - len(genders) / 2) <= 1


def test_an_ensemble_may_be_a_member(root: Path, plain: Path) -> None:
    made = trifacet.ensemble([plain, root / "b"], root / "nested")
    both, (b,) = read_predictions(plain / "predictions/val.parquet"), told(root, "b")
    said = read_predictions(made.predictions_path("val"))
    np.testing.assert_allclose(said.probs, (both.probs + b.probs) / 2, atol=1e-6)
    paths = sorted((root / "photos/eval/images").iterdir())[3:5]
    parts = [trifacet.load_model(path).predict(paths).probs for path in (plain, root / "b")]
    np.testing.assert_allclose(trifacet.load_model(made.path).predict(paths).probs, sum(parts) / 2, atol=1e-6)


def test_a_member_without_a_share_is_not_asked(root: Path, tmp_path: Path) -> None:
    for name in "ab":
        shutil.copytree(root / name, tmp_path / name)
    trifacet.ensemble([tmp_path / "a", tmp_path / "b"], tmp_path / "one", weights=[1, 0])
    shutil.rmtree(tmp_path / "b")
    assert len(trifacet.load_model(tmp_path / "one").members) == 1


def test_fitted_weights_are_reported_on_people_they_were_not_fitted_on(root: Path) -> None:
    said = done("ensemble", root / "a", root / "b", root / "c", "--fit", "--out", root / "fitted")
    info = open_ensemble(root / "fitted").info
    fit = info.fit
    assert (fit.fitted_on, fit.n_photos, fit.n_people) == ("val", 147, 21)
    assert sum(member.weight for member in info.members) == pytest.approx(1)
    assert "weights fitted on val, as not every member has out-of-fold ones: 147 photos of 21 people" in said.out
    assert f"Macro F1 {fit.nested:.3f} on people they were not fitted on" in said.out
    val = read_predictions(root / "fitted/predictions/val.parquet")
    assert NESTED in val.stamps
    assert NESTED not in read_predictions(root / "fitted/predictions/test.parquet").stamps
    plain = evaluate(val, truth_of(read_manifest(root / "split.parquet")), rule="argmax", n_boot=20)
    assert plain.joint.macro_f1.value == pytest.approx(fit.nested)


def test_what_is_kept_of_people_that_weights_were_fitted_on_is_said_by_weights_of_others(
    root: Path, tmp_path: Path
) -> None:
    truth, rng = truth_of(read_manifest(root / "split.parquet").split("val")), np.random.default_rng(0)
    said = []
    for name in "ab":
        shutil.copytree(root / name, tmp_path / name)
        path = open_run(tmp_path / name).predictions_path("val")
        before = read_predictions(path)
        true = truth.joint[[list(truth.ids).index(one) for one in before.ids]]
        probs = np.exp(2 * np.eye(18)[true] + rng.normal(size=(len(true), 18)))  # both see a little, and err apart
        said.append(replace(before, probs=(probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)))
        write_predictions(path, said[-1])
    made = trifacet.ensemble([tmp_path / "a", tmp_path / "b"], tmp_path / "e", fit=True)
    kept = read_predictions(made.predictions_path("val"))
    plain = sum(member.weight * one.probs for member, one in zip(made.info.members, said, strict=True))
    by_others = np.abs(kept.probs - plain).max(axis=1) > 1e-4
    assert by_others.sum() > 0
    score = evaluate(kept, truth, rule="argmax", n_boot=20).joint.macro_f1.value
    assert score == pytest.approx(made.info.fit.nested)


def test_out_of_fold_predictions_go_before_val(root: Path, tmp_path: Path) -> None:
    for name in "ab":
        shutil.copytree(root / name, tmp_path / name)
        parts = told(root, name, table="val") + told(root, name, table="test")
        rows = [part.rows(np.arange(len(part))) for part in parts]
        joined = replace(
            rows[0],
            ids=[one for part in rows for one in part.ids],
            probs=np.concatenate([part.probs for part in rows]),
            age_probs=np.concatenate([part.age_probs for part in rows]),
            errors=[one for part in rows for one in part.errors],
        )
        write_predictions(open_run(tmp_path / name).predictions_path("oof"), joined)
    said = done("ensemble", tmp_path / "a", tmp_path / "b", "--fit", "--out", tmp_path / "e")
    made = open_ensemble(tmp_path / "e")
    assert (made.info.fit.fitted_on, made.info.fit.n_people) == ("oof", 42)
    assert "weights fitted on out-of-fold predictions: 294 photos of 42 people" in said.out
    assert made.info.n_photos == {"val": 147, "test": 147, "oof": 294}
    assert read_decision(made.decision_path).fitted_on == "oof"
    oof, val = (read_predictions(made.predictions_path(t)) for t in ("oof", "val"))
    np.testing.assert_allclose(oof.probs[:147], val.probs, atol=1e-6)  # val people, too, by weights of others


def test_votes_are_counted_and_decided_as_they_are(root: Path) -> None:
    done("ensemble", root / "a", root / "b", root / "c", "--voting", "hard", "--out", root / "hard")
    made = read_predictions(root / "hard/predictions/val.parquet")
    schema, parts = trifacet.DEFAULT_SCHEMA, told(root, "a", "b", "c")
    marginals = [a.marginals for a in parts[:2]] + [
        {**parts[2].marginals, "age": schema.band_probs(parts[2].age_probs)}
    ]
    votes = {n: np.stack([m[n].argmax(axis=1) for m in marginals], axis=1) for n in schema.names}
    for name in schema.names:
        counts = np.stack([(votes[name] == c).sum(axis=1) for c in range(made.marginals[name].shape[1])], axis=1)
        rows = counts.max(axis=1) >= 2
        np.testing.assert_array_equal(made.marginals[name].argmax(axis=1)[rows], counts.argmax(axis=1)[rows])
    assert (made.decision.tau, made.decision.temperature) == ({}, {})


def test_probabilities_of_both_splits_are_written_in_one_go(root: Path, plain: Path) -> None:
    out = root / "probabilities.csv"
    said = done(
        "predict",
        plain,
        root / "split.parquet",
        "--split",
        "val",
        "--split",
        "test",
        "--form",
        "probabilities",
        "--out",
        out,
    )
    assert f"{root}/probabilities.val.csv, {root}/probabilities.test.csv" in said.out
    val, test = (pl.read_csv(root / f"probabilities.{name}.csv") for name in ("val", "test"))
    assert val.columns[:2] == ["L00", "L01"]
    assert test.columns[:2] == ["Id", "P00"]
    manifest = read_manifest(root / "split.parquet")
    assert test["Id"].to_list() == manifest.split("test").photo_ids
    true = truth_of(manifest.split("val")).joint
    np.testing.assert_array_equal(val.select(pl.col("^L.*$")).to_numpy().argmax(axis=1), true)
    kept = read_predictions(plain / "predictions/val.parquet")
    np.testing.assert_allclose(val.select(pl.col("^P.*$")).to_numpy(), kept.probs, atol=2e-4)
    assert not out.exists()
    done("predict", plain, root / "split.parquet", "--split", "test", "--form", "probabilities", "--out", out)
    assert out.read_bytes() == (root / "probabilities.test.csv").read_bytes()


def test_parts_of_the_task_are_combined_by_command(root: Path, tmp_path: Path) -> None:
    (whole,) = told(root, "a")
    for attribute in trifacet.DEFAULT_SCHEMA.attributes:
        schema = trifacet.LabelSchema(attributes=(attribute,))
        years = whole.age_probs if attribute.name == "age" else None
        probs = whole.marginals[attribute.name].astype(np.float32)
        one = Predictions(whole.ids, probs, years, whole.errors, schema, {"run": attribute.name})
        write_predictions(tmp_path / f"{attribute.name}.parquet", one)
    out = tmp_path / "whole.parquet"
    said = done("combine", *(tmp_path / f"{n}.parquet" for n in ("age", "mask", "gender")), "--out", out)
    assert said.out == f"147 photos answered in {out}: mask 3 x gender 2 x age 3\n"
    np.testing.assert_allclose(read_predictions(out).probs, whole.probs, atol=1e-5)
    done("evaluate", out, "--truth", root / "split.parquet")


@pytest.mark.parametrize("tta", ["none", "crops", "random:2", "flips4", "d4"])
def test_each_way_to_average_answers_and_says_so(
    root: Path, world: World, each: dict[str, Predictions], tta: str
) -> None:
    out = root / f"tta_{tta.replace(':', '_')}.parquet"
    said = done("predict", root / "a", world.eval_dir, "--tta", tta, "--out", out)
    made, flipped = read_predictions(out), each["a"]
    assert made.made_by["tta"] == tta
    assert "tta" not in flipped.made_by
    read = made.is_read
    np.testing.assert_allclose(made.probs[read].sum(axis=1), 1, atol=1e-5)
    assert np.abs(made.probs[read] - flipped.probs[read]).max() > 1e-6
    assert (f"tta {tta} shows faces upside down" in said.err) == (tta in ("flips4", "d4"))
    done("predict", root / "a", world.eval_dir, "--tta", tta, "--out", root / "again.parquet")
    np.testing.assert_array_equal(read_predictions(root / "again.parquet").probs[read], made.probs[read])


def test_members_of_another_split_are_refused_and_leave_nothing(root: Path) -> None:
    said = command("ensemble", root / "a", root / "d", "--out", root / "refused")
    ids = [set(told(root, name)[0].ids) for name in "ad"]
    assert said.status == 5
    assert said.err.startswith("TRI340 d: members speak of other photos, got only in a: ")
    assert f"({len(ids[0] - ids[1])} in all); only in d: " in said.err
    assert said.err.endswith(
        "). Train the members on one split manifest; predict on the same photos before `trifacet combine`.\n"
    )
    assert not (root / "refused").exists()
    assert [p for p in root.iterdir() if p.name.startswith(".refused")] == []


def test_photos_of_the_same_name_with_another_content_are_other_photos(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "b", tmp_path / "b")
    manifest = read_manifest(root / "b" / "manifest.parquet")
    changed = manifest.photo_ids[5]
    sha256 = pl.when(pl.col("photo_id") == changed).then(pl.lit("0" * 64)).otherwise(pl.col("sha256"))
    write_manifest(
        tmp_path / "b/manifest.parquet", replace(manifest, table=manifest.table.with_columns(sha256.alias("sha256")))
    )
    said = command("ensemble", root / "a", tmp_path / "b", "--out", tmp_path / "e")
    assert said.status == 5
    assert said.err == (
        f"TRI340 b: 1 photos of the same name have another content, got {changed}. Train the members on one split "
        "manifest; predict on the same photos before `trifacet combine`.\n"
    )


def test_a_member_that_has_changed_or_gone_is_told(root: Path, tmp_path: Path, world: World) -> None:
    for name in "ab":
        shutil.copytree(root / name, tmp_path / name)
    made = trifacet.ensemble([tmp_path / "a", tmp_path / "b"], tmp_path / "e")
    assert repr(made) == f"Ensemble({str(tmp_path / 'e')!r}, 2 members, soft voting)"
    weights = tmp_path / "b/weights/best.safetensors"
    shutil.copyfile(tmp_path / "b/weights/last.safetensors", weights)
    if sha256_file(weights) == made.info.members[1].sha256:
        shutil.copyfile(root / "a/weights/best.safetensors", weights)
    said = command("predict", made.path, world.eval_dir, "--out", tmp_path / "p.parquet")
    do = "Put the member back, or make the ensemble again with `trifacet ensemble`.\n"
    assert said.status == 6
    assert said.err == f"TRI421 {made.path}: its member 'b' has other weights than it had, got {tmp_path}/b. {do}"
    shutil.rmtree(tmp_path / "b")
    said = command("predict", made.path, world.eval_dir, "--out", tmp_path / "p.parquet")
    assert said.err == f"TRI421 {made.path}: its member 'b' is not here any more, got {tmp_path}/b. {do}"
    (tmp_path / "e/ensemble.json").write_text('{"format": 2}')
    said = command("predict", made.path, world.eval_dir, "--out", tmp_path / "p.parquet")
    assert said.err == f"TRI420 {made.path}: ensemble format 2 is newer than this trifacet. Update trifacet.\n"
    (tmp_path / "e/ensemble.json").write_text('{"format": 1}')
    said = command("predict", made.path, world.eval_dir, "--out", tmp_path / "p.parquet")
    assert said.err.startswith(f"TRI420 {made.path}: ensemble.json is not of this trifacet, got name, created, members")


def test_an_ensemble_moves_with_its_members(root: Path, tmp_path: Path) -> None:
    for name in "ab":
        shutil.copytree(root / name, tmp_path / "here" / name)
    trifacet.ensemble([tmp_path / "here/a", tmp_path / "here/b"], tmp_path / "here/e")
    (tmp_path / "here").rename(tmp_path / "there")
    assert len(trifacet.load_model(tmp_path / "there/e").members) == 2


def test_members_that_share_nothing_are_joined_and_it_is_said(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "b", tmp_path / "b", ignore=shutil.ignore_patterns("predictions"))
    said = done("ensemble", root / "a", tmp_path / "b", "--out", tmp_path / "e")
    assert "the members share no predictions, so nothing was scored and the most probable class decides" in said.err
    said = command("ensemble", root / "a", tmp_path / "b", "--out", tmp_path / "f", "--fit")
    assert said.err == (
        "TRI342 --fit: the members share no predictions on val or out of folds. Give --weights yourself, or none: then "
        "all members have the same share.\n"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param("a", "TRI104 two runs or more are needed, got 1. See --help.", id="one alone"),
        pytest.param(
            "a b b",
            "TRI104 a run is named more than once, got ROOT/b. To give it more say use --weights.",
            id="twice",
        ),
        pytest.param(
            "a b --weights 1,-1",
            "TRI104 --weights: must be numbers of at least 0, and not all 0, got 1, -1. See --help.",
            id="negative",
        ),
        pytest.param(
            "a b --weights 1,2,3", "TRI104 --weights: one a member is needed: 2, got 1, 2, 3. See --help.", id="three"
        ),
        pytest.param(
            "a b --weights 1;2",
            "TRI104 --weights: takes numbers with commas between, such as 2,1,1, got '1;2'. See --help.",
            id="semicolon",
        ),
        pytest.param(
            "a b --weights 1,2 --fit",
            "TRI104 --fit: weights are either given or fitted, got --weights 1,2 as well. See --help.",
            id="both",
        ),
        pytest.param("a b --voting sofft", "TRI100 --voting: no voting 'sofft'. Did you mean 'soft'?", id="a typo"),
        pytest.param(
            "a photos",
            "TRI400 ROOT/photos: no run here (a run directory holds run.json). Pass the folder that `trifacet train "
            "--out` made.",
            id="no run",
        ),
    ],
)
def test_an_ensemble_that_cannot_be_is_told_in_one_message(root: Path, words: str, message: str) -> None:
    given = [root / word if word in ("a", "b", "photos") else word for word in words.split()]
    said = command("ensemble", *given, "--out", root / "never")
    assert said.err == message.replace("ROOT", str(root)) + "\n"
    assert (said.status, said.out, (root / "never").exists()) == ({"TRI1": 3, "TRI4": 6}[message[:4]], "", False)
