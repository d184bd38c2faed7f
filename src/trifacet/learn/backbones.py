"""What turns a batch of photos into features: the registry of backbones, and the weights they start from.

Importing this module does not import torch, so that names can be listed and checked in no time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trifacet.core.errors import error, nearest, pick
from trifacet.core.own import load_own
from trifacet.core.recipe import ModelSection

if TYPE_CHECKING:
    from torch import nn

TIMM = "timm/"
BESIDE = "+"  # between the names of backbones side by side


@dataclass(frozen=True)
class Backbone:
    """An entry of the registry: one line about it, the input size it likes, and how it is built."""

    about: str
    image_size: tuple[int, int]
    build: Callable[[ModelSection], nn.Module]


def _face_resnet29(model: ModelSection) -> nn.Module:
    from trifacet.learn.trunks import SPECS, FaceTrunk, face_resnet29

    return face_resnet29(norm=model.norm) if model.pretrained else FaceTrunk(SPECS["face_resnet29"], norm=model.norm)


def _face_resnet10(model: ModelSection) -> nn.Module:
    from trifacet.learn.trunks import SPECS, FaceTrunk, face_resnet10

    return face_resnet10(norm=model.norm) if model.pretrained else FaceTrunk(SPECS["face_resnet10"], norm=model.norm)


def _baseline_cnn(_: ModelSection) -> nn.Module:
    from trifacet.learn.convnets import BaselineCNN

    return BaselineCNN()


BACKBONES: dict[str, Backbone] = {
    "baseline_cnn": Backbone(
        "three convolutions, as in the official baseline; no trained weights", (128, 96), _baseline_cnn
    ),
    "face_resnet10": Backbone("dlib-models' age network, 2.7 M parameters, CC0, shipped", (128, 128), _face_resnet10),
    "face_resnet29": Backbone("dlib's face network, 5.5 M parameters, CC0, shipped", (150, 150), _face_resnet29),
}


def check_backbone(name: str) -> str | None:
    """What is wrong with a backbone's name, or None. Names of timm and module:function are tried when built."""
    if BESIDE in name:
        return next((wrong for part in name.split(BESIDE) if (wrong := check_backbone(part))), None)
    if name in BACKBONES or name.startswith(TIMM) or ":" in name:
        return None
    near = nearest(name, list(BACKBONES))
    hint = f"Did you mean '{near}'?" if near else f"Known: {', '.join(BACKBONES)}, timm/NAME, module:function, A+B."
    return f"no backbone '{name}'. {hint} See `trifacet backbones`."


def timm_names(word: str) -> list[str]:
    """Names of timm's models that contain `word`."""
    import timm

    return [name for name in timm.list_models() if word in name]


def build_backbone(model: ModelSection) -> nn.Module:
    """The backbone a recipe names: float (B, 3, H, W) RGB in 0..255 to features (B, n_features).

    Raises:
        ConfigError: TRI100, TRI105, no such backbone.
        RunError: TRI403, weights that cannot be had or do not fit; never a silent fall-back to random ones.
    """
    name = model.backbone
    if BESIDE in name:
        return _build_joined(name.split(BESIDE), model)
    if name.startswith(TIMM):
        return _build_timm(name.removeprefix(TIMM), model)
    if name not in BACKBONES and ":" in name:
        backbone = _build_own(name)
    else:
        backbone = pick(BACKBONES, name, what="backbone", do="See `trifacet backbones`.").build(model)
    if model.weights:
        load_weights(backbone, Path(model.weights))
    return backbone


def _build_joined(names: Sequence[str], model: ModelSection) -> nn.Module:
    from trifacet.learn.joined import Joined

    if model.weights:
        do = "Leave it out: each backbone starts from its own weights."
        raise error("TRI101", "one file cannot be for several backbones", where="model.weights", do=do)
    trunks = [build_backbone(model.model_copy(update={"backbone": name})) for name in names]
    sizes = {size for trunk in trunks if (size := getattr(trunk, "fixed_size", None))}
    if len(sizes) > 1:
        what = "these backbones take photos of different sizes, and side by side they see the same"
        raise error("TRI101", what, where="model.backbone", got=", ".join(map(str, sorted(sizes))))
    return Joined(trunks)


def load_weights(module: nn.Module, path: Path) -> None:
    """Loads a safetensors file into `module`; what the file has beyond it (a classifier) is left out.

    Raises:
        RunError: TRI403, missing, damaged, or lacking tensors that the module needs.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as problem:
        raise error("TRI403", "cannot be read as safetensors", where=str(path), got=str(problem)) from None
    expected = module.state_dict()
    wrong = [k for k, v in expected.items() if k not in tensors or tensors[k].shape != v.shape]
    if wrong:
        got = f"{len(wrong)} of {len(expected)} tensors missing or of another shape, first '{wrong[0]}'"
        raise error("TRI403", "these weights belong to another network", where=str(path), got=got)
    module.load_state_dict({k: tensors[k] for k in expected})


def _build_timm(name: str, model: ModelSection) -> nn.Module:
    import timm

    from trifacet.learn.convnets import TimmTrunk
    from trifacet.learn.packaged import load_packaged, packaged_path

    model_name, _, tag = name.partition(".")
    if model_name in timm.list_models() and tag and name not in timm.list_pretrained():
        do = f"Known: {', '.join(timm.list_pretrained(f'{model_name}.*')) or 'none'}."
        raise error("TRI100", f"timm has no weights '{name}'.", where="model.backbone", do=do)
    if model_name not in timm.list_models():
        near = nearest(name, timm.list_models())
        hint = f"Did you mean 'timm/{near}'?" if near else "See `trifacet backbones --timm WORD`."
        raise error("TRI100", f"timm has no model '{name}'.", where="model.backbone", do=hint)
    packaged = packaged_path(model_name) if model.pretrained and not model.weights and not tag else None
    from_hub = model.pretrained and not model.weights and not packaged
    try:
        trunk = timm.create_model(name, pretrained=from_hub, num_classes=0)
    except Exception as problem:  # the hub client raises dozens of kinds
        if not from_hub:
            raise
        do = "Give model.weights: PATH to a safetensors file, or say model.pretrained: false to start from nothing."
        got = (str(problem) or type(problem).__name__).splitlines()[0][:200]
        raise error(
            "TRI403", f"timm could not get weights for '{name}'", where="model.backbone", got=got, do=do
        ) from None
    if packaged:
        load_packaged(trunk, model_name, path=packaged)
    elif model.weights:
        load_weights(trunk, Path(model.weights))
    return TimmTrunk(trunk)


def _build_own(name: str) -> nn.Module:
    from torch import nn

    build = load_own(name, where="model.backbone")
    try:
        backbone = build()
    except Exception as problem:
        got = f"{type(problem).__name__}: {problem}"
        raise error("TRI105", f"'{name}' could not build its module", where="model.backbone", got=got) from problem
    if not isinstance(backbone, nn.Module) or not isinstance(getattr(backbone, "n_features", None), int):
        what = f"'{name}' must return a torch module with an integer attribute n_features"
        raise error("TRI105", what, where="model.backbone", got=type(backbone).__name__)
    return backbone
