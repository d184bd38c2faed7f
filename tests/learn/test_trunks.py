import importlib.util
import os
import shutil
import sys
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from trifacet.core.errors import RunError
from trifacet.core.files import sha256_bytes
from trifacet.learn import trunks
from trifacet.learn.trunks import SPECS, face_resnet10, face_resnet29, fold_norm, read_weights, source_answer, with_norm

ROOT = Path(__file__).parents[2]
MAKERS = {"face_resnet29": face_resnet29, "face_resnet10": face_resnet10}
NAMES = sorted(SPECS)


def reference(name: str) -> tuple[torch.Tensor, dict[str, np.ndarray]]:
    """The reference images (8, 3, H, W) and the kept answers: of the source, and of the port before rounding."""
    with np.load(ROOT / "tests/fixtures/trunks" / f"{name}.npz") as kept:
        answers = {key: kept[key] for key in kept.files}
    cell_px = int(answers["cell_px"])
    images = answers["cells"].repeat(cell_px, axis=1).repeat(cell_px, axis=2)
    return torch.from_numpy(images).permute(0, 3, 1, 2).float(), answers


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)) * 255


@pytest.mark.parametrize("name", NAMES)
def test_unrounded_port_agrees_with_its_source_to_1e_5(name):
    _, kept = reference(name)
    assert (
        kept["source"].shape == kept["unrounded_port"].shape == (8, {"face_resnet29": 128, "face_resnet10": 81}[name])
    )
    assert np.abs(kept["source"] - kept["unrounded_port"]).max() < 1e-5


@pytest.mark.parametrize(("name", "tolerance"), [("face_resnet29", 1e-3), ("face_resnet10", 1e-5)])
def test_shipped_trunk_agrees_with_its_source(name, tolerance):
    images, kept = reference(name)
    answer = source_answer(name, images).numpy()
    assert np.abs(answer - kept["source"]).max() < tolerance
    # The control: the answers of two images are further apart than the tolerance by far.
    assert np.abs(answer - np.roll(kept["source"], 1, axis=0)).max() > 20 * tolerance


def test_rounding_the_age_net_to_fp16_would_break_the_agreement(monkeypatch):
    images, kept = reference("face_resnet10")
    rounded = {key: tensor.half().float() for key, tensor in read_weights("face_resnet10").items()}
    monkeypatch.setattr(trunks, "read_weights", {"face_resnet10": rounded}.__getitem__)
    assert np.abs(source_answer("face_resnet10", images).numpy() - kept["source"]).max() > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_trunk_keeps_its_promised_widths_at_any_size(name):
    trunk = MAKERS[name]().eval()
    for height, width in [(trunk.min_size, trunk.min_size), (128, 104), (151, 176)]:
        images = noise(2, 3, height, width)
        with torch.no_grad():
            features, levels, level_features = trunk(images), trunk.levels(images), trunk.level_features(images)
        assert features.shape == (2, trunk.n_features)
        assert [level.shape[1] for level in levels] == [channels for channels, _ in SPECS[name].blocks]
        assert torch.equal(levels[-1], features)
        assert level_features.shape == (2, trunk.n_level_features)
        assert level_features.isfinite().all()
        assert level_features.min() >= 0
        assert level_features.std() > 0


def test_level_features_of_resnet29_are_1472_numbers():
    assert face_resnet29().n_level_features == 1472


@pytest.mark.parametrize(("name", "min_size"), [("face_resnet29", 103), ("face_resnet10", 31)])
def test_image_under_the_smallest_size_is_refused(name, min_size):
    trunk = MAKERS[name]()
    with pytest.raises(ValueError, match=f"^{name} needs at least {min_size} pixels a side, got 200 x {min_size - 1}$"):
        trunk(noise(1, 3, 200, min_size - 1))


def test_cell_means_are_those_of_adaptive_pooling():
    maps = noise(2, 4, 7, 5)
    for cells in (1, 2, 3):
        pooled = torch.nn.functional.adaptive_avg_pool2d(maps, cells)
        expected = pooled.permute(0, 2, 3, 1).flatten(1)
        torch.testing.assert_close(trunks._cell_means(maps, cells), expected)


@pytest.mark.parametrize("name", NAMES)
def test_no_weight_is_a_denormal_number(name):
    for key, tensor in read_weights(name).items():
        assert tensor.dtype == torch.float32, key
        assert tensor.isfinite().all(), key
        assert not ((tensor != 0) & (tensor.abs() < 1e-30)).any(), key


@pytest.mark.parametrize("name", NAMES)
def test_norm_layers_change_nothing_until_they_are_trained(name):
    trunk = MAKERS[name]()
    size = trunk.default_size
    normed = with_norm(trunk, noise(8, 3, size, size))
    images, _ = reference(name)  # other images than those it was fitted on
    with torch.no_grad():
        expected = trunk.eval()(images)
        torch.testing.assert_close(normed.eval()(images), expected, rtol=1e-4, atol=1e-4 * float(expected.max()))
        assert not torch.allclose(normed.train()(images), expected, rtol=0.01)  # and the norms are really there
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in trunk.modules())


@pytest.mark.parametrize("name", NAMES)
def test_checkpoint_of_a_normed_trunk_loads_into_a_fresh_one(name):
    trunk = MAKERS[name]()
    size = trunk.default_size
    normed = with_norm(trunk, noise(4, 3, size, size)).eval()
    fresh = MAKERS[name](norm=True).eval()
    fresh.load_state_dict(normed.state_dict())
    images = noise(2, 3, size, size)
    with torch.no_grad():
        assert torch.equal(fresh(images), normed(images))


@pytest.mark.parametrize("name", NAMES)
def test_trunk_exports_with_its_normalisation_inside(name):
    trunk = MAKERS[name]().eval()
    images = noise(3, 3, trunk.default_size, trunk.default_size)
    exported = torch.export.export(trunk, (images,), dynamic_shapes=({0: torch.export.Dim("batch")},)).module()
    with torch.no_grad():
        torch.testing.assert_close(exported(images[:2]), trunk(images[:2]))


def damaged_copy(folder: Path, *, cut: bool) -> Path:
    for file in ("weights.json", "face_resnet29.safetensors"):
        shutil.copy(str(files("trifacet.weights").joinpath(file)), folder / file)
    weights = folder / "face_resnet29.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1000] ^= 1
    weights.write_bytes(content[:-1] if cut else content)
    return folder


@pytest.mark.parametrize("cut", [False, True], ids=["one bit flipped", "cut short"])
def test_damaged_weights_are_refused(tmp_path, cut):
    folder = damaged_copy(tmp_path, cut=cut)
    got = sha256_bytes((folder / "face_resnet29.safetensors").read_bytes())[:12]
    with pytest.raises(RunError) as problem:
        read_weights("face_resnet29", folder)
    assert str(problem.value) == (
        "TRI403 face_resnet29.safetensors: the weights are damaged: their sha256 should begin 4bcfa8ccc5e4, "
        f"got {got}. Install trifacet again."
    )


def test_missing_weights_are_refused(tmp_path):
    with pytest.raises(RunError) as problem:
        read_weights("face_resnet10", tmp_path)
    assert str(problem.value) == "TRI403 face_resnet10: the weights are missing. Install trifacet again."


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("convert_trunks", ROOT / "scripts/convert_trunks.py")
    assert spec
    assert spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.prove
@pytest.mark.parametrize("name", NAMES)
def test_conversion_from_the_pinned_source_gives_the_shipped_file(name):
    """Needs TRIFACET_TRUNK_SOURCES: the archives or files of scripts/convert_trunks.py, joined as in PATH."""
    places = os.environ.get("TRIFACET_TRUNK_SOURCES")
    if not places:
        pytest.skip("set TRIFACET_TRUNK_SOURCES to the source files of scripts/convert_trunks.py")
    if name == "face_resnet10":
        pytest.importorskip("onnx", reason="reading the ONNX source needs onnx")
    script = load_script()
    source = next(source for source in script.SOURCES if source.name == name)
    arrays = script.CONVERTERS[name](script.find_source(source, [Path(place) for place in places.split(os.pathsep)]))
    images, kept = reference(name)
    assert np.array_equal(
        script.reference_images(script.reference_cells(source), source.cell_px).transpose(0, 3, 1, 2), images
    )
    port = script.ask_port(source, arrays, images=images.permute(0, 2, 3, 1).numpy())
    assert np.abs(port - kept["source"]).max() < 1e-5
    assert np.abs(port - kept["unrounded_port"]).max() < 1e-5
    assert (
        script.serialise(arrays, source.dtype) == files("trifacet.weights").joinpath(f"{name}.safetensors").read_bytes()
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_trunk_without_its_norms_answers_alike(name):
    trunk = with_norm(MAKERS[name](), noise(16, 3, 120, 120)).train()
    for _ in range(3):  # so that the norms are no longer the identity
        trunk(noise(8, 3, 120, 120).square() / 255)
    trunk.eval()
    images = noise(4, 3, 120, 120)
    with torch.no_grad():
        before = trunk(images)
        fold_norm(trunk)
        after = trunk(images)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in trunk.modules())
    assert (before - after).abs().max() < 1e-5 * before.abs().max()
