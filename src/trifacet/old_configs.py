"""Settings files of other systems as recipes, and what had to be read otherwise than it was written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trifacet.core.config import Layer, read_layer, resolve
from trifacet.core.errors import error, nearest
from trifacet.core.recipe import Recipe

Content = dict[str, Any]

BACKBONES = {
    "basemodel": "baseline_cnn",
    "resnet18": "timm/resnet18",
    "resnet34": "timm/resnet34",
    "resnet50": "timm/resnet50",
    "resnet101": "timm/resnet101",
    "resnet152": "timm/resnet152",
    "resnext50": "timm/resnext50_32x4d",
    "resnext101": "timm/resnext101_32x8d",
    "efficientnet_b3": "timm/efficientnet_b3",
    "efficientnet_b4": "timm/efficientnet_b4",
    "efficientnetb3": "timm/efficientnet_b3",
    "efficientnetb4": "timm/efficientnet_b4",
    "swin_t": "timm/swin_tiny_patch4_window7_224",
    "swin_s": "timm/swin_small_patch4_window7_224",
    "swin_b": "timm/swin_base_patch4_window7_224",
}
STILL: Content = dict.fromkeys(
    ("flip", "scale", "shift", "rotate_deg", "brightness", "contrast", "saturation", "channel_gain"), 0
)
TERMS = {"cross_entropy", "focal", "f1", "label_smoothing", "class_balanced", "arc_face"}


@dataclass(frozen=True)
class Imported:
    """A recipe's differences from the defaults, and notes of what was fixed, left out or is to be done by hand."""

    what: str
    recipe: Content
    notes: tuple[str, ...]


def import_config(path: Path) -> Imported:
    """The recipe that a settings file of another system means: its JSON of training flags, or kaggle-hpa's YAML.

    Raises:
        ConfigError: TRI102, it cannot be read; TRI106, it is none of them, or names what there is no recipe for.
    """
    content = dict(read_layer(path).content)
    kind = _kind(content)
    if kind is None:
        known = "a JSON with criterion, resize and augmentation, or a YAML with train, transform and scheduler"
        raise error("TRI106", f"not a settings file that is known: {known}", where=str(path))
    what, read = kind
    notes: list[str] = []
    try:
        recipe = read(content, notes)
    except (KeyError, TypeError, ValueError) as problem:
        raise error(
            "TRI106", "this settings file holds something unexpected", where=str(path), got=str(problem)
        ) from None
    resolve(Recipe, [Layer(str(path), recipe)])  # every mistake that is left is told here, before a file is written
    return Imported(what, recipe, tuple(notes))


def is_old_config(content: Mapping[str, Any]) -> bool:
    """Whether a settings file's content is one of those that `import_config` reads; no recipe has their keys."""
    return _kind(content) is not None


def _kind(content: Mapping[str, Any]) -> tuple[str, Callable[[Content, list[str]], Content]] | None:
    """Which system's a settings file is, and what reads it."""
    if {"transform", "scheduler"} & content.keys() and isinstance(content.get("train"), dict):
        return "kaggle-hpa", _kaggle_hpa
    if isinstance(content.get("criterion"), list):
        return "a config queue", _config_queue
    if {"criterion", "resize", "augmentation"} <= content.keys():
        return "the official baseline", _baseline
    return None


def _baseline(content: Content, notes: list[str]) -> Content:
    """config.json of the official baseline's train.py."""
    given = _Given(content, notes)
    recipe = _common(given)
    name = str(given.take("augmentation", default="BaseAugmentation"))
    height, width = (int(n) for n in given.take("resize", default=[128, 96]))
    recipe["data"] = {"image_size": [height, width], "crop": "none"}
    recipe["augment"] = dict(STILL)
    if name == "CustomAugmentation":
        recipe["data"] |= {"crop": "centre", "crop_size": [320, 256]}
        recipe["augment"] |= {"brightness": 0.1, "contrast": 0.1, "saturation": 0.1, "hue": 0.1, "noise": 1}
        notes.append("noise of CustomAugmentation was of the normalised photo and on val too: here of training alone")
    elif name != "BaseAugmentation":
        raise ValueError(f"augmentation {name!r}")
    recipe["loss"] = _terms([str(given.take("criterion", default="cross_entropy"))], notes, smoothing=0.1)
    recipe["optim"] |= {"lr": float(given.take("lr", default=1e-3))}
    decay = int(given.take("lr_decay_step", default=20))
    recipe["schedule"] = {"name": "step", "step_epochs": decay, "gamma": 0.5, "by_epoch": True}
    notes.append("its split went by photo (or drew people twice): here `trifacet split` never divides a person")
    notes.append("the best epoch is that of the highest macro F1 on val, not of the highest accuracy")
    given.tell_rest()
    return recipe


def _config_queue(content: Content, notes: list[str]) -> Content:
    """A file of configs/queue: criteria in a list, each of weight 1; cosine restarts that are written into the code."""
    given = _Given(content, notes)
    recipe = _common(given)
    height, width = (int(n) for n in given.take("resize", default=[128, 96]))
    augmentation = given.take("augmentation", default="BaseAugmentation")
    recipe["data"] = {"image_size": [height, width], "crop": "centre", "crop_size": [360, 360]}
    recipe["augment"] = STILL | {"flip": 0.5, "rotate_deg": 15, "brightness": 0.1, "contrast": 0.1, "saturation": 0.1}
    recipe["augment"] |= {"hue": 0.1}
    notes.append(
        f"augmentation {augmentation}: what gave its results (mirror, rotation 15, middle 360 x 360, colours .1)"
    )
    recipe["loss"] = _terms([str(name) for name in given.take("criterion", default=[])], notes, smoothing=0.02)
    ignored = {key: given.take(key, default=None) for key in ("lr", "lr_decay_step")}
    why = "had no effect there: its schedule is written into the code, and so it is here"
    notes.extend(f"{key} {value} {why}" for key, value in ignored.items() if value is not None)
    recipe["optim"] |= {"lr": 0.01}
    recipe["schedule"] = {
        "name": "restarts", "by_epoch": True, "cycle_epochs": 20, "cycle_mult": 1, "cycle_warmup": 5, "gamma": 0.5,
        "floor": 1e-3,
    }  # fmt: skip
    if patience := int(given.take("early_stop", default=0)):
        recipe["train"]["patience"] = patience
        notes.append(f"early_stop {patience} fights a cycle of 20 epochs: train.patience 20 or more suits it")
    notes.append("labels are the task's own: the moved age cut was trained and scored alike; data.label_map moves it")
    notes.append("its label corrections were never applied: `trifacet ingest` of a table of yours does")
    given.tell_rest()
    return recipe


def _kaggle_hpa(content: Content, notes: list[str]) -> Content:
    """A YAML of kaggle-hpa: sections data, model, train, optimizer, scheduler, transform, loss."""
    given = {name: _Given(dict(section), notes, prefix=f"{name}.") for name, section in content.items() if section}

    def take(section: str, key: str, *, default: Any) -> Any:
        return given[section].take(key, default=default) if section in given else default

    n_parts = int(take("train", "num_grad_acc", default=None) or 1)
    params = {
        name: _Given(dict(take(name, "params", default=None) or {}), notes, prefix=f"{name}.params.") for name in given
    }
    optim, schedule = params.get("optimizer", _Given({}, notes)), params.get("scheduler", _Given({}, notes))
    size = int(params["transform"].take("size", default=512)) if "transform" in params else 512
    recipe: Content = {
        "data": {"image_size": [size, size], "crop": "none"},
        "model": {"backbone": _backbone(str(take("model", "name", default="resnet34"))), "head": "joint"},
        "loss": {"terms": {_hpa_loss(str(take("loss", "name", default="cross_entropy"))): 1.0}},
        "optim": {
            "name": str(take("optimizer", "name", default="adam")).lower(),
            "lr": float(optim.take("lr", default=1e-3)),
            "head_lr": None,
            "weight_decay": float(optim.take("weight_decay", default=0.0)),
            "clip_norm": None,
        },
        "schedule": _hpa_schedule(str(take("scheduler", "name", default="none")), schedule),
        "train": {
            "epochs": int(take("train", "num_epochs", default=2000)),
            "head_epochs": 0,
            "batch_size": int(take("train", "batch_size", default=64)) * n_parts,
            "accumulate": n_parts,
        },
        "augment": dict(STILL),
    }
    if "transform" in params:
        if policies := params["transform"].take("policies", default=None):
            recipe["augment"]["policy"] = str(policies)
        if params["transform"].take("per_image_norm", default=False):
            recipe["data"]["normalize"] = "per_image"
    if momentum := optim.take("momentum", default=None):
        recipe["optim"]["momentum"] = float(momentum)
    if betas := optim.take("betas", default=None):
        numbers = betas.strip("()[] ").split(",") if isinstance(betas, str) else betas
        recipe["optim"]["args"] = {"betas": [float(beta) for beta in numbers]}
    notes.append("its quarter turns and transposed photos are left out: faces stand upright")
    for rest in (*given.values(), *params.values()):
        rest.tell_rest()
    return recipe


@dataclass(frozen=True)
class _Given:
    """The keys of a file; what nobody took is told of at the end."""

    content: Content
    notes: list[str]
    prefix: str = ""

    def take(self, key: str, *, default: Any) -> Any:
        value = self.content.pop(key, default)
        return default if value is None else value

    def tell_rest(self) -> None:
        left = {key: value for key, value in self.content.items() if key not in UNNEEDED and value not in (None, {})}
        self.notes.extend(f"{self.prefix}{key}: {value!r} has nothing to answer it here" for key, value in left.items())
        self.content.clear()


UNNEEDED = (
    "log_interval", "valid_batch_size", "model_dir", "data_dir", "label_dir", "config", "dir", "num_preprocessor"
)  # fmt: skip


def _common(given: _Given) -> Content:
    """What the baseline's flags and the queue's files have alike."""
    split, name, dataset = (
        given.take("val_ratio", default=0.2),
        given.take("name", default=""),
        given.take("dataset", default=""),
    )
    given.notes.append(f"val_ratio {split}: `trifacet split MANIFEST --out SPLIT --val {split}`")
    if name:
        given.notes.append(f"name {name}: `trifacet train ... --name {name}`")
    if dataset:
        given.notes.append(f"dataset {dataset}: `trifacet ingest` reads the photos")
    return {
        "model": {"backbone": _backbone(str(given.take("model", default="BaseModel"))), "head": "joint"},
        "optim": {
            "name": str(given.take("optimizer", default="SGD")).lower(),
            "head_lr": None,
            "weight_decay": 5e-4,
            "momentum": 0.0,
            "clip_norm": None,
        },
        "train": {
            "seed": int(given.take("seed", default=42)),
            "epochs": int(given.take("epochs", default=1)),
            "head_epochs": 0,
            "batch_size": int(given.take("batch_size", default=64)),
        },
    }


def _backbone(name: str) -> str:
    if name.lower() in BACKBONES:
        return BACKBONES[name.lower()]
    near = nearest(name.lower(), list(BACKBONES))
    hint = f", did you mean {near}?" if near else "; put a network of your own in as module:function afterwards"
    raise ValueError(f"model {name!r}{hint}")


def _terms(names: list[str], notes: list[str], *, smoothing: float) -> Content:
    """Criteria, summed with equal weights, as the section `loss`."""
    if unknown := [name for name in names if name not in TERMS]:
        raise ValueError(f"criterion {unknown[0]!r}")
    loss: Content = {"terms": {}}
    for name in names:
        term = {"f1": "macro_f1", "label_smoothing": "cross_entropy", "class_balanced": "cross_entropy"}.get(name, name)
        loss["terms"][term] = loss["terms"].get(term, 0.0) + 1.0
    if "label_smoothing" in names:
        loss |= {"label_smoothing": smoothing, "smoothing": "wrong"}
        notes.append(f"label smoothing {smoothing}, over all 18 classes and not over the 3 it was written for")
    if "f1" in names:
        notes.append("the F1 loss counts all 18 classes, over several batches; there it counted 3 and crashed")
    if "class_balanced" in names:
        loss["class_weights"] = "effective"
    if "arc_face" in names:
        raise ValueError("criterion 'arc_face', which needs a cosine classifier: set model.classifier by hand")
    return loss


def _hpa_loss(name: str) -> str:
    known = {"binary_focal_loss": "binary_focal", "cross_entropy": "cross_entropy"}
    if name not in known:
        raise ValueError(f"loss {name!r}")
    return known[name]


def _hpa_schedule(name: str, params: _Given) -> Content:
    gamma = float(params.take("gamma", default=0.95 if name == "exponential" else 0.1))
    by_name: Mapping[str, Content] = {
        "none": {"name": "constant"},
        "step": {"name": "step", "step_epochs": int(params.take("step_size", default=20)), "gamma": gamma},
        "multi_step": {
            "name": "multi_step",
            "milestones": list(params.take("milestones", default=[30])),
            "gamma": gamma,
        },
        "exponential": {"name": "exponential", "gamma": gamma},
        "reduce_lr_on_plateau": {
            "name": "plateau",
            "gamma": float(params.take("factor", default=0.1)),
            "patience": int(params.take("patience", default=10)),
        },
        "cosine": {"name": "cosine", "warmup": 0.0},
    }
    if name not in by_name:
        raise ValueError(f"scheduler {name!r}")
    return {**by_name[name], "by_epoch": True}
