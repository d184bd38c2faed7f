"""Old .pth files: read without their code, recognised by their tensors, and answering as they did."""

from __future__ import annotations

import os
import pickle
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torchvision
from torch import nn

from trifacet.core.errors import TrifacetError
from trifacet.learn.old_weights import NETWORKS, OldWeights, Recognised, read_old, recognise

BESIDE = {"epoch": 40, "step": 1, "optimizer_dict": {"state": {}}}


class BaseModel(nn.Module):
    """Three convolutions and a classifier, under the names of an old script."""

    def __init__(self, n_classes: int = 18) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = nn.Conv2d(3, 32, 7), nn.Conv2d(32, 64, 3), nn.Conv2d(64, 128, 3)
        self.fc = nn.Linear(128, n_classes)


class Touches:
    """A pickle that makes a file when it is loaded by anybody who runs it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


def saved(path: Path, content: object, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def refused(path: Path) -> str:
    with pytest.raises(TrifacetError) as told:
        read_old(path)
    return str(told.value)


def old(module: nn.Module, *, prefix: str = "") -> OldWeights:
    return OldWeights({f"{prefix}{key}": tensor for key, tensor in module.state_dict().items()}, ())


def small_resnet() -> nn.Module:
    torch.manual_seed(0)
    made = torchvision.models.resnet18()
    made.fc = nn.Linear(512, 18)
    return made


@pytest.mark.parametrize("is_zip", [pytest.param(True, id="as torch saves today"), pytest.param(False, id="as of old")])
def test_the_tensors_of_a_file_are_read_as_they_are(is_zip: bool, tmp_path: Path) -> None:
    state = BaseModel().state_dict()
    content = {"state_dict": state, "best_f1": np.float64(0.7), **BESIDE}
    read = read_old(saved(tmp_path / "epoch_0040.pth", content, _use_new_zipfile_serialization=is_zip))
    assert list(read.tensors) == list(state)
    assert all(torch.equal(read.tensors[key], tensor) for key, tensor in state.items())
    assert read.beside == ("best_f1", *BESIDE)


def test_code_in_a_file_is_refused_and_never_run(tmp_path: Path) -> None:
    path, trace = saved(tmp_path / "best.pth", {"state_dict": Touches(tmp_path / "touched")}), tmp_path / "touched"
    assert refused(path) == (
        f"TRI450 {path}: this file holds more than weights: reading it would run code, got "
        f"{os.system.__module__}.system. Save the weights alone where they were trained: "
        "torch.save(model.state_dict(), 'weights.pth')."
    )
    assert not trace.exists()
    torch.load(path, weights_only=False)  # the control: whoever does run it finds a file
    assert trace.exists()


def test_no_variable_of_the_environment_lets_a_bare_pickle_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(Touches(tmp_path / "touched")))
    assert refused(tmp_path / "bare.pth").startswith("TRI45")
    assert not (tmp_path / "touched").exists()


def test_a_module_beside_the_file_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text(f"open({str(tmp_path / 'touched')!r}, 'w')\n")
    path = saved(tmp_path / "best.pth", BaseModel().state_dict())
    monkeypatch.chdir(tmp_path)
    assert len(read_old(path).tensors) == 8
    assert not (tmp_path / "touched").exists()


@pytest.mark.filterwarnings("ignore:`torch.jit")
def test_a_whole_model_is_refused(tmp_path: Path) -> None:
    assert "got torchvision.models.resnet.ResNet" in refused(saved(tmp_path / "model.pth", small_resnet()))
    torch.jit.script(nn.Linear(2, 2)).save(tmp_path / "script.pth")  # type: ignore[no-untyped-call]
    assert refused(tmp_path / "script.pth").startswith("TRI450")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"not a pickle at all", "", id="no pickle"),
        pytest.param({"epoch": 3}, "no tensors", id="no tensors"),
        pytest.param({"w": torch.zeros(1).expand(10**12)}, "tensors far larger than the file", id="a bomb"),
    ],
)
def test_a_file_without_weights_is_told_so(content: object, said: str, tmp_path: Path) -> None:
    path = tmp_path / "best.pth"
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    told = refused(path)
    assert re.match(rf"TRI451 {re.escape(str(path))}: no weights can be read from this file, got .*{said}", told)
    assert told.endswith("Name the network with --backbone; `trifacet backbones` lists what there is.")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert refused(tmp_path / "no.pth") == f"TRI451 {tmp_path / 'no.pth'}: no such file. Check the path."


def is_same(found: Recognised, module: nn.Module, *, last: str) -> bool:
    """Whether all tensors came over: those of the trunk in their order, and the last layer."""
    theirs = {key: t for key, t in module.state_dict().items() if not key.startswith(last)}
    assert found.classifier is not None
    layer = dict(module.named_modules())[last.rstrip(".")]
    is_layer = all(torch.equal(a, b) for a, b in zip(found.classifier, layer.parameters(), strict=True))
    return is_layer and all(torch.equal(a, b) for a, b in zip(found.trunk.values(), theirs.values(), strict=True))


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "module.model.", "backbone.net."])
def test_networks_are_recognised_behind_any_prefix(prefix: str) -> None:
    for network, module in (("baseline_cnn", BaseModel()), ("timm/resnet18", small_resnet())):
        found = recognise(old(module, prefix=prefix))
        assert found.backbone == network
        assert is_same(found, module, last="fc.")
        assert found.left_out == ()


@pytest.mark.parametrize("network", NETWORKS)
def test_every_network_is_recognised_as_itself_and_not_as_a_shallower_one(network: str) -> None:
    with torch.device("meta"):
        name = network.removeprefix("timm/")
        module = timm.create_model(name, pretrained=False, num_classes=18) if name != network else BaseModel()
    found = recognise(old(module, prefix="module."))
    assert found.backbone == network
    assert found.left_out == ()
    assert found.classifier is not None
    assert [list(tensor.shape) for tensor in found.classifier] == [[18, found.classifier[0].shape[1]], [18]]


def test_a_deeper_network_than_is_known_is_told_and_not_cut_down() -> None:
    with torch.device("meta"):
        block = torchvision.models.resnet.Bottleneck
        deeper = old(torchvision.models.ResNet(block, [3, 24, 36, 3]), prefix="model.")
        four = BaseModel()
        four.conv4 = nn.Conv2d(128, 256, 3)
    for weights, backbone in ((deeper, ""), (deeper, "timm/resnet152"), (old(four), "")):
        with pytest.raises(TrifacetError, match="TRI451 these are not the weights of"):
            recognise(weights, backbone=backbone)


def test_the_tables_that_old_swins_save_are_no_weights() -> None:
    with torch.device("meta"):
        made = old(timm.create_model("swin_tiny_patch4_window7_224", pretrained=False, num_classes=18))
        tables = {f"layers.0.blocks.1.{name}": torch.zeros(1) for name in ("attn_mask", "attn.relative_position_index")}
    found = recognise(OldWeights({**tables, **made.tensors}, ()))
    assert (found.backbone, found.left_out) == ("timm/swin_tiny_patch4_window7_224", ())


def test_a_network_in_a_sequential_is_recognised_by_the_order_of_its_tensors() -> None:
    module = small_resnet()
    wrapped = nn.Sequential(OrderedDict(features=nn.Sequential(*list(module.children())[:-1]), last=module.fc))
    found = recognise(old(wrapped))
    assert found.backbone == "timm/resnet18"
    assert is_same(found, module, last="fc.")


def test_torchvisions_swin_answers_the_same_by_timms_names() -> None:
    torch.manual_seed(0)
    module = torchvision.models.swin_t().eval()
    found = recognise(old(module), backbone="timm/swin_tiny_patch4_window7_224")
    ours = timm.create_model("swin_tiny_patch4_window7_224", pretrained=False, num_classes=0).eval()
    ours.load_state_dict(found.trunk)
    images = torch.rand(1, 3, 224, 224)
    assert found.classifier is not None
    weight, bias = found.classifier
    with torch.inference_mode():
        assert torch.allclose(ours(images) @ weight.T + bias, module(images), atol=1e-4)


def test_a_head_of_layers_is_left_out_and_named() -> None:
    module = small_resnet()
    module.fc = nn.Sequential(nn.Linear(512, 8), nn.ReLU(), nn.Linear(8, 18))
    found = recognise(old(module))
    assert found.classifier is None
    assert found.left_out == ("fc.0.weight", "fc.0.bias", "fc.2.weight", "fc.2.bias")


def test_weights_of_no_known_network_are_told() -> None:
    with pytest.raises(TrifacetError) as told:
        recognise(old(nn.Linear(3, 2)), where="best.pth")
    assert str(told.value) == (
        "TRI451 best.pth: these are not the weights of a network that is known, got 2 tensors, the first 'weight' of "
        "2 x 3. Name the network with --backbone; `trifacet backbones` lists what there is."
    )
    with pytest.raises(TrifacetError, match="these are not the weights of timm/resnet34"):
        recognise(old(small_resnet()), backbone="timm/resnet34")
