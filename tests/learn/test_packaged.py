from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.cbook import get_sample_data
from PIL import Image

from trifacet.core.errors import RunError
from trifacet.core.recipe import ModelSection
from trifacet.learn.backbones import build_backbone
from trifacet.learn.packaged import load_packaged, packaged_path

timm = pytest.importorskip("timm")
LITE0 = "tf_efficientnet_lite0"
MILITARY_UNIFORM = 652  # of the 1,000 classes of ImageNet


def path() -> Path:
    found = packaged_path(LITE0)
    assert found is not None
    return found


def test_the_packaged_weights_know_what_a_photo_shows() -> None:
    net = timm.create_model(LITE0, pretrained=False)
    load_packaged(net, LITE0, path=path())
    with get_sample_data("grace_hopper.jpg") as photo:  # comes with matplotlib: an officer in uniform
        pixels = np.asarray(Image.open(photo).convert("RGB").resize((224, 224), box=(0, 0, 512, 512)))
    batch = (torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() - 127) / 128
    with torch.no_grad():
        best = net.eval()(batch).topk(3).indices[0].tolist()
    assert MILITARY_UNIFORM in best


def test_a_recipe_that_names_it_needs_no_hub() -> None:
    trunk = build_backbone(ModelSection(backbone=f"timm/{LITE0}"))
    with torch.no_grad():
        features = trunk.eval()(torch.full((1, 3, 64, 64), 128.0))
    assert features.shape == (1, 1280)
    fresh = build_backbone(ModelSection(backbone=f"timm/{LITE0}", pretrained=False))
    assert not torch.equal(trunk.state_dict()["trunk.conv_stem.weight"], fresh.state_dict()["trunk.conv_stem.weight"])


def test_models_without_a_package_are_left_to_the_hub() -> None:
    assert packaged_path("resnet18") is None


def test_another_file_or_another_model_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "weights.pth"
    shutil.copy(path(), other)
    other.write_bytes(other.read_bytes()[:-1] + b"x")
    net = timm.create_model(LITE0, pretrained=False)
    with pytest.raises(RunError) as told:
        load_packaged(net, LITE0, path=other)
    assert str(told.value).startswith(f"TRI403 {other}: these are not the weights that were checked.")
    with pytest.raises(RunError) as told:
        load_packaged(timm.create_model("resnet18", pretrained=False), LITE0, path=path())
    assert str(told.value).startswith(f"TRI403 {path()}: these weights belong to another network.")
