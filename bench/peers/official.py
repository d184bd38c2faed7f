"""The official baseline's reading of photos, its network and its inference, written anew from what they do.

Photos are opened by Pillow and go one by one through PIL transforms; inference takes batches of 1,000 through a
DataLoader with half the cores as workers, at 96 x 128, and writes info.csv with `ans` filled in. Batch sizes, sizes,
means and the order of everything are the baseline's defaults.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as T

from trifacet.core.recipe_photos import AugmentSection

MEAN, STD = (0.548, 0.504, 0.479), (0.237, 0.247, 0.246)
TRAIN_SIZE, INFERENCE_SIZE = (128, 96), (96, 128)  # height, width; that they differ is the baseline's own
BATCH = 1000
BILINEAR = T.InterpolationMode.BILINEAR

Transform = Callable[[Image.Image], Tensor]


def plain() -> Transform:
    """Centre crop, resize, to a tensor, normalise."""
    chain: Transform = T.Compose([T.CenterCrop((320, 256)), *_resized(TRAIN_SIZE)])
    return chain


def whole() -> Transform:
    """The same without the crop: what its inference does, at the size of its training."""
    chain: Transform = T.Compose(_resized(TRAIN_SIZE))
    return chain


def custom() -> Transform:
    """Its CustomAugmentation: crop, resize, colour jitter of .1, to a tensor, normalise, Gaussian noise."""
    crop, resize, *rest = T.CenterCrop((320, 256)), *_resized(TRAIN_SIZE)
    chain: Transform = T.Compose([crop, resize, T.ColorJitter(0.1, 0.1, 0.1, 0.1), *rest, _add_noise])
    return chain


def augmented_as(ranges: AugmentSection) -> Transform:
    """Its chain with trifacet's changes in PIL transforms: mirror, geometry, brightness, contrast, saturation.

    Gains of single channels have no PIL transform and are left out.
    """
    resize, *rest = _resized(TRAIN_SIZE)
    zoom = (1 - ranges.scale, 1 + ranges.scale)
    chain: Transform = T.Compose([
        resize,
        T.RandomHorizontalFlip(ranges.flip),
        T.RandomAffine(ranges.rotate_deg, (ranges.shift, ranges.shift), zoom, interpolation=BILINEAR),
        T.ColorJitter(ranges.brightness, ranges.contrast, ranges.saturation),
        *rest,
    ])  # fmt: skip
    return chain


def _resized(size: tuple[int, int]) -> list[Any]:
    return [T.Resize(size, BILINEAR), T.ToTensor(), T.Normalize(MEAN, STD)]


def _add_noise(photo: Tensor) -> Tensor:
    return photo + torch.randn(photo.size())


class Photos(Dataset[Tensor]):
    """Photos on disk, opened and transformed when they are asked for."""

    def __init__(self, paths: Sequence[Path], transform: Transform) -> None:
        self.paths, self.transform = paths, transform

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        return self.transform(Image.open(self.paths[index]).convert("RGB"))


class BaseModel(nn.Module):
    """Its network: three convolutions, two max pools, dropout, a global mean and a linear layer."""

    def __init__(self, n_classes: int = 18) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, kernel_size=7, stride=1)
        self.conv2 = nn.Conv2d(32, 64, kernel_size=3, stride=1)
        self.conv3 = nn.Conv2d(64, 128, kernel_size=3, stride=1)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.25)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(128, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, n_classes) of normalised images (B, 3, H, W)."""
        maps = F.relu(self.conv2(F.relu(self.conv1(images))))
        maps = F.relu(self.conv3(self.dropout1(F.max_pool2d(maps, 2))))
        pooled = self.avgpool(self.dropout2(F.max_pool2d(maps, 2)))
        logits: Tensor = self.fc(torch.flatten(pooled, 1))
        return logits


def write_input(folder: Path, paths: Sequence[Path]) -> Path:
    """The folder as its inference wants it: images/ (copies of the photos) and an info.csv; the folder."""
    images = folder / "images"
    images.mkdir(parents=True)
    names = [f"{i:06d}{path.suffix}" for i, path in enumerate(paths)]
    for name, path in zip(names, paths, strict=True):
        shutil.copyfile(path, images / name)
    pl.DataFrame({"ImageID": names, "ans": [0] * len(names)}).write_csv(folder / "info.csv")
    return folder


@torch.no_grad()
def infer(folder: Path, out: Path, *, batch_size: int = BATCH) -> int:
    """Its inference script's work on such a folder, with an untrained network; the number of photos answered."""
    info = pl.read_csv(folder / "info.csv")
    paths = [folder / "images" / name for name in info["ImageID"]]
    dataset = Photos(paths, T.Compose(_resized(INFERENCE_SIZE)))
    loader = DataLoader(dataset, batch_size=batch_size, num_workers=(os.cpu_count() or 2) // 2, shuffle=False)
    model = BaseModel().eval()
    answers: list[int] = []
    for images in loader:
        answers.extend(model(images).argmax(dim=-1).numpy())
    info.with_columns(pl.Series("ans", answers)).write_csv(out)
    return len(answers)


def infer_by(peer: Path, folder: Path, *, out: Path) -> int:
    """The inference script in the folder `peer`, as a command with its own defaults; the number of photos answered.

    Its network's weights are those of an untrained `BaseModel`, saved as `best.pth`.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.save(BaseModel().state_dict(), out / "best.pth")
    options = ["--data_dir", folder, "--model_dir", out, "--output_dir", out]
    command = [sys.executable, "inference.py", *map(str, options)]
    subprocess.run(command, cwd=peer, check=True, capture_output=True)
    return pl.read_csv(out / "output.csv").height
