"""Which recipe is meant: of the package by its name or a file, with changes, for one network or several."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib.resources import files
from itertools import takewhile
from pathlib import Path
from typing import Any

from trifacet.core.config import Layer, Resolved, read_layer, resolve, set_layer
from trifacet.core.errors import ConfigError, error, nearest, pick
from trifacet.core.recipe import Recipe
from trifacet.learn.backbones import check_backbone
from trifacet.learn.optimizers import check_optimizer
from trifacet.learn.terms import check_age_terms, check_terms
from trifacet.pixels.masks import check_kinds

Networks = dict[str, Resolved[Recipe]]  # by their names; of one alone it is ""

EACH = "each"  # the key under which a recipe names several networks
SECTIONS = frozenset(field.alias or name for name, field in Recipe.model_fields.items())
CHECKS: dict[str, Callable[[Any], str | None]] = {  # names that only a room knows
    "model.backbone": check_backbone,
    "loss.terms": check_terms,
    "loss.age_terms": check_age_terms,
    "optim.name": check_optimizer,
    "augment.mask_kinds": check_kinds,
}


def recipe_paths() -> dict[str, Path]:
    """The recipes in the package, by name."""
    folder = Path(str(files("trifacet") / "recipes"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def recipe_head(path: Path) -> dict[str, str]:
    """What a recipe's file says of itself: the `# key: text` lines before its settings; the first key is its name."""
    lines = takewhile(lambda line: line.startswith("# "), path.read_text(encoding="utf-8").splitlines())
    found = [line.removeprefix("# ").partition(": ") for line in lines]
    return {key: text.strip() for key, colon, text in found if colon and re.fullmatch(r"[\w-]+", key)}


def open_recipe(name: str | Path | Resolved[Recipe] = "quick", sets: Sequence[str] = ()) -> Resolved[Recipe]:
    """A recipe of one network, by its name in the package or of a file, with `key=value` changes.

    Raises:
        ConfigError: TRI100 to 104.
    """
    if isinstance(name, Resolved):
        return name
    layer = _layer(name)
    if EACH in layer.content:
        do = "`trifacet train`, a queue and `train_variants` take it; elsewhere name a file that holds one of them."
        raise error("TRI104", "a recipe of several networks, and one is wanted here", where=layer.origin, do=do)
    return resolve(Recipe, [layer, set_layer(sets)], checks=CHECKS)


def open_recipes(name: str | Path, sets: Sequence[str] = (), *, each: str = "") -> Networks:
    """The networks of a recipe: one, named ""; those under its key `each`; or one a value of KEY=A|B in `each`.

    Raises:
        ConfigError: TRI100 to 104.
    """
    return networks_of(_layer(name), sets, each=each)


def networks_of(layer: Layer, sets: Sequence[str] = (), *, each: str = "") -> Networks:
    """As `open_recipes`, of what a recipe says; `NAME.key=value` changes the network of that name alone.

    Raises:
        ConfigError: TRI101, TRI104.
    """
    shared = Layer(layer.origin, {key: value for key, value in layer.content.items() if key != EACH})
    if EACH not in layer.content:
        variants = {one: [*sets, one] for one in variants_of(each)} if each else {"": sets}
        return {name: resolve(Recipe, [shared, set_layer(own)], checks=CHECKS) for name, own in variants.items()}
    if each:
        raise error("TRI104", "the recipe is of several networks already", where="--each", got=layer.origin)
    networks, mistakes, others = Networks(), list[str](), _own(layer)
    if lost := next((one for one in sets if one.partition(".")[0].strip() not in {*SECTIONS, *others}), None):
        name = lost.partition(".")[0].strip()
        near = nearest(name, [*others, *sorted(SECTIONS)])
        do = f"Did you mean '{near}'?" if near else f"The networks are {', '.join(others)}."
        raise error("TRI101", f"'{name}' is no network of this recipe and no section", where="--set", got=lost, do=do)
    shared_sets = [one for one in sets if one.partition(".")[0].strip() not in others]
    for name, own in others.items():
        own_sets = [one.partition(".")[2] for one in sets if one.partition(".")[0].strip() == name]
        layers = [shared, Layer(f"{layer.origin}, {name}", own), set_layer(shared_sets), set_layer(own_sets)]
        try:
            networks[name] = resolve(Recipe, layers, checks=CHECKS, what=f"network '{name}'")
        except ConfigError as problem:
            if problem.code != "TRI101":
                raise
            mistakes.append(problem.what.rstrip("\n"))
    if mistakes:
        do = f"Correct each line; --set {next(iter(others))}.KEY=VALUE is about the network of that name alone."
        raise error("TRI101", "\n".join(mistakes) + "\n", do=do)
    return networks


def variants_of(each: str) -> list[str]:
    """`key=value` for each of the values in KEY=A|B|C. Raises ConfigError TRI104."""
    key, equals, values = (part.strip() for part in each.partition("="))
    named = [f"{key}={value.strip()}" for value in values.split("|")]
    if not equals or not key or len(named) < 2 or len(set(named)) < len(named) or f"{key}=" in named:
        what = "must be a setting and two or more different values, KEY=A|B"
        raise error("TRI104", what, where="--each", got=f"'{each}'")
    return named


def _own(layer: Layer) -> dict[str, dict[str, Any]]:
    """What each network of a recipe has of its own, by its name. Raises ConfigError TRI101."""
    told, where = layer.content[EACH], f"{layer.origin}: {EACH}"
    items = [(str(name), {} if own is None else own) for name, own in told.items()] if isinstance(told, dict) else []
    if len(dict(items)) < max(2, len(items)) or not all(isinstance(own, dict) for _, own in items):
        what = "must name two networks or more and what each has of its own, {a: {}, b: {model: {backbone: ...}}}"
        raise error("TRI101", what, where=where, got=told)
    if strange := [name for name, _ in items if name in SECTIONS or not re.fullmatch(r"[\w-]+", name)]:
        what = "a network's name is of letters, digits, - and _, and no section of a recipe"
        raise error("TRI101", what, where=where, got=", ".join(f"'{name}'" for name in strange))
    return dict(items)


def _layer(name: str | Path) -> Layer:
    path = Path(name)
    if path.suffix not in (".yaml", ".yml", ".json"):
        do = "See `trifacet recipes`; a file ends in .yaml or .json."
        path = pick(recipe_paths(), str(name), what="recipe", do=do)
    return read_layer(path)
