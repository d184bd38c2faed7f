"""What there is: recipes, backbones, losses, augmentations, settings; and what older systems left."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trifacet.cli.command import Command, Group
from trifacet.core.errors import error

if TYPE_CHECKING:
    from pydantic import BaseModel

config = typer.Typer(cls=Group, help="Settings and where they come from.")


def recipes() -> None:
    """List the recipes in the package, with their one line and what they reach on drawn faces."""
    from trifacet.choosing import recipe_head, recipe_paths
    from trifacet.cli import render

    heads = {name: recipe_head(path) for name, path in recipe_paths().items()}
    rows = [(name, head[name], head["drawn"].partition(";")[0]) for name, head in heads.items()]
    render.show("recipes", ("", "", "macro F1 on drawn faces"), rows)
    render.say("[dim]`trifacet config show RECIPE` prints every setting; a file of yours holds the differences only[/]")


def backbones(
    timm: Annotated[
        str, typer.Option(metavar="WORD", help="Also list timm's models whose name contains this word.")
    ] = "",
) -> None:
    """List what `model.backbone` may name."""
    from trifacet.cli import render
    from trifacet.learn.backbones import BACKBONES, timm_names

    rows = [(name, f"{b.image_size[0]} x {b.image_size[1]}", b.about) for name, b in BACKBONES.items()]
    rows.append(("timm/NAME", "", "any model of timm; weights from the hub, model.weights: PATH, or pretrained: false"))
    rows.append(("module:function", "", "your own; returns a torch module with an integer n_features"))
    rows.append(("A+B", "", "any of these side by side: the head reads the features of all of them"))
    render.show("backbones", ("", "height x width", ""), rows)
    if timm:
        found = timm_names(timm)
        render.say(f"{len(found)} of timm with '{timm}': " + ", ".join(f"timm/{name}" for name in found))


def _settings(name: str, section: type[BaseModel]) -> list[tuple[str, str, str]]:
    """Each key of a section of a recipe, its default, and what it is."""
    from trifacet.core.config import describe

    defaults = section().model_dump(mode="json")
    return [(f"{name}.{k}", json.dumps(defaults[k]).strip('"'), about) for k, about in describe(section).items()]


def losses() -> None:
    """List what `loss.terms` and `loss.age_terms` may name, and what else a loss may be told."""
    from trifacet.cli import render
    from trifacet.core.recipe import LossSection
    from trifacet.learn.terms import CLASS_TERMS, YEAR_TERMS

    known = {"classes": CLASS_TERMS, "years of age": YEAR_TERMS}
    rows = [(name, of, (t.__doc__ or "").splitlines()[0]) for of, terms in known.items() for name, t in terms.items()]
    rows.append(("module:function", "classes", "your own: logits (B, C) and class ids (B,) to losses (B,)"))
    render.show("losses", ("", "of", ""), rows)
    render.show("settings of losses", ("", "default", ""), _settings("loss", LossSection))
    render.say("[dim]what ages are learned as is `model.age`: years, corn (steps from year to year) or bands[/]")


def augmentations() -> None:
    """List what `augment` may do with training photos, and the operations that its policies may name."""
    from trifacet.cli import render
    from trifacet.core.policies import OPERATIONS
    from trifacet.core.recipe_photos import AugmentSection

    render.show("augmentations", ("", "default", ""), _settings("augment", AugmentSection))
    render.show("operations of augment.policy and augment.strength", ("", ""), list(OPERATIONS.items()))
    render.say("[dim]`trifacet train RECIPE --data DATA --dry-run` draws what the network would be shown[/]")


def import_config(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Another system's config.json, or kaggle-hpa's YAML.")],
    out: Annotated[Path | None, typer.Option("--out", help="The recipe to write; default beside FILE, .yaml.")] = None,
) -> None:
    """Read the settings of an older system as a recipe, and say what was fixed, left out, or is to be done by hand."""
    import yaml

    from trifacet.choosing import CHECKS
    from trifacet.cli import render
    from trifacet.core.files import check_suffix, write_text
    from trifacet.old_configs import import_config as read

    out = out or file.with_name(f"{file.stem}.recipe.yaml")
    check_suffix(out, ".yaml", ".yml", what="a recipe")
    if out.exists():
        raise error("TRI104", "this file exists already", where="--out", got=f"'{out}'")
    made = read(file, checks=CHECKS)
    head = [
        f"# {out.stem.removesuffix('.recipe')}: from {file.name} of {made.what}.",
        *(f"# - {n}" for n in made.notes),
    ]
    write_text(out, "\n".join(head) + "\n" + yaml.safe_dump(made.recipe, sort_keys=False))
    for note in made.notes:
        render.warn(note)
    render.say(f"read as settings of {made.what}: [bold]{out}[/]\nnext: trifacet train {out} --data DATA")


def import_weights(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="best.pth, epoch_0040.pth, ...")],
    out: Annotated[Path, typer.Option("--out", help="A file for model.weights (.safetensors), or a run's folder.")],
    settings: Annotated[
        Path | None, typer.Option("--config", help="The old settings file; default config.json beside FILE.")
    ] = None,
    backbone: Annotated[str, typer.Option(metavar="NAME", help="Which network it is, if not recognised.")] = "",
) -> None:
    """Read the weights of an older system, never its code: to start training from, or as a run that answers.

    A run needs the old 18-class head and the old settings file, which tells how photos were prepared.
    """
    from trifacet import importing
    from trifacet.cli import render

    made = importing.import_weights(file, out, config=settings, backbone=backbone)
    for note in made.notes:
        render.warn(note)
    render.say(f"recognised as {made.network}: [bold]{made.path}[/]")
    start = f"trifacet train --set model.backbone={made.network} --set model.weights={out} --data DATA"
    render.say(f"next: {f'trifacet predict {out} PHOTOS --out answers.parquet' if made.is_run else start}")


@config.command(cls=Command)
def show(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe's name, or a file.")] = "quick",
    sets: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A change.")] = None,
) -> None:
    """Print every setting of a recipe, what it means, and where its value comes from."""
    from trifacet.choosing import open_recipes
    from trifacet.cli import render
    from trifacet.core.config import choices, describe, flatten
    from trifacet.core.recipe import Recipe

    about, few = describe(Recipe), choices(Recipe)
    for network, resolved in open_recipes(recipe, sets or []).items():
        values = flatten(resolved.settings.model_dump(mode="json", by_alias=True))
        rows = []
        for key, value in values.items():
            origin = resolved.origins[key]
            place, of, own = origin.partition(", ")
            shown = f"{Path(place).name if Path(place).suffix else place}{of}{own}"
            rows.append((key, json.dumps(value).strip('"'), shown, f"{about.get(key, '')}{_listed(few.get(key, ()))}"))
        title = f"{recipe}: {network}" if network else recipe
        render.show(title, ("setting", "value", "from", "what it is"), rows)


def _listed(values: Sequence[str]) -> str:
    return f" ({' | '.join(values)})" if values else ""
