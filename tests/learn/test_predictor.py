from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.learn import tiny
from trifacet.committee import Committee
from trifacet.core.ensemble import Voting
from trifacet.core.errors import RunError
from trifacet.core.files import sha256_file
from trifacet.core.manifest import write_manifest
from trifacet.core.predictions import DecisionRule, argmax_rule, margins, write_decision
from trifacet.core.predictor import Predictor, near_ties
from trifacet.core.run import Run, save_run
from trifacet.core.schema import DEFAULT_SCHEMA
from trifacet.joining import Choice, join
from trifacet.learn.device import has_fast_bf16
from trifacet.learn.predictor import load_model, open_model
from trifacet.learn.train import train


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    manifest, images = tiny.photos()
    sets = ["train.epochs=2", "optim.lr=0.003", "data.crop=middle_square"]
    run = train(tiny.new_run(tmp_path_factory.mktemp("runs") / "tiny", sets), manifest, images=images)
    write_manifest(run.manifest_path, manifest)
    return save_run(run, status="finished", stamps=("persons unknown",))


def photos(n: int) -> list[np.ndarray]:
    """Photos of several sizes."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (20 + 3 * (i % 9), 40 - i % 7, 3), dtype=np.uint8) for i in range(n)]


def test_images_are_prepared_as_in_training_and_then_predicted(finished: Run) -> None:
    model = load_model(finished.path, device="cpu")
    taken: Predictor = model  # the protocol's type, checked by reading it as one
    images = photos(5)
    inputs = np.stack([taken.prepare(image) for image in images])
    assert inputs.shape == (5, 24, 24, 3)
    probs, years = model.probs(inputs)
    said = model.predict(images)
    assert np.allclose(said.probs, probs, atol=1e-6)
    assert years is not None
    assert np.allclose(said.age_probs, years, atol=1e-6)
    assert list(said.ids) == ["0", "1", "2", "3", "4"]
    assert np.allclose(said.probs.sum(axis=1), 1, atol=1e-5)
    assert said.probs.dtype == np.float32
    assert said.made_by == {"run": "tiny", "weights": sha256_file(finished.weights_path("best"))}
    assert said.stamps == ("persons unknown",)


def test_batch_and_order_change_no_answer(finished: Run) -> None:
    model = load_model(str(finished.path), device="cpu")
    images = photos(70)[::-1]  # more than a batch
    whole = model.predict(images).probs
    inputs = np.stack([model.prepare(image) for image in images])
    for order in (np.arange(70)[::-1], np.random.default_rng(0).permutation(70), np.array([3]), np.array([69, 0])):
        assert np.abs(model.probs(inputs[order])[0] - whole[order]).max() < 1e-5
    assert np.abs(whole[0] - whole[-1]).max() > 1e-3


def test_flipping_is_the_mean_of_a_photo_and_its_mirror_image(finished: Run) -> None:
    plain, flip = (open_model(finished, device="cpu", tta=tta) for tta in ("none", "flip"))
    inputs = np.stack([plain.prepare(image) for image in photos(4)])
    (one, years), (mirrored, mirrored_years) = plain.probs(inputs), plain.probs(inputs[:, :, ::-1])
    both, both_years = flip.probs(inputs)
    assert np.allclose(both, (one + mirrored) / 2, atol=1e-6)
    assert np.allclose(both_years, (years + mirrored_years) / 2, atol=1e-6)
    assert np.abs(both - one).max() > 1e-4
    assert load_model(finished.path, device="cpu").tta == finished.info.recipe.decide.tta == "flip"


def test_fast_answers_are_rounded_where_the_hardware_rounds_and_say_so(
    finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trifacet.core.predictor.NEAR", 0.0)  # a net this small is always near a tie
    exact, fast = (load_model(finished.path, device="cpu", is_fast=is_fast) for is_fast in (False, True))
    rounds = has_fast_bf16(torch.device("cpu"))
    assert "precision" not in exact.made_by
    assert fast.made_by.get("precision") == ("bfloat16" if rounds else None)
    inputs = np.stack([exact.prepare(image) for image in photos(8)])
    difference = np.abs(exact.probs(inputs)[0] - fast.probs(inputs)[0]).max()
    assert difference < 0.05
    assert (difference > 0) == rounds


@pytest.mark.skipif(not has_fast_bf16(torch.device("cpu")), reason="no bfloat16 in hardware here")
def test_a_fast_answer_that_rounding_could_change_is_computed_exactly(
    finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact, fast = (open_model(finished, device="cpu", is_fast=is_fast) for is_fast in (False, True))
    inputs = np.stack([exact.prepare(image) for image in photos(16)])
    wanted, years = exact.probs(inputs)
    monkeypatch.setattr("trifacet.core.predictor.NEAR", 0.0)
    rounded, _ = fast.probs(inputs)
    ahead = np.minimum(margins(rounded, None), margins(rounded, fast.decision))
    monkeypatch.setattr("trifacet.core.predictor.NEAR", float(np.median(ahead)))
    is_near = ahead < np.median(ahead)
    said, said_years = fast.probs(inputs)
    assert years is not None
    assert said_years is not None
    np.testing.assert_allclose(said[is_near], wanted[is_near], atol=1e-6)
    np.testing.assert_allclose(said_years[is_near], years[is_near], atol=1e-6)
    np.testing.assert_array_equal(said[~is_near], rounded[~is_near])
    assert np.abs(rounded - wanted)[is_near].max() > 1e-5


@pytest.mark.skipif(not has_fast_bf16(torch.device("cpu")), reason="no bfloat16 in hardware here")
@pytest.mark.parametrize("voting", ["soft", "hard"])
def test_a_fast_committee_asks_all_members_exactly_where_together_they_are_near_a_tie(
    finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, voting: Voting
) -> None:
    paths = [finished.path, tmp_path / "other"]
    shutil.copytree(*paths)
    made = join(paths, tmp_path / "both", choice=Choice(voting=voting))
    exact, fast = (load_model(made.path, device="cpu", is_fast=is_fast) for is_fast in (False, True))
    assert isinstance(fast, Committee)
    assert fast.exact is not None
    inputs = [exact.prepare(image) for image in photos(16)]
    wanted, _ = exact.probs(inputs)
    monkeypatch.setattr("trifacet.core.predictor.NEAR", 0.0)
    gap = np.abs(fast.probs(inputs)[0] - wanted).max()
    monkeypatch.setattr("trifacet.core.predictor.NEAR", 100.0)
    assert np.abs(fast.probs(inputs)[0] - wanted).max() < gap / 10
    # Two that are sure of opposite things are near a tie together, though neither is by itself.
    assert all((member.exact is None) == (voting == "soft") for member in fast.members)
    assert load_model(made.path, device="cpu").exact is None


def test_a_sharp_temperature_widens_what_counts_as_near() -> None:
    probs = np.zeros((1, 18), dtype=np.float32)
    probs[0, :2] = 0.6, 0.4  # .41 apart, in log scores
    plain = argmax_rule(DEFAULT_SCHEMA)
    assert near_ties(probs, plain).tolist() == []
    sharp = plain.model_copy(update={"temperature": {"age": 0.25, "mask": 1.0, "gender": 1.0}, "tau": {"age": 1.0}})
    sharp = sharp.model_copy(update={"priors": {"age": (0.82, 0.17, 0.01), "mask": (1, 1, 1), "gender": (1, 1)}})
    assert margins(probs, sharp) == pytest.approx(4 * np.log(1.5) - np.log(0.82 / 0.17), abs=0.3)
    assert near_ties(probs, sharp).tolist() == [0]


def test_no_images_are_no_predictions(finished: Run) -> None:
    assert len(load_model(finished.path, device="cpu").predict([])) == 0


def test_the_runs_own_rule_is_carried(finished: Run, tmp_path: Path) -> None:
    assert open_model(finished, device="cpu").decision == argmax_rule(DEFAULT_SCHEMA)
    rule = DecisionRule(label_schema=DEFAULT_SCHEMA, temperature={"age": 2.0}, fitted_on="val")
    write_decision(finished.decision_path, rule)
    try:
        assert load_model(finished.path, device="cpu").predict(photos(2)).decision == rule
    finally:
        finished.decision_path.unlink()


def test_an_unfinished_run_is_refused_but_opens_for_its_own_closing(finished: Run) -> None:
    try:
        unfinished = save_run(finished, status="interrupted")
        with pytest.raises(RunError, match=rf"^TRI401 {finished.path}: this run is not finished"):
            load_model(finished.path)
        assert len(open_model(unfinished, device="cpu").predict(photos(1))) == 1
    finally:
        save_run(finished)


def test_damaged_weights_are_refused(finished: Run) -> None:
    path = finished.weights_path("best")
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[:-10])
        with pytest.raises(RunError, match=rf"^TRI403 {path}: cannot be read as safetensors, got "):
            load_model(finished.path, device="cpu")
    finally:
        path.write_bytes(whole)


def test_photos_on_disk_are_read_as_their_pixels(finished: Run, tmp_path: Path) -> None:
    model = load_model(finished.path, device="cpu")
    images = photos(3)
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    said = model.predict([str(paths[0]), paths[1], images[2], tmp_path / "none.jpg"])
    assert list(said.ids) == [str(paths[0]), str(paths[1]), "2", str(tmp_path / "none.jpg")]
    assert list(said.errors) == [None, None, None, "unreadable: No such file or directory"]
    np.testing.assert_allclose(said.probs[:3], model.predict(images).probs, atol=1e-6)
    assert np.isnan(said.probs[3]).all()
    (tmp_path / "empty.jpg").touch()
    assert list(model.predict([tmp_path / "empty.jpg"]).errors) == ["wrong_type"]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        pytest.param(
            [np.zeros((4, 4, 3), dtype=np.uint8), np.zeros((4, 4), dtype=np.uint8)],
            "expected paths (str or Path) or upright RGB arrays (H, W, 3) uint8, got an array (4, 4) uint8 at 1",
            id="grey",
        ),
        pytest.param(
            [np.zeros((4, 5, 3))],
            "expected paths (str or Path) or upright RGB arrays (H, W, 3) uint8, got an array (4, 5, 3) float64 at 0",
            id="floats",
        ),
        pytest.param(
            [3],
            "expected paths (str or Path) or upright RGB arrays (H, W, 3) uint8, got int at 0",
            id="a number",
        ),
        pytest.param(
            "a.jpg",
            "expected a list of paths (str or Path) or upright RGB arrays (H, W, 3) uint8, got one path; "
            "write ['a.jpg']",
            id="one path",
        ),
    ],
)
def test_what_is_no_photo_is_refused_in_words(finished: Run, images: Any, message: str) -> None:
    with pytest.raises(TypeError) as told:
        load_model(finished.path, device="cpu").predict(images)
    assert str(told.value) == message


def test_a_model_is_shown_in_a_line(finished: Run) -> None:
    model = load_model(finished.path, device="cpu")
    assert repr(model) == "Model(run 'tiny', baseline_cnn, mask 3 x gender 2 x age 3, on cpu)"


def test_threads_answer_at_once_what_one_answers_and_leave_the_cores_as_they_were(finished: Run) -> None:
    model = open_model(finished, device="cpu")
    inputs = [np.random.default_rng(i).integers(0, 256, tiny.photos(8)[1].shape, dtype=np.uint8) for i in range(4)]
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with model.threads(2) as pool:
            assert set(pool.map(lambda _: torch.get_num_threads(), range(4))) == {1}
            at_once = list(pool.map(model.probs, inputs))
        assert torch.get_num_threads() == 3
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 3
    finally:
        torch.set_num_threads(before)
    for (joint, years), batch in zip(at_once, inputs, strict=True):
        alone, years_alone = model.probs(batch)
        np.testing.assert_allclose(joint, alone, atol=1e-6)
        np.testing.assert_allclose(years, years_alone, atol=1e-6)
