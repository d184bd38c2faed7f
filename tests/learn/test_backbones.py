from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from trifacet.core.errors import ConfigError, RunError
from trifacet.core.recipe import ModelSection
from trifacet.learn.backbones import BACKBONES, build_backbone, check_backbone, load_weights
from trifacet.learn.convnets import BaselineCNN

WEIGHTS = "Check the path and the model named in the recipe."
OWN = "Check that Python finds the module from the folder you stand in and that the name is spelled right."


def model(backbone: str, **changes) -> ModelSection:
    return ModelSection(backbone=backbone, **changes)


def refusal(kind: type[Exception], wanted: ModelSection) -> str:
    with pytest.raises(kind) as caught:
        build_backbone(wanted)
    return str(caught.value)


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module of the user's own, in the folder one stands in."""
    (tmp_path / "my_own_nets.py").write_text(
        "import torch\n"
        "class Mean(torch.nn.Module):\n"
        "    n_features = 3\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.gain = torch.nn.Parameter(torch.ones(3))\n"
        "    def forward(self, images):\n"
        "        return images.mean(dim=(2, 3)) * self.gain\n"
        "def good(): return Mean()\n"
        "def no_width(): return torch.nn.Identity()\n"
        "def no_module(): return 5\n"
        "def breaks(): raise ValueError('not today')\n"
        "number = 5\n"
    )
    (tmp_path / "my_broken_nets.py").write_text("import there_is_no_such_module\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p])  # as an installed command sees it
    return "my_own_nets"


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_every_backbone_gives_as_many_features_as_it_says(name: str) -> None:
    built = build_backbone(model(name, pretrained=False, norm=False)).eval()
    height, width = BACKBONES[name].image_size
    with torch.inference_mode():
        assert built(torch.zeros(1, 3, height, width)).shape == (1, built.n_features)


def test_an_unknown_backbone_is_answered_with_the_nearest() -> None:
    assert [check_backbone(name) for name in (*BACKBONES, "timm/resnet10t", "my:own")] == [None] * 5
    told = "no backbone 'face_resnet92'. Did you mean 'face_resnet29'? See `trifacet backbones`."
    assert check_backbone("face_resnet92") == told
    assert refusal(ConfigError, model("face_resnet92")) == f"TRI100 {told}"
    assert check_backbone("q") == (
        "no backbone 'q'. Known: baseline_cnn, face_resnet10, face_resnet29, timm/NAME, module:function, A+B. "
        "See `trifacet backbones`."
    )


@pytest.mark.parametrize("name", ["resnet10t", "mobilenetv3_small_050"])
def test_a_timm_trunk_starts_from_nothing_when_asked_to(name: str) -> None:
    built = build_backbone(model(f"timm/{name}", pretrained=False)).eval()
    with torch.inference_mode():
        features = built(torch.full((2, 3, 64, 48), 128.0))
    assert features.shape == (2, built.n_features)
    assert features.isfinite().all()
    assert built.means.flatten().tolist() == pytest.approx([255 * m for m in (0.485, 0.456, 0.406)])


def test_a_timm_model_that_is_not_there_is_answered_with_the_nearest() -> None:
    assert refusal(ConfigError, model("timm/resnet10tt")) == (
        "TRI100 model.backbone: timm has no model 'resnet10tt'. Did you mean 'timm/resnet10t'?"
    )
    assert refusal(ConfigError, model("timm/zzzzzz")) == (
        "TRI100 model.backbone: timm has no model 'zzzzzz'. See `trifacet backbones --timm WORD`."
    )
    assert refusal(ConfigError, model("timm/resnet10t.mine", pretrained=False)) == (
        "TRI100 model.backbone: timm has no weights 'resnet10t.mine'. Known: resnet10t.c3_in1k."
    )


def test_weights_that_the_hub_does_not_give_are_an_error_and_never_random_ones() -> None:
    told = refusal(RunError, model("timm/resnet10t"))
    assert told.startswith("TRI403 model.backbone: timm could not get weights for 'resnet10t', got ")
    assert told.endswith(
        "Give model.weights: PATH to a safetensors file, or say model.pretrained: false to start from nothing."
    )


def test_a_timm_trunk_starts_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    import timm

    torch.manual_seed(0)
    source = timm.create_model("resnet10t", num_classes=7)
    save_file(source.state_dict(), path)  # with its classifier, which is left out
    built = build_backbone(model("timm/resnet10t", weights=str(path)))
    kept = built.trunk.state_dict()
    assert kept.keys() < source.state_dict().keys()
    assert all(torch.equal(tensor, source.state_dict()[name]) for name, tensor in kept.items())


def test_weights_of_a_file_are_put_in(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    torch.manual_seed(0)
    source = BaselineCNN()
    save_file({**source.state_dict(), "fc.weight": torch.zeros(2)}, path)
    built = build_backbone(model("baseline_cnn", weights=str(path)))
    assert all(torch.equal(a, b) for a, b in zip(built.parameters(), source.parameters(), strict=True))


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"

    def told() -> str:
        with pytest.raises(RunError) as caught:
            load_weights(BaselineCNN(), path)
        return str(caught.value)

    assert told().startswith(f"TRI403 {path}: cannot be read as safetensors, got ")
    path.write_bytes(b"damaged")
    assert told().startswith(f"TRI403 {path}: cannot be read as safetensors, got ")
    tensors = BaselineCNN().state_dict()
    save_file({**tensors, "layers.2.weight": torch.zeros(3)}, path)
    other = "these weights belong to another network, got 1 of 6 tensors missing or of another shape"
    assert told() == f"TRI403 {path}: {other}, first 'layers.2.weight'. {WEIGHTS}"
    del tensors["layers.0.bias"]
    save_file(tensors, path)
    assert told() == f"TRI403 {path}: {other}, first 'layers.0.bias'. {WEIGHTS}"


def test_an_own_function_is_found_in_the_folder_one_stands_in(own_module: str) -> None:
    built = build_backbone(model(f"{own_module}:good"))
    assert built.n_features == 3
    assert built(torch.ones(2, 3, 4, 4)).tolist() == [[1, 1, 1], [1, 1, 1]]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param(
            "my_own_nets:godo",
            "cannot import 'my_own_nets:godo', got AttributeError: module 'my_own_nets' has no attribute 'godo'",
            id="a function that is not there",
        ),
        pytest.param(
            "my_onw_nets:good",
            "cannot import 'my_onw_nets:good', got ModuleNotFoundError: No module named 'my_onw_nets'",
            id="a module that is not there",
        ),
        pytest.param(
            "my_broken_nets:good",
            "cannot import 'my_broken_nets:good', got ModuleNotFoundError: No module named 'there_is_no_such_module'",
            id="a module that breaks",
        ),
        pytest.param(
            "my_own_nets:no_width",
            "'my_own_nets:no_width' must return a torch module with an integer attribute n_features, got Identity",
            id="no n_features",
        ),
        pytest.param(
            "my_own_nets:no_module",
            "'my_own_nets:no_module' must return a torch module with an integer attribute n_features, got int",
            id="no module",
        ),
        pytest.param(
            "my_own_nets:breaks",
            "'my_own_nets:breaks' could not build its module, got ValueError: not today",
            id="a function that breaks",
        ),
        pytest.param(
            "my_own_nets:number",
            "'my_own_nets:number' could not build its module, got TypeError: 'int' object is not callable",
            id="no function",
        ),
    ],
)
def test_an_own_function_that_cannot_be_used(own_module: str, name: str, message: str) -> None:
    assert refusal(ConfigError, model(name)) == f"TRI105 model.backbone: {message}. {OWN}"
