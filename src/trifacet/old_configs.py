"""Settings files of other systems as recipes, and what had to be read otherwise than it was written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trifacet.core.config import Check, Layer, read_layer, resolve
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
TERMS = ("cross_entropy", "focal", "f1", "label_smoothing", "class_balanced", "arc_face")
AUGMENTATIONS = ("BaseAugmentation", "CustomAugmentation")
PLAIN: Content = {"hidden": 0, "dropout": [0, 0]}  # their heads are one layer; ours has another in front of it

# AddGaussianNoise has deviation 1 after Normalize, whose unit is .243 of 255: 62. Ours is drawn evenly from 0 to this,
# which has the same mean.
NOISE = 124
TEMPLATE = "MyModel"

# What a settings file of training flags may hold and no recipe does at its top; two of them make it one.
FLAGS = {
    "augmentation", "criterion", "early_stop", "log_interval", "lr_decay_step", "resize", "val_ratio",
    "valid_batch_size",
}  # fmt: skip
OF_SYSTEM_3 = {"hidden_layer", "freeze", "smote", "data_multiply"}


@dataclass(frozen=True)
class Imported:
    """A recipe's differences from the defaults, and notes of what was fixed, left out or is to be done by hand."""

    what: str
    recipe: Content
    notes: tuple[str, ...]


def import_config(path: Path, *, checks: Mapping[str, Check]) -> Imported:
    """The recipe that a settings file of another system means: its JSON of training flags, or kaggle-hpa's YAML.

    checks: of the names that only rooms know, as wherever a recipe is opened.

    Raises:
        ConfigError: TRI102, it cannot be read; TRI106, it is none of them, or names what there is no recipe for;
            TRI101, what it means is no recipe that could be trained.
    """
    content = dict(read_layer(path).content)
    kind = _kind(content)
    if kind is None:
        known = "a JSON of training flags (criterion, resize, ...), or a YAML with train, transform and scheduler"
        raise error("TRI106", f"not a settings file that is known: {known}", where=str(path))
    what, read = kind
    notes: list[str] = []
    try:
        recipe = read(content, notes)
    except (KeyError, TypeError, ValueError) as problem:
        raise error(
            "TRI106", "this settings file holds something unexpected", where=str(path), got=str(problem)
        ) from None
    resolve(Recipe, [Layer(str(path), recipe)], checks=checks)  # what is left is told before a file is written
    return Imported(what, recipe, tuple(notes))


def is_old_config(content: Mapping[str, Any]) -> bool:
    """Whether a settings file's content is one of those that `import_config` reads; no recipe has their keys."""
    return _kind(content) is not None


def _kind(content: Mapping[str, Any]) -> tuple[str, Callable[[Content, list[str]], Content]] | None:
    """Which system's a settings file is, and what reads it."""
    if {"transform", "scheduler"} & content.keys() and isinstance(content.get("train"), dict):
        return "kaggle-hpa", _kaggle_hpa
    criteria = content.get("criterion")
    if not isinstance(criteria, list) and len(FLAGS & content.keys()) < 2:
        return None
    if isinstance(criteria, list) or "early_stop" in content or content.get("dataset") == "MyDataset":
        return "a config queue", _config_queue
    return "the official baseline", _baseline


def _baseline(content: Content, notes: list[str]) -> Content:
    """config.json of the official baseline's train.py."""
    given = _Given(content, notes)
    recipe = _common(given, model="BaseModel")
    if beyond := sorted(OF_SYSTEM_3 & content.keys()):
        notes.append(f"{', '.join(beyond)}: flags of system 3, most of which is in its code: `trifacet train system3`")
    name = _named(str(given.take("augmentation", default=AUGMENTATIONS[0])), AUGMENTATIONS, what="augmentation")
    height, width = (int(n) for n in given.take("resize", default=[128, 96]))
    recipe["data"] = {"image_size": [height, width], "crop": "none"}
    recipe["augment"] = dict(STILL)
    if name == "CustomAugmentation":
        recipe["data"] |= {"crop": "centre", "crop_size": [320, 256]}
        recipe["augment"] |= {"brightness": 0.1, "contrast": 0.1, "saturation": 0.1, "hue": 0.1, "noise": NOISE}
        was = f"noise of CustomAugmentation, deviation 1 of the normalised photo, {NOISE // 2} of 255, was on val too"
        notes.append(f"{was}: here in training alone, from 0 to {NOISE}")
    criterion = str(given.take("criterion", default="cross_entropy"))
    recipe |= _terms([criterion], notes, smoothing=0.0, model=recipe["model"])
    recipe["optim"] |= {"lr": float(given.take("lr", default=1e-3))}
    decay = int(given.take("lr_decay_step", default=20))
    recipe["schedule"] = {"name": "step", "step_epochs": decay, "gamma": 0.5, "by_epoch": True}
    notes.append("its split went by photo (or drew people twice): here `trifacet split` never divides a person")
    notes.append("the best epoch is that of the highest macro F1 on val, not of the highest accuracy")
    recipe["train"]["amp"] = "off"
    recipe["decide"] = {"fit": "argmax", "tta": "none"}
    given.tell_rest()
    return recipe


def _config_queue(content: Content, notes: list[str]) -> Content:
    """A file of configs/queue: criteria in a list, each of weight 1; cosine restarts that are written into the code."""
    given = _Given(content, notes)
    recipe = _common(given, model=TEMPLATE)  # all defaults are those of base_config.json
    height, width = (int(n) for n in given.take("resize", default=[128, 96]))
    augmentation = given.take("augmentation", default=AUGMENTATIONS[0])
    recipe["data"] = {"image_size": [height, width], "crop": "centre", "crop_size": [360, 360]}
    recipe["augment"] = STILL | {"flip": 0.5, "rotate_deg": 15, "brightness": 0.1, "contrast": 0.1, "saturation": 0.1}
    recipe["augment"] |= {"hue": 0.1}
    notes.append(
        f"augmentation {augmentation}: what gave its results (mirror, rotation 15, middle 360 x 360, colours .1)"
    )
    criteria = given.take("criterion", default=["cross_entropy"])
    names = [criteria] if isinstance(criteria, str) else [str(name) for name in criteria]
    recipe |= _terms(names, notes, smoothing=0.02, model=recipe["model"])
    ignored = {key: given.take(key, default=None) for key in ("lr", "lr_decay_step")}
    why = "had no effect there: its schedule is written into the code, and so it is here"
    notes.extend(f"{key} {value} {why}" for key, value in ignored.items() if value is not None)
    recipe["optim"] |= {"lr": 0.01}
    recipe["schedule"] = {
        "name": "restarts", "by_epoch": True, "cycle_epochs": 20, "cycle_mult": 1, "cycle_warmup": 5, "gamma": 0.5,
        "floor": 1e-3,
    }  # fmt: skip
    if patience := int(given.take("early_stop", default=10)):
        recipe["train"]["patience"] = patience
        notes.append(f"early_stop {patience} fights a cycle of 20 epochs: train.patience 20 or more suits it")
    notes.append("labels are the task's own: the moved age cut was trained and scored alike; data.label_map moves it")
    notes.append("its label corrections were never applied: `trifacet ingest` of a table of yours does")
    recipe["decide"] = {"fit": "argmax", "tta": "random:3"}
    notes.append("answers are the mean of probabilities over its three random views; there it was one of logits")
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
        "model": {"backbone": _backbone(str(take("model", "name", default="resnet34"))), "head": "joint", **PLAIN},
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
            "keep_epochs": 10,
        },
        "augment": STILL | {"flip": 0.5},
        "decide": {"fit": "rates", "tta": "flip"},
    }
    if "transform" in params:
        if policies := params["transform"].take("policies", default=None):
            recipe["augment"]["policy"] = str(policies)
        if params["transform"].take("per_image_norm", default=False):
            recipe["data"]["normalize"] = "per_image"
    if momentum := optim.take("momentum", default=None):
        recipe["optim"]["momentum"] = float(momentum)
    args: Content = {key: True for key in ("amsgrad", "nesterov") if optim.take(key, default=None)}
    if betas := optim.take("betas", default=None):
        numbers = betas.strip("()[] ").split(",") if isinstance(betas, str) else betas
        args["betas"] = [float(beta) for beta in numbers]
    if args:
        recipe["optim"]["args"] = args
    notes.append("its quarter turns and transposed photos are left out, of answers too: faces stand upright")
    notes.append("the last ten epochs are kept for `trifacet average`, which is its swa.py")
    if "binary_focal" in recipe["loss"]["terms"]:
        notes.append("each class is trained by itself; one class a photo is answered: a softmax of the same numbers")
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


def _common(given: _Given, *, model: str) -> Content:
    """What the baseline's flags and the queue's files have alike; `model` is the network where none is named."""
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
        "model": {"backbone": _backbone(str(given.take("model", default=model))), "head": "joint", **PLAIN},
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


def _named(name: str, known: Collection[str], *, what: str) -> str:
    """The known name that is meant, in whatever case. Raises ValueError with the nearest."""
    small = {one.lower(): one for one in known}
    if name.lower() in small:
        return small[name.lower()]
    near = nearest(name.lower(), list(small))
    raise ValueError(f"{what} {name!r}, " + (f"did you mean {small[near]}?" if near else f"known: {', '.join(known)}"))


def _backbone(name: str) -> str:
    if ":" in name:  # somebody put in a network of their own, as the message below says
        return name
    if name == TEMPLATE:
        raise ValueError(
            f"model {name!r}, the template whose network is in code alone; "
            "write here what it held, as ResNet50, or module:function of yours that returns it"
        )
    return BACKBONES[_named(name, BACKBONES, what="model")]


def _terms(names: list[str], notes: list[str], *, smoothing: float, model: Content) -> Content:
    """Criteria, summed with equal weights, as the sections `loss` and `model`."""
    loss: Content = {"terms": {}}
    names = [_named(name, TERMS, what="criterion") for name in names]
    for name in names:
        term = {"f1": "macro_f1", "label_smoothing": "cross_entropy", "class_balanced": "cross_entropy"}.get(name, name)
        loss["terms"][term] = loss["terms"].get(term, 0.0) + 1.0
    if "label_smoothing" in names and smoothing:
        loss |= {"label_smoothing": smoothing, "smoothing": "wrong"}
        notes.append(f"label smoothing {smoothing}, over all 18 classes and not over the 3 it was written for")
    elif "label_smoothing" in names:
        notes.append("label_smoothing smooths by 0 unless its code was changed: set loss.label_smoothing to yours")
    if "f1" in names:
        notes.append("the F1 loss counts all 18 classes, over several batches; there it counted 3 and crashed")
    if "class_balanced" in names:
        loss["class_weights"] = "effective"
    if "arc_face" in names:
        model = {**model, "classifier": "cosine"}
        notes.append("arc_face turns angles: the last layer is a cosine classifier (model.classifier)")
    return {"loss": loss, "model": model}


def _hpa_loss(name: str) -> str:
    known = {"binary_focal_loss": "binary_focal", "cross_entropy": "cross_entropy"}
    return known[_named(name, known, what="loss")]


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
    return {**by_name[_named(name, by_name, what="scheduler")], "by_epoch": True}
