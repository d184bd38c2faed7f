"""Weights that other systems saved with torch.save: read by a process of its own, and recognised by their tensors."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from trifacet.core.errors import error
from trifacet.core.recipe import ModelSection, Recipe
from trifacet.core.schema import LabelSchema
from trifacet.learn.backbones import build_backbone
from trifacet.learn.checkpoint import save_weights
from trifacet.learn.convnets import TimmTrunk
from trifacet.learn.inputs import USUAL_MEAN, USUAL_STD
from trifacet.learn.models import JOINT, build_net

SECONDS = 300  # of the process that reads; a resnet152 takes two
COUNTER = "num_batches_tracked"  # of batch norms; not there in files of old versions of torch, and of no weight
NO_WEIGHTS = (COUNTER, "relative_position_index", "attn_mask")  # Swin's tables, which its shape alone decides
NETWORKS = (
    "baseline_cnn",
    *(f"timm/resnet{depth}" for depth in (18, 34, 50, 101, 152)),
    "timm/wide_resnet50_2",
    "timm/resnext50_32x4d",
    "timm/resnext101_32x8d",
    "timm/seresnext50_32x4d",
    *(f"timm/efficientnet_b{n}" for n in range(6)),
    "timm/vit_base_patch16_224",
    "timm/vit_large_patch16_224",
    *(f"timm/swin_{size}_patch4_window7_224" for size in ("tiny", "small", "base")),
)
OLD_MEAN, OLD_STD = (0.548, 0.504, 0.479), (0.237, 0.247, 0.246)  # the official baseline's, and its forks'


@dataclass(frozen=True, eq=False)
class OldWeights:
    """The tensors of a state dict by name, in its order; `beside`: what else the file holds."""

    tensors: dict[str, Tensor]
    beside: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Recognised:
    """A network of this package with old weights: `trunk` by the names of its module, the last layer where it is plain.

    classifier: weight (C, n_features) and bias (C,); left_out: tensors with no place here.
    """

    backbone: str
    trunk: dict[str, Tensor]
    classifier: tuple[Tensor, Tensor] | None
    left_out: tuple[str, ...]


def read_old(path: Path) -> OldWeights:
    """The weights in a .pth file, read without running any code of it, by a process that may not take all memory.

    Raises:
        RunError: TRI450, it holds code; TRI451, it cannot be read.
    """
    if not path.is_file():
        raise error("TRI451", "no such file", where=str(path), do="Check the path.")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "weights.safetensors"
        words = [sys.executable, "-P", "-m", "trifacet.learn.unpickle", str(path.absolute()), str(out)]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TORCH_FORCE")}
        try:
            ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=SECONDS, env=kept)
        except subprocess.TimeoutExpired:
            raise error("TRI451", f"it was not read within {SECONDS} seconds", where=str(path)) from None
        try:
            told: dict[str, Any] = json.loads(ended.stdout)
        except ValueError:
            told = {"problem": f"the process that read it ended with status {ended.returncode}"}
        if "code" in told:
            what = "this file holds more than weights: reading it would run code"
            raise error("TRI450", what, where=str(path), got=told["code"])
        if "problem" in told:
            raise error("TRI451", "no weights can be read from this file", where=str(path), got=told["problem"])
        read = load_file(out)
        return OldWeights({name: read[name].clone() for name in told["names"]}, tuple(told["beside"]))


def recognise(old: OldWeights, *, backbone: str = "", where: str = "") -> Recognised:
    """The network whose tensors these are, of `NETWORKS` or the `backbone` that is named.

    By names, behind whatever prefix (`module.`, `model.`), else by the order of kinds and shapes, as where modules were
    put into a Sequential. Of several the one that has a place for most tensors; none may be left over but a head's.

    Raises:
        ConfigError: TRI100. RunError: TRI451, none of them.
    """
    tensors = _without_torchvision_names(old.tensors)
    candidates = [_as_network(name, tensors) for name in ([backbone] if backbone else NETWORKS)]
    if found := max(filter(None, candidates), key=lambda one: len(one.trunk), default=None):
        return found
    first = next(iter(old.tensors))
    got = f"{len(old.tensors)} tensors, the first '{first}' of {' x '.join(map(str, old.tensors[first].shape))}"
    whose = backbone or "a network that is known"
    raise error("TRI451", f"these are not the weights of {whose}", where=where, got=got)


def _as_network(name: str, tensors: Mapping[str, Tensor]) -> Recognised | None:
    """The tensors as those of this network; None where it lacks one, or its parts have no place for one of them."""
    expected, n_features = _network(name)
    found = _by_name(expected, tensors) or _by_order(expected, tensors)
    if found is None:
        return None
    theirs = set(found.values())
    rest = [key for key in tensors if key not in theirs and not key.endswith(NO_WEIGHTS)]
    if not _is_head(rest, trunk=[key for key in theirs if not key.endswith(NO_WEIGHTS)], tensors=tensors):
        return None
    trunk = {key: tensors[found[key]] if key in found else torch.tensor(0) for key in expected}
    shapes, classifier = [list(tensors[key].shape) for key in rest], None
    if len(rest) == 2 and shapes == [[*shapes[1], n_features], shapes[1]]:
        classifier = tensors[rest[0]], tensors[rest[1]]
    return Recognised(name, trunk, classifier, () if classifier else tuple(rest))


@cache
def _network(name: str) -> tuple[dict[str, torch.Size], int]:
    """The shapes of a network's tensors by name, in its order, and the length of its features; no memory is taken."""
    with torch.device("meta"):
        module: Any = build_backbone(ModelSection(backbone=name, pretrained=False, norm=False))
    expected = {key: tensor.shape for key, tensor in _trunk(module).state_dict().items()}
    return expected, int(module.n_features)


def _is_head(rest: Sequence[str], *, trunk: Sequence[str], tensors: Mapping[str, Tensor]) -> bool:
    """Whether tensors beside a trunk's can be a head's: in no part of the trunk, and no convolution of several pixels.

    A deeper network has all that a shallower one has, and more blocks in the same parts.
    """
    n_shared = len(os.path.commonprefix([key.split(".")[:-1] for key in trunk]))  # noqa: RUF071  (of names, not of text)
    part = {key: tuple(key.split(".")[: n_shared + 1]) for key in (*trunk, *rest)}
    inside = {part[key] for key in trunk} & {part[key] for key in rest}
    return not inside and all(tensors[key].shape[2:].numel() == 1 for key in rest)


def _trunk(backbone: nn.Module) -> nn.Module:
    """The module that `model.weights` is loaded into."""
    return backbone.trunk if isinstance(backbone, TimmTrunk) else backbone


def _by_name(expected: Mapping[str, torch.Size], tensors: Mapping[str, Tensor]) -> dict[str, str] | None:
    """Our names to theirs, where all of ours stand behind one prefix in the same shapes."""
    first = next(iter(expected))
    for key in tensors:
        if key == first or key.endswith(f".{first}"):
            prefix = key.removesuffix(first)
            found = {ours: f"{prefix}{ours}" for ours in expected if f"{prefix}{ours}" in tensors}
            lacking = [ours for ours in expected if ours not in found and not ours.endswith(COUNTER)]
            if not lacking and all(tensors[theirs].shape == expected[ours] for ours, theirs in found.items()):
                return found
    return None


def _by_order(expected: Mapping[str, torch.Size], tensors: Mapping[str, Tensor]) -> dict[str, str] | None:
    """Our names to theirs, where ours stand among theirs in one piece: the same kinds and shapes one after another."""
    ours = [key for key in expected if not key.endswith(COUNTER)]
    theirs = [key for key in tensors if not key.endswith(NO_WEIGHTS)]
    wanted = [(key.rpartition(".")[2], expected[key]) for key in ours]
    there = [(key.rpartition(".")[2], tensors[key].shape) for key in theirs]
    for start in range(len(there) - len(wanted) + 1):
        if there[start : start + len(wanted)] == wanted:
            return dict(zip(ours, theirs[start:], strict=False))
    return None


def _without_torchvision_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's Swin by timm's names; anything else as it is."""
    if not any(key.endswith("attn.relative_position_bias_table") and "features." in key for key in tensors):
        return dict(tensors)

    def named(key: str) -> str:
        key = key.replace("features.0.0.", "patch_embed.proj.").replace("features.0.2.", "patch_embed.norm.")
        key = re.sub(
            r"features\.(\d+)\.(norm|reduction)\.", lambda m: f"layers.{int(m[1]) // 2}.downsample.{m[2]}.", key
        )
        key = re.sub(r"features\.(\d+)\.(\d+)\.", lambda m: f"layers.{int(m[1]) // 2}.blocks.{m[2]}.", key)
        return key.replace(".mlp.0.", ".mlp.fc1.").replace(".mlp.3.", ".mlp.fc2.")

    return {named(key): tensor for key, tensor in tensors.items() if not key.endswith("relative_position_index")}


def save_trunk(path: Path, found: Recognised) -> None:
    """Writes a file for `model.weights`."""
    backbone = build_backbone(ModelSection(backbone=found.backbone, pretrained=False, norm=False))
    _trunk(backbone).load_state_dict(found.trunk)
    save_weights(path, _trunk(backbone), about={"backbone": found.backbone})


def save_net(paths: list[Path], found: Recognised, *, schema: LabelSchema, recipe: Recipe) -> None:
    """Writes the weights of a run whose joint head is the old last layer, and which normalises as the old one did."""
    model = recipe.model.model_copy(update={"pretrained": False})
    net = build_net(schema, model, data=recipe.data)
    _trunk(net.backbone).load_state_dict(found.trunk)
    assert found.classifier is not None
    weight, bias = found.classifier
    net.head.answers[JOINT].load_state_dict({"weight": weight, "bias": bias})
    if recipe.data.normalize == "dataset":
        mean, std = _as_inputs(net.backbone)
        net.inputs.mean.copy_(mean)
        net.inputs.std.copy_(std)
    for path in paths:
        save_weights(path, net, about={"backbone": found.backbone, "label_schema": schema.fingerprint})


def _as_inputs(backbone: Any) -> tuple[Tensor, Tensor]:
    """The mean and deviation for `data.normalize: dataset` with which the backbone sees what the old network saw.

    Inputs makes (x - m) / s * us + um of a photo x, the backbone (. - mb) / sb of that: together (x - mo) / so.
    """
    usual_mean, usual_std = torch.tensor(USUAL_MEAN), torch.tensor(USUAL_STD)
    own_mean, own_std = backbone.means.flatten(), backbone.stds.flatten()
    old_mean, old_std = 255 * torch.tensor(OLD_MEAN), 255 * torch.tensor(OLD_STD)
    std = usual_std * old_std / own_std
    return old_mean + (usual_mean - own_mean) * std / usual_std, std
