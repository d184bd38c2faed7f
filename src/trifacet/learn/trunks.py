"""Two CC0 face networks as torch trunks: ResNet-29 (recognition) and ResNet-10 (age), read from the shipped weights.

    image (x - means) / 256 -> conv 7x7/2 -> ReLU -> max pool 3/2 -> blocks -> global mean -> 256 features

Each block is one *level*, counted from 1. No padding in the stem and in strided convolutions, and a shortcut that is
zero-padded at its end: that is how the source networks were trained, so it is kept to the pixel.

The per-channel scale of the sources (a folded batch norm) is folded into each convolution. Unfolded, weights of
standard deviation .0006-.02 stand beside scales of 3-14 and AdamW destroys them.

Features of face_resnet29 are face templates (it was trained to tell people apart): keep them in memory, never write,
log or return them to a user.

Source: https://github.com/davisking/dlib-models (CC0 1.0), converted by scripts/convert_trunks.py.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import accumulate

import torch
import torch.nn.functional as F
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from trifacet.core.errors import error, pick
from trifacet.core.files import sha256_bytes
from trifacet.learn.pooling import Pool

_MEANS = (122.782, 117.001, 104.298)  # RGB, from the sources
_SCALE = 1 / 256


@dataclass(frozen=True)
class TrunkSpec:
    """The shape of one trunk.

    `blocks` holds (channels, halves the map?) a level; `grids` the (level, cells a side) that a frozen-feature head
    reads; `default_size` is the side in pixels that the source was trained on.
    """

    name: str
    stem: int
    blocks: tuple[tuple[int, bool], ...]
    grids: tuple[tuple[int, int], ...]
    default_size: int

    @property
    def min_size(self) -> int:
        """The smallest height or width in pixels for which every convolution has an output."""
        side = 3  # what the last strided 3x3 convolution needs
        for _ in range(sum(halves for _, halves in self.blocks) - 1):
            side *= 2
        return 2 * (2 * side + 1) + 5  # before the 3/2 pool, before the 7/2 convolution

    @property
    def n_level_features(self) -> int:
        """How many numbers `level_features` gives an image."""
        return sum(self.blocks[level - 1][0] * cells**2 for level, cells in self.grids)


def _stage(channels: int, n_blocks: int, *, halves: bool = True) -> tuple[tuple[int, bool], ...]:
    return ((channels, halves),) + ((channels, False),) * (n_blocks - 1)


SPECS = {
    "face_resnet29": TrunkSpec(
        name="face_resnet29",
        stem=32,
        blocks=_stage(32, 3, halves=False) + _stage(64, 4) + _stage(128, 3) + _stage(256, 3) + _stage(256, 1),
        grids=((7, 1), (7, 2), (10, 1), (10, 2), (13, 1), (14, 1)),
        default_size=150,
    ),
    "face_resnet10": TrunkSpec(
        name="face_resnet10",
        stem=64,
        blocks=_stage(64, 1, halves=False) + _stage(128, 2) + _stage(256, 2),
        grids=((1, 1), (1, 2), (3, 1), (3, 2), (4, 1), (5, 1)),
        default_size=64,
    ),
}


class ConvNorm(nn.Module):
    """A convolution and, where `norm`, its batch norm."""

    def __init__(self, n_in: int, n_out: int, *, size: int, stride: int, padding: int, norm: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, size, stride, padding)
        self.norm: nn.Module = nn.BatchNorm2d(n_out) if norm else nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        """(B, n_in, H, W) -> (B, n_out, H', W'), not yet rectified."""
        out: Tensor = self.norm(self.conv(maps))
        return out


class Block(nn.Module):
    """A residual block of two 3x3 convolutions; one that `halves` has a 2x2 mean pool as its shortcut."""

    def __init__(self, n_in: int, n_out: int, *, halves: bool, norm: bool) -> None:
        super().__init__()
        self.halves = halves
        stride, padding = (2, 0) if halves else (1, 1)
        self.first = ConvNorm(n_in, n_out, size=3, stride=stride, padding=padding, norm=norm)
        self.second = ConvNorm(n_out, n_out, size=3, stride=1, padding=1, norm=norm)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, n_in, H, W) -> (B, n_out, H, W), or (B, n_out, H // 2, W // 2) where the block halves."""
        out: Tensor = self.second(F.relu(self.first(maps)))
        if self.halves:
            # Neither side is ever larger in both: the pool has the larger map, the convolution the more channels.
            maps = F.avg_pool2d(maps, 2)
            out = F.pad(out, (0, maps.shape[3] - out.shape[3], 0, maps.shape[2] - out.shape[2]))
            maps = F.pad(maps, (0, 0, 0, 0, 0, out.shape[1] - maps.shape[1]))
        return F.relu(out + maps)


class FaceTrunk(nn.Module):
    """A face network up to its global mean. Any image size from `min_size` works; normalisation happens inside.

    `n_features` and `n_level_features` are the widths of `forward` and `level_features`, `default_size` the side in
    pixels the source was trained on. The state dict of a trunk with norm layers holds those of one without.
    """

    def __init__(self, spec: TrunkSpec, *, norm: bool = False) -> None:
        super().__init__()
        self.spec = spec
        self.n_features = self.n_channels = spec.blocks[-1][0]
        self.n_level_features = spec.n_level_features
        self.default_size = spec.default_size
        self.min_size = spec.min_size
        self.stem = ConvNorm(3, spec.stem, size=7, stride=2, padding=0, norm=norm)
        widths = (spec.stem, *(channels for channels, _ in spec.blocks))
        self.blocks = nn.ModuleList(
            Block(n_in, n_out, halves=halves, norm=norm)
            for n_in, (n_out, halves) in zip(widths, spec.blocks, strict=False)
        )
        self.means: Tensor
        self.register_buffer("means", torch.tensor(_MEANS).view(1, 3, 1, 1), persistent=False)

    def maps(self, images: Tensor) -> list[Tensor]:
        """The map after each block: (B, channels, H', W'), one a level. `images` is (B, 3, H, W) RGB, 0..255.

        Raises:
            ValueError: height or width under `min_size`.
        """
        if min(images.shape[2:]) < self.min_size:
            size = " x ".join(str(side) for side in images.shape[2:])
            raise ValueError(f"{self.spec.name} needs at least {self.min_size} pixels a side, got {size}")
        out = F.max_pool2d(F.relu(self.stem((images - self.means) * _SCALE)), 3, 2)
        levels = []
        for block in self.blocks:
            out = block(out)
            levels.append(out)
        return levels

    def levels(self, images: Tensor) -> list[Tensor]:
        """The global mean after each block: (B, channels), one a level; the last is what `forward` gives."""
        return [maps.mean((2, 3)) for maps in self.maps(images)]

    def level_features(self, images: Tensor) -> Tensor:
        """What a head on the frozen trunk reads: (B, n_level_features), the levels of `spec.grids` side by side.

        For face_resnet29 these are 1,472: levels 7 and 10, whose maps still tell place, as their means and in
        2 x 2 cells (5 * 64 + 5 * 128), levels 13 and 14 as their means (256 + 256). face_resnet10 alike: 1, 3, 4, 5.
        """
        maps = self.maps(images)
        return torch.cat([_cell_means(maps[level - 1], cells) for level, cells in self.spec.grids], dim=1)

    def forward(self, images: Tensor, pool: Pool | None = None) -> Tensor:
        """The features of `images` ((B, 3, H, W) RGB, 0..255): (B, n_features), zero or above."""
        last = self.maps(images)[-1]
        return pool(last.flatten(2)) if pool else last.mean((2, 3))

    def group_matcher(self, *, coarse: bool = False) -> dict[str, object]:
        """Which parameters belong together, as timm's models tell it: the stem, and each block, or each size of map."""
        if not coarse:
            return {"stem": r"^stem", "blocks": r"^blocks\.(\d+)"}
        sizes = accumulate(int(halves) for _, halves in self.spec.blocks)
        return {"stem": r"^stem", "blocks": [(rf"^blocks\.{i}\.", (size,)) for i, size in enumerate(sizes)]}


def _cell_means(maps: Tensor, cells: int) -> Tensor:
    """The means of `cells` x `cells` parts: (B, channels * cells^2). As adaptive pooling, but it exports to ONNX."""
    height, width = maps.shape[2:]
    parts = [
        maps[:, :, i * height // cells : -(-(i + 1) * height // cells), :][
            :, :, :, j * width // cells : -(-(j + 1) * width // cells)
        ].mean((2, 3))
        for i in range(cells)
        for j in range(cells)
    ]
    return torch.cat(parts, dim=1)


def read_weights(name: str, folder: Traversable | None = None) -> dict[str, Tensor]:
    """The tensors of a shipped trunk as float32, its source's last layer (`fc.*`) included.

    `folder` is where `weights.json` and the weights lie (default: in the package).

    Raises:
        RunError: TRI403, the file is missing or its sha256 is not the recorded one.
    """
    folder = folder or files("trifacet.weights")
    try:
        entry = json.loads(folder.joinpath("weights.json").read_text(encoding="utf-8"))["files"][name]
        content = folder.joinpath(entry["file"]).read_bytes()
    except FileNotFoundError as problem:
        raise error("TRI403", "the weights are missing", where=name, do="Install trifacet again.") from problem
    if (sha256 := sha256_bytes(content)) != entry["sha256"]:
        raise error(
            "TRI403",
            f"the weights are damaged: their sha256 should begin {entry['sha256'][:12]}",
            where=str(entry["file"]),
            got=sha256[:12],
            do="Install trifacet again.",
        )
    return {key: tensor.float() for key, tensor in load(content).items()}


def _shipped(name: str, *, norm: bool) -> FaceTrunk:
    trunk = FaceTrunk(pick(SPECS, name, what="trunk"), norm=norm)
    weights = {key: tensor for key, tensor in read_weights(name).items() if not key.startswith("fc.")}
    unset = trunk.load_state_dict(weights, strict=False)
    if unset.unexpected_keys or any(".norm." not in key for key in unset.missing_keys):
        raise error("TRI403", "the weights belong to another network", where=name)
    return trunk


def face_resnet29(*, norm: bool = False) -> FaceTrunk:
    """dlib's face recognition ResNet-29 with its shipped weights: 5.5 M parameters, 256 features.

    `norm` puts batch norms in, not yet fitted to anything (for loading a checkpoint; `with_norm` fits them).

    Raises:
        RunError: TRI403, the shipped file is missing or damaged.
    """
    return _shipped("face_resnet29", norm=norm)


def face_resnet10(*, norm: bool = False) -> FaceTrunk:
    """dlib-models' age ResNet-10 with its shipped weights: 2.7 M parameters, 256 features.

    `norm` puts batch norms in, not yet fitted to anything (for loading a checkpoint; `with_norm` fits them).

    Raises:
        RunError: TRI403, the shipped file is missing or damaged.
    """
    return _shipped("face_resnet10", norm=norm)


@torch.no_grad()
def with_norm(trunk: FaceTrunk, images: Tensor) -> FaceTrunk:
    """A copy of `trunk` with a batch norm after each convolution that changes nothing yet, in evaluation mode.

    Running mean and variance are those of the convolution's output on `images` ((B, 3, H, W) RGB, 0..255, some 250
    augmented photos), weight = sqrt(variance + eps), bias = mean. Trained so, face_resnet29 gained .03 of macro F1.
    """
    fitted = copy.deepcopy(trunk).eval()
    handles = []
    for unit in [module for module in fitted.modules() if isinstance(module, ConvNorm)]:
        unit.norm = nn.BatchNorm2d(unit.conv.out_channels).to(unit.conv.weight.device).eval()
        handles.append(unit.norm.register_forward_pre_hook(_fit_to_identity))
    # One pass fits all of them: a fitted norm is the identity, so the next layer sees what it always saw.
    fitted(images)
    for handle in handles:
        handle.remove()
    return fitted.train(trunk.training)


def fold_norm(net: nn.Module) -> None:
    """Folds every batch norm after a convolution of a face trunk into it: the same answers, a tenth sooner.

    For answering only: a net is trained with its norms.
    """
    for unit in [module for module in net.modules() if isinstance(module, ConvNorm)]:
        if isinstance(unit.norm, nn.BatchNorm2d):
            unit.conv, unit.norm = fuse_conv_bn_eval(unit.conv, unit.norm), nn.Identity()


def has_fitted_norm(trunk: FaceTrunk) -> bool:
    """Whether the trunk has batch norms that have seen photos; fresh ones have a running mean of exactly zero."""
    norms = [module for module in trunk.modules() if isinstance(module, nn.BatchNorm2d)]
    return any(norm.running_mean is not None and bool(norm.running_mean.any()) for norm in norms)


def _fit_to_identity(norm: nn.Module, inputs: tuple[Tensor]) -> None:
    assert isinstance(norm, nn.BatchNorm2d)
    var, mean = torch.var_mean(inputs[0], dim=(0, 2, 3), correction=0)
    norm.get_buffer("running_mean").copy_(mean)
    norm.get_buffer("running_var").copy_(var)
    norm.weight.copy_((var + norm.eps).sqrt())
    norm.bias.copy_(mean)


@torch.no_grad()
def source_answer(name: str, images: Tensor) -> Tensor:
    """What the source network itself answers to `images` ((B, 3, H, W) RGB, 0..255); for parity tests only.

    face_resnet29: dlib's descriptor (B, 128), a face template; face_resnet10: probabilities (B, 81) of ages 0..80.
    """
    weights = read_weights(name)
    features = _shipped(name, norm=False).eval()(images)
    answer = F.linear(features, weights["fc.weight"], weights.get("fc.bias"))
    return answer.softmax(dim=1) if name == "face_resnet10" else answer
