"""Weights of older systems: a file that training starts from, or a run that answers as the old model did."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trifacet.choosing import CHECKS
from trifacet.core.config import Layer, Resolved, resolve
from trifacet.core.errors import error
from trifacet.core.files import atomic_folder, sha256_file
from trifacet.core.predictions import argmax_rule
from trifacet.core.recipe import Recipe
from trifacet.core.run import RunInfo, create_run, machine, now, save_run, versions
from trifacet.core.schema import DEFAULT_SCHEMA
from trifacet.old_configs import import_config
from trifacet.opening import require_train

CONFIG = "config.json"  # what the official baseline writes beside its weights
STAMP = "the weights were trained elsewhere: a score over photos that they were trained on flatters"


@dataclass(frozen=True)
class ImportedWeights:
    """What was made: a file for `model.weights`, or a run; which network it is, and what a person should know."""

    path: Path
    network: str
    is_run: bool
    notes: tuple[str, ...]


def import_weights(
    path: Path | str, out: Path | str, *, config: Path | str | None = None, backbone: str = ""
) -> ImportedWeights:
    """Weights saved by torch.save, of another system, to `out`: a .safetensors file, or a run that predicts.

    A run needs the 18-class head, and the settings file (`config`, else config.json beside the weights), which tells
    how photos were prepared. backbone: which network it is, where it is not recognised.

    Raises:
        ConfigError: TRI100, TRI102, TRI104, TRI106. RunError: TRI402, TRI450 code, TRI451 no network that is known.
    """
    require_train()
    from trifacet.learn.old_weights import read_old, recognise, save_trunk

    path, out = Path(path), Path(out)
    is_run = out.suffix != ".safetensors"
    told = (Path(config) if config else path.with_name(CONFIG)) if is_run else None
    if out.exists() and (not is_run or not out.is_dir() or any(out.iterdir())):
        raise error("TRI402", "this place is taken", where=str(out))
    if told and not told.is_file():
        what = "a run needs the old settings file, which tells how photos were prepared"
        do = "Name it with --config, or write the backbone alone: --out weights.safetensors."
        raise error("TRI104", what, where="--config", got=f"no {told}", do=do)
    old = read_old(path)
    found = recognise(old, backbone=backbone, where=str(path))
    notes = [f"beside the weights, left out: {', '.join(old.beside)}"] if old.beside else []
    if found.left_out:
        first = ", ".join(found.left_out[:4])
        notes.append(f"left out, {len(found.left_out)} tensors with no place here: {first}")
    if told:
        from trifacet.learn.old_weights import save_net

        n_classes = len(found.classifier[1]) if found.classifier else 0
        if n_classes != DEFAULT_SCHEMA.n_joint:
            do = "Write the backbone alone: --out weights.safetensors; it is trained on from there."
            got = f"{n_classes} classes" if n_classes else "none that is one plain layer"
            what = f"a run that answers needs a last layer of {DEFAULT_SCHEMA.n_joint} classes"
            raise error("TRI451", what, where=str(path), got=got, do=do)
        recipe, more = _recipe(told, found.backbone)
        with atomic_folder(out) as folder:
            info = _info(out.name, recipe, notes=(*notes, *more), source=path)
            run = create_run(folder, info)
            weights = [run.weights_path("best"), run.weights_path("last")]
            save_net(weights, found, schema=DEFAULT_SCHEMA, recipe=recipe.settings)
            save_run(run, status="finished", finished=now())
        notes += more
    else:
        if found.classifier:
            notes.append(f"left out, the last layer of {len(found.classifier[1])} classes: a new head is trained")
        save_trunk(out, found)
    return ImportedWeights(out, found.backbone, is_run, tuple(notes))


def _recipe(config: Path, backbone: str) -> tuple[Resolved[Recipe], list[str]]:
    """The recipe by which the imported run answers, and notes of what is otherwise than the settings file says."""
    old, notes = import_config(config, checks=CHECKS), list[str]()
    if old.what == "kaggle-hpa":
        do = "Write the backbone alone: --out weights.safetensors."
        raise error("TRI451", "kaggle-hpa's heads answer each class by itself", where=str(config), do=do)
    if (named := old.recipe["model"]["backbone"]) != backbone:
        notes.append(f"{config.name} names {named}, but the weights are those of {backbone}, as which they answer")
    content = dict(old.recipe)
    content["model"] = {"backbone": backbone, "head": "joint", "hidden": 0, "dropout": [0, 0], "norm": False}
    if backbone.startswith("timm/"):  # the baseline's own network has these statistics inside
        content["data"] = {**content["data"], "normalize": "dataset"}
    if "arc_face" in content["loss"]["terms"]:
        content["loss"] = {}  # it was of training alone, and needs another last layer than the plain one that answers
    content["decide"] = {"fit": "argmax", "tta": "none"}
    notes.append("photos are normalised by the official baseline's mean and deviation")
    return resolve(Recipe, [Layer(str(config), content)]), notes


def _info(name: str, recipe: Resolved[Recipe], *, notes: tuple[str, ...], source: Path) -> RunInfo:
    seed = recipe.settings.train.seed
    return RunInfo(
        name=name,
        created=now(),
        seed=seed if isinstance(seed, int) else 0,
        recipe=recipe.settings,
        origins=recipe.origins,
        label_schema=DEFAULT_SCHEMA,
        priors=argmax_rule(DEFAULT_SCHEMA).priors,
        n_photos={},
        n_persons={},
        inputs={"weights": sha256_file(source)},
        stamps=(STAMP,),
        versions=versions(),
        machine=machine(),
        notes=notes,
    )
