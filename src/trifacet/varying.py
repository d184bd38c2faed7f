"""One recipe in several variants of a setting to one model: a run for each, and all of them answering together."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trifacet.core.config import Resolved
from trifacet.core.ensemble import Ensemble
from trifacet.core.errors import error
from trifacet.core.files import atomic_folder, write_json
from trifacet.core.manifest import Manifest, read_manifest, write_manifest
from trifacet.core.recipe import Recipe
from trifacet.core.run import VARIANTS, locked, now
from trifacet.core.variants import Variants, VariantsInfo
from trifacet.joining import Choice, join_within
from trifacet.opening import (
    Progress,
    open_data,
    open_recipe,
    quiet,
    ready_to_train,
    require_train,
    start_from,
    usable,
    with_faces,
)
from trifacet.several import Part, start_inputs, trained_parts
from trifacet.training import Told, check

if TYPE_CHECKING:
    from trifacet.learn.train import OnTick


def train_variants(
    recipe: Path | str = "quick",
    *,
    data: Manifest | Path | str,
    each: str,
    out: Path | str,
    sets: Sequence[str] = (),
    init: Path | str | None = None,
    progress: Progress = quiet,
    on_tick: OnTick | None = None,
) -> Ensemble:
    """A manifest to a run for each value of one setting, all on the same people, which answer together, all alike.

    each: the setting and its values, "data.label_map.age_edges=[30, 58]|[30, 59]|[29, 58]".

    Raises:
        ConfigError: TRI100, TRI101, TRI104. ManifestError, RunError: what training a variant would stop at; TRI402.
    """
    require_train()
    settings = variants_of(each)
    recipes = [open_recipe(recipe, [*sets, setting]) for setting in settings]
    manifest = open_data(data, progress=progress)
    for one in recipes:
        manifest = with_faces(manifest, one.settings, progress=progress)
    made = new_variants(recipes, manifest, settings=settings, out=Path(out), init=Path(init) if init else None)
    return go_on(made, told=Told(progress, on_tick))


def variants_of(each: str) -> list[str]:
    """`key=value` for each of the values in KEY=A|B|C. Raises ConfigError TRI104."""
    key, equals, values = (part.strip() for part in each.partition("="))
    named = [f"{key}={value.strip()}" for value in values.split("|")]
    if not equals or not key or len(named) < 2 or len(set(named)) < len(named) or f"{key}=" in named:
        what = "must be a setting and two or more different values, KEY=A|B"
        raise error("TRI104", what, where="--each", got=f"'{each}'")
    return named


def new_variants(
    recipes: Sequence[Resolved[Recipe]], manifest: Manifest, *, settings: Sequence[str], out: Path, init: Path | None
) -> Variants:
    """A folder with everything that is known before the first variant is trained, whole or not at all."""
    ready = [ready_to_train(manifest, one.settings) for one in recipes]
    if any(one.schema != ready[0].schema for one in ready):
        do = "Move the cut in training alone: model.age=bands, data.label_map.age_edges."
        raise error("TRI104", "the variants answer other labels, so they cannot answer together", where="--each", do=do)
    start = start_from(init) if init else None
    for photos, one in zip(ready, recipes, strict=True):
        check(photos, one.settings, start=start)
    wanted = recipes[0].settings.train.seed
    seed = secrets.randbelow(2**31) if wanted == "random" else wanted
    info = VariantsInfo(
        name=out.name,
        created=now(),
        seed=seed,
        settings=tuple(settings),
        recipes=tuple(_seeded(one.settings, seed) for one in recipes),
        origins=recipes[0].origins,
        inputs=start_inputs(init),
    )
    with atomic_folder(out) as folder:
        write_manifest(Variants(folder, info).manifest_path, ready[0])
        write_json(folder / VARIANTS, info.model_dump(mode="json", by_alias=True))
    return Variants(out, info)


def _seeded(recipe: Recipe, seed: int) -> Recipe:
    """The recipe with a number where it says `random`: variants differ in one thing alone."""
    if recipe.train.seed != "random":
        return recipe
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"seed": seed})})


def go_on(variants: Variants, *, told: Told) -> Ensemble:
    """The variants trained, one after another, and joined; those that are finished are left alone.

    Raises:
        RunError: TRI407 all is done, TRI408 somebody trains them now. And what training raises.
    """
    info, n = variants.info, len(variants.info.recipes)

    def part(i: int) -> Part:
        def photos() -> Manifest:
            return usable(read_manifest(variants.manifest_path), info.recipes[i])

        return Part(variants.variant_path(i), f"{i + 1}/{n}", info.recipes[i], photos)

    with locked(variants):
        runs = trained_parts(variants, [part(i) for i in range(n)], told=told)
        choice = Choice(seed=info.seed)
        return join_within([run.path for run in runs], variants.path, choice=choice, names=info.settings)
