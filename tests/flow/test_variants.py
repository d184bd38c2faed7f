"""Several networks: variants by `train --each`, or those a recipe names; runs or folds that answer together."""

from __future__ import annotations

import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import trifacet as package
from tests.flow.command import PICTURED, TINY, done, trifacet
from tests.flow.photos import World, write_world
from tests.flow.test_folds import weights_of
from tests.flow.test_interrupted import stop_in_training
from trifacet.core.ensemble import open_ensemble
from trifacet.core.errors import ConfigError
from trifacet.core.files import read_json
from trifacet.core.folds import OWN_RULE
from trifacet.core.manifest import read_manifest
from trifacet.core.predictions import read_predictions
from trifacet.core.run import open_run
from trifacet.core.schema import DEFAULT_SCHEMA
from trifacet.core.variants import open_variants

CUTS = "data.label_map.age_edges=[30, 58]|[30, 59]|[25, 58]"
CLASSES = ("--set", "model.age=bands")  # years have no cut; there are people of 28 and of 58


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return write_world(tmp_path_factory.mktemp("variants") / "photos", n_train=24, n_eval=3)


@pytest.fixture(scope="module")
def root(world: World) -> Path:
    root = world.train_dir.parent.parent
    done("ingest", world.train_dir, "--out", root / "all.parquet", "--workers", 1)
    done("split", root / "all.parquet", "--out", root / "split.parquet", "--val", 0.3, "--test", 0.2)
    return root


@pytest.fixture(scope="module")
def cuts(root: Path) -> Path:
    said = done("train", "--data", root / "split.parquet", "--each", CUTS, "--out", root / "cuts", *PICTURED, *CLASSES)
    assert "data.label_map.age_edges=[25, 58]" in said.out
    assert said.out.splitlines()[-1] == f"next: trifacet predict {root / 'cuts'} PHOTOS --out answers.parquet"
    return root / "cuts"


def test_each_value_has_a_run_and_all_have_the_same_say(cuts: Path, world: World, tmp_path: Path) -> None:
    made = open_ensemble(cuts)
    assert [(m.name, m.path, round(m.weight, 6)) for m in made.info.members] == [
        (f"data.label_map.age_edges={cut}", f"variant_{i}", 0.333333)
        for i, cut in enumerate(("[30, 58]", "[30, 59]", "[25, 58]"))
    ]
    runs = [open_run(cuts / f"variant_{i}") for i in range(3)]
    assert [r.info.recipe.data.label_map.age_edges for r in runs] == [(30, 58), (30, 59), (25, 58)]
    assert {r.info.label_schema for r in runs} == {DEFAULT_SCHEMA}  # the task's own cut scores every one
    assert len({r.info.inputs["manifest"] for r in runs}) == 1
    for table in ("val", "test"):
        own = [read_predictions(r.predictions_path(table)).probs for r in runs]
        assert not any(np.allclose(own[i], own[i - 1]) for i in range(3)), "a cut that moves nothing was varied"
        assert np.allclose(read_predictions(made.predictions_path(table)).probs, np.mean(own, axis=0), atol=1e-6)
    done("predict", cuts, world.eval_dir, "--out", tmp_path / "answers.parquet")
    done("compare", cuts, cuts / "variant_0", "--out", tmp_path / "page.html")
    assert "data:image/" in (cuts / "report/index.html").read_text()


def test_stopped_variants_are_gone_on_with_to_the_same_bytes(root: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    long = (*TINY, "--set", "train.batch_size=4")
    words = ["train", "--data", str(root / "split.parquet"), "--each", "train.epochs=1|5", *long]
    done(*words, "--out", tmp_path / "whole")
    status, _, err = stop_in_training(run / "variant_1", signal.SIGTERM, [*words, "--out", str(run)], n_seen=1)
    assert (status, err.splitlines()[-1]) == (130, f"Go on with: trifacet train --resume {run}")
    refused = trifacet("predict", run, root / "split.parquet", "--out", tmp_path / "p.parquet")
    assert refused.err.startswith(f"TRI401 {run}: these are variants, and not all of them are trained. Go on with")
    done("train", "--resume", run)
    for i in range(2):
        name = f"variant_{i}/weights/last.safetensors"
        assert weights_of(run / name) == weights_of(tmp_path / "whole" / name)
    ours, theirs = (read_predictions(at / "predictions/val.parquet").probs for at in (run, tmp_path / "whole"))
    assert np.array_equal(ours, theirs)
    assert trifacet("train", "--resume", run).err.startswith(f"TRI407 {run}: these variants are all trained")


def test_a_drawn_seed_is_the_same_for_all(root: Path, tmp_path: Path) -> None:
    words = ("--each", "optim.lr=1e-3|1e-4", "--set", "train.seed=random", "--out", tmp_path / "run")
    done("train", "--data", root / "split.parquet", *TINY, *words)
    seeds = {open_run(tmp_path / f"run/variant_{i}").info.seed for i in range(2)}
    assert seeds == {open_variants(tmp_path / "run").info.seed}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--each", "optim.lr"), "TRI104 --each: must be a setting and two or more different values, KEY=A|B, got"),
        (("--each", "optim.lr=1|1"), "TRI104 --each: must be a setting and two or more different values, KEY=A|B"),
        (("--each", "optim.lr=1e-3|fast"), "TRI101 1 mistake in the recipe:\n  optim.lr (--set): must be a valid num"),
        (
            ("--each", "optim.lrr=1|2"),
            "TRI101 1 mistake in the recipe:\n  optim.lrr (--set): no such key. Did you mean",
        ),
        (
            ("--each", "model.tasks=[age]|[mask]"),
            "TRI104 network 'model.tasks=[mask]': the networks answer other labels, so they cannot answer together",
        ),
        (
            ("--each", CUTS),
            "TRI101 1 mistake in the recipe:\n  data.label_map.age_edges: this network learns years, whic",
        ),
        (("--each", CUTS, *CLASSES, "--keep-val"), "TRI104 --keep-val: goes with --folds alone"),
        (("--each", CUTS, *CLASSES, "--profile"), "TRI104 --profile: is of one run alone, got 3 networks"),
    ],
)
def test_what_cannot_be_varied_is_refused_before_anything_is_trained(
    root: Path, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    said = trifacet("train", "--data", root / "split.parquet", *TINY, *words, "--out", tmp_path / "run")
    assert said.err.startswith(told)
    assert not (tmp_path / "run").exists()


def test_the_function_takes_a_setting_of_python(root: Path, tmp_path: Path) -> None:
    sets = [word for word in TINY if word != "--set"]
    networks = package.open_recipes("quick", sets, each="optim.lr=1e-3|1e-4")
    made = package.train_variants(networks, data=root / "split.parquet", out=tmp_path / "run")
    assert [m.name for m in made.info.members] == ["optim.lr=1e-3", "optim.lr=1e-4"]
    with pytest.raises(ConfigError, match="TRI104 recipe: this recipe is of one network"):
        package.train_variants("quick", data=root / "split.parquet", out=tmp_path / "alone")


PAIR = """
each:
  small: {model: {hidden: 8}}
  wide: {model: {hidden: 32}, data: {image_size: [48, 40]}, optim: {lr: 1.0e-3}}
optim: {lr: 5.0e-4}
"""


@pytest.fixture(scope="module")
def pair(root: Path) -> Path:
    (root / "pair.yaml").write_text(PAIR)
    return root / "pair.yaml"


OWN = tuple(w for i in range(0, len(TINY), 2) if "image_size" not in TINY[i + 1] for w in TINY[i : i + 2])


def test_a_recipe_may_name_several_networks(root: Path, pair: Path, world: World, tmp_path: Path) -> None:
    out = tmp_path / "pair"
    words = (*OWN, "--set", "data.image_size=[40,40]", "--set", "small.optim.momentum=0.8")
    done("train", pair, "--data", root / "split.parquet", *words, "--out", out)
    assert [m.name for m in open_ensemble(out).info.members] == ["small", "wide"]
    told = [open_run(out / f"variant_{i}").info for i in range(2)]
    assert [(t.recipe.model.hidden, t.recipe.optim.lr) for t in told] == [(8, 5e-4), (32, 1e-3)]
    assert [t.recipe.data.image_size for t in told] == [(40, 40)] * 2, "--set is about all of them"
    assert [t.recipe.optim.momentum for t in told] == [0.8, 0.9], "and by its name about one"
    assert {t.recipe.model.backbone for t in told} == {"baseline_cnn"}
    assert told[1].origins["model.hidden"] == f"{pair}, wide"
    assert told[1].origins["optim.momentum"] == "default"
    done("predict", out, world.eval_dir, "--out", tmp_path / "answers.parquet")


def test_several_networks_are_trained_in_the_same_folds(root: Path, pair: Path, tmp_path: Path) -> None:
    words = ["train", str(pair), "--data", str(root / "all.parquet"), *OWN, "--folds", "2"]
    words += ["--set", "train.epochs=4", "--set", "train.batch_size=8"]
    words += ["--set", "data.image_size=[32,32]", "--set", "small.train.epochs=1"]
    done(*words, "--out", tmp_path / "whole")
    made = open_ensemble(tmp_path / "whole")
    folds = [open_ensemble(tmp_path / f"whole/variant_{i}") for i in range(2)]
    own = [read_predictions(one.predictions_path("oof")) for one in folds]
    joined = read_predictions(made.predictions_path("oof"))
    assert len(joined) == 24 * 7 == len(set(joined.ids))
    assert not np.allclose(own[0].probs, own[1].probs)
    assert np.allclose(joined.probs, (own[0].probs + own[1].probs) / 2, atol=1e-6)
    people = [set(read_manifest(one.path / "fold_0/manifest.parquet").split("val").photo_ids) for one in folds]
    assert people[0] == people[1]

    run = tmp_path / "run"
    status, _, err = stop_in_training(run / "variant_1/fold_1", signal.SIGTERM, [*words, "--out", str(run)], n_seen=1)
    assert (status, err.splitlines()[-1]) == (130, f"Go on with: trifacet train --resume {run}")
    assert "2/2 wide, fold 2/2" in err
    assert "data:image/" not in (tmp_path / "whole/report/index.html").read_text()  # report.pictures is false
    done("train", "--resume", run)
    assert np.array_equal(read_predictions(open_ensemble(run).predictions_path("oof")).probs, joined.probs)
    assert trifacet("train", "--resume", run).err.startswith(f"TRI407 {run}: these variants are all trained")


def test_one_batch_of_each_network_is_shown(root: Path, pair: Path, tmp_path: Path) -> None:
    shown = ("--set", "report.pictures=true", "--out", tmp_path / "seen.png")
    words = ("--data", root / "split.parquet", *OWN, "--dry-run", *shown)
    said = done("train", pair, *words)
    assert "One batch of small" in said.out
    apart = ("--set", "wide.model.tasks=[age]")
    refused = trifacet("train", pair, *words, *apart)
    assert refused.err.startswith("TRI104 network 'wide': the networks answer other labels")
    refused = trifacet("train", pair, *words, "--folds", 20)
    assert refused.err.startswith("TRI250 --folds: 20 folds, but ")
    assert "One batch of wide" in said.out
    assert {path.name for path in tmp_path.iterdir()} == {"seen.png", "seen-2.png"}
    told = done("config", "show", pair).out
    assert f"{pair}: small" in told
    assert "pair.yaml, wide" in told


@pytest.mark.parametrize(
    ("content", "words", "told"),
    [
        ("each: {a: {}}", (), "TRI101 {file}: each: must name two networks or more and what each has of its own"),
        ("each: [a, b]", (), "TRI101 {file}: each: must name two networks or more"),
        ("each: {a: {}, b: 3}", (), "TRI101 {file}: each: must name two networks or more"),
        (
            "each: {a: {}, b: {optim: {lrr: 1}}}",
            (),
            "TRI101 1 mistake in network 'b':\n  optim.lrr ({file}, b)",
        ),
        ("each: {a: {}, b: {}}", ("--each", "optim.lr=1|2"), "TRI104 --each: the recipe is of several networks alr"),
        ("each: {a: {}, b: {model: {tasks: [age]}}}", (), "TRI104 network 'b': the networks answer other labels"),
        ("each: {a: {}, b: {model: {weights: no.st}}}", (), "TRI403 no.st: network 'b': cannot be read as safetensors"),
        (
            "each: {a: {}, model: {}}",
            (),
            "TRI101 {file}: each: a network's name is of letters, digits, -",
        ),
        (
            "each: {a.b: {}, b: {}}",
            (),
            "TRI101 {file}: each: a network's name is of letters, digits, -",
        ),
        ("each: {1: {}, '1': {}, b: {}}", (), "TRI101 {file}: each: must name two networks or more"),
        ("each: {a: false, b: {}}", (), "TRI101 {file}: each: must name two networks or more"),
    ],
)
def test_a_recipe_that_names_networks_wrongly_is_refused(
    root: Path, tmp_path: Path, content: str, words: tuple[str, ...], told: str
) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(content)
    said = trifacet("train", file, "--data", root / "split.parquet", *TINY, *words, "--out", tmp_path / "run")
    assert said.err.startswith(told.format(file=file))
    assert not (tmp_path / "run").exists()


def test_every_network_tells_its_mistakes(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("each: {a: {}, b: {optim: {lr: fast}}}\noptim: {lrr: 1}")
    said = trifacet("train", file, "--data", tmp_path)
    assert "TRI101 1 mistake in network 'a':\n  optim.lrr" in said.err
    assert "\n2 mistakes in network 'b':\n  optim.lr (" in said.err
    assert "--set a.KEY=VALUE is about the network of that name alone" in said.err


def test_what_is_said_of_one_network_beats_what_is_said_of_all(pair: Path) -> None:
    for sets in (["small.train.epochs=9", "train.epochs=3"], ["train.epochs=3", "small.train.epochs=9"]):
        made = package.open_recipes(pair, sets)
        assert [one.settings.train.epochs for one in made.values()] == [9, 3]
    made = package.open_recipes("strong", ["train.epochs=3", "frozen.train.epochs=0"])
    assert [one.settings.train.epochs for one in made.values()] == [3, 0, 3]


def test_the_rule_of_all_is_the_one_that_the_recipe_asks_for(root: Path, pair: Path, tmp_path: Path) -> None:
    asked = ("--set", "decide.fit=argmax", "--set", "data.image_size=[32,32]")
    done("train", pair, "--data", root / "all.parquet", *OWN, *asked, "--folds", "2", "--out", tmp_path / "run")
    rules = [read_json(tmp_path / "run" / own / "decision.json") for own in (".", "variant_0")]
    assert [rule["fitted_on"] for rule in rules] == ["nothing", "nothing"]
    assert OWN_RULE not in read_predictions(tmp_path / "run/predictions/oof.parquet").stamps


def test_seeds_that_are_numbers_stay_and_those_to_be_drawn_are_one(root: Path, tmp_path: Path) -> None:
    text = "each: {a: {train: {seed: 3}}, b: {train: {seed: random}}, c: {train: {seed: random}}}"
    (tmp_path / "r.yaml").write_text(text)
    done("train", tmp_path / "r.yaml", "--data", root / "split.parquet", *TINY, "--out", tmp_path / "run")
    seeds = [open_run(tmp_path / f"run/variant_{i}").info.seed for i in range(3)]
    assert seeds[0] == 3 != seeds[1] == seeds[2]


def test_only_who_is_shown_faces_tells_how_many_have_none(root: Path, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("each: {a: {data: {crop: face}}, b: {data: {crop: none}}}")
    manifest = package.open_data(root / "split.parquet")
    faceless = replace(manifest, table=manifest.table.with_columns(n_faces=pl.lit(0, manifest.table["n_faces"].dtype)))
    package.train_variants(
        package.open_recipes(tmp_path / "r.yaml", [word for word in TINY if word != "--set"]),
        data=faceless,
        out=tmp_path / "run",
    )
    stamps = [" ".join(open_run(tmp_path / f"run/variant_{i}").info.stamps) for i in range(2)]
    assert ["no face was found in" in one for one in stamps] == [True, False]


def test_where_one_network_is_wanted_several_are_refused(pair: Path) -> None:
    with pytest.raises(ConfigError, match=r"TRI104 .*pair\.yaml: a recipe of several networks, and one is wanted here"):
        package.open_recipe(pair)


def test_all_start_from_the_weights_that_were_there_at_first(root: Path, tmp_path: Path) -> None:
    done("train", "--data", root / "split.parquet", *TINY, "--out", tmp_path / "base")
    words = ["train", "--data", str(root / "all.parquet"), "--each", "train.epochs=1|5", "--folds", "2", *TINY]
    words += ["--set", "train.batch_size=4", "--init", str(tmp_path / "base")]
    run = tmp_path / "run"
    stop_in_training(run / "variant_1/fold_0", signal.SIGTERM, [*words, "--out", str(run)], n_seen=1)
    shutil.rmtree(run / "variant_1")  # as if it had been killed before
    weights = open_run(tmp_path / "base").weights_path()
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    refused = trifacet("train", "--resume", run)
    assert f"TRI403 {tmp_path / 'base'}: the weights that this run started from have changed" in refused.err
    weights.write_bytes(whole)
    done("train", "--resume", run)
    started = [open_run(run / f"variant_{i}/fold_{k}").info.inputs["init_weights"] for i in range(2) for k in range(2)]
    assert set(started) == {open_run(run / "variant_0/fold_0").info.inputs["init_weights"]}
    assert open_variants(run).info.inputs["init_weights"] == started[0]
