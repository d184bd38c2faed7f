"""Several networks to one model, those a recipe names or its variants: a run or folds each, all answering together."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from trifacet.choosing import Networks, open_recipes
from trifacet.core.config import Resolved
from trifacet.core.ensemble import Ensemble, is_ensemble
from trifacet.core.errors import error
from trifacet.core.files import atomic_folder, write_json
from trifacet.core.folds import open_folds
from trifacet.core.manifest import Manifest, read_manifest, write_manifest
from trifacet.core.recipe import Recipe
from trifacet.core.run import VARIANTS, locked, now
from trifacet.core.variants import Variants, VariantsInfo
from trifacet.data.split import in_folds, one_fold
from trifacet.folding import new_folds, train_folds
from trifacet.joining import Choice, join_within
from trifacet.opening import (
    Progress,
    open_data,
    quiet,
    ready_to_train,
    require_train,
    start_from,
    usable,
    with_faces,
)
from trifacet.several import Part, start_inputs, told_of, trained_parts, under_way
from trifacet.training import Told, check

if TYPE_CHECKING:
    from trifacet.learn.train import OnTick


def train_variants(
    recipe: Networks | Path | str = "strong",
    *,
    data: Manifest | Path | str,
    out: Path | str,
    folds: int | None = None,
    keep_val: bool = False,
    init: Path | str | None = None,
    progress: Progress = quiet,
    on_tick: OnTick | None = None,
) -> Ensemble:
    """A manifest to several networks, all trained on the same people, which answer together, all alike.

    recipe: that names them, or what `open_recipes` gives: one for each value of a setting, say. folds, keep_val: as in
    `train_folds`, each of them in the same folds.

    Raises:
        ConfigError: TRI100 to 104. ManifestError, RunError: what training one would stop at; TRI402.
    """
    require_train()
    networks = open_recipes(recipe) if isinstance(recipe, Path | str) else recipe
    if len(networks) < 2:
        do = "Open it by `open_recipes` with what varies, or train it alone."
        raise error("TRI104", "this recipe is of one network", where=str(recipe), do=do)
    manifest = open_data(data, progress=progress)
    if folds:
        manifest = in_folds(manifest, folds, keep_val=keep_val)
    for one in networks.values():
        manifest = with_faces(manifest, one.settings, progress=progress)
    made = new_variants(networks, manifest, out=Path(out), n_folds=folds or 0, init=Path(init) if init else None)
    return go_on(made, told=Told(progress, on_tick))


def new_variants(
    networks: Mapping[str, Resolved[Recipe]], manifest: Manifest, *, out: Path, n_folds: int, init: Path | None
) -> Variants:
    """A folder with everything that is known before the first network is trained, whole or not at all.

    manifest: in folds, where there are `n_folds`.
    """
    ready = _ready(networks, one_fold(manifest, 0) if n_folds else manifest)
    wanted = next(iter(networks.values())).settings.train.seed
    seed = secrets.randbelow(2**31) if wanted == "random" else wanted
    seeded = [Resolved(_seeded(one.settings, seed), one.origins) for one in networks.values()]
    info = VariantsInfo(
        name=out.name,
        created=now(),
        seed=seed,
        names=tuple(networks),
        recipes=tuple(one.settings for one in seeded),
        origins=tuple(one.origins for one in seeded),
        n_folds=n_folds,
        inputs=start_inputs(init),
    )
    start = start_from(init) if init else None
    with atomic_folder(out) as folder:
        made = Variants(folder, info)
        write_manifest(made.manifest_path, ready)
        write_json(folder / VARIANTS, info.model_dump(mode="json", by_alias=True))
        for i, one in enumerate(seeded):
            if n_folds:
                new_folds(one, manifest, out=made.variant_path(i), init=init)
            else:
                check(usable(ready, one.settings), one.settings, start=start)
    return Variants(out, info)


def _ready(networks: Mapping[str, Resolved[Recipe]], manifest: Manifest) -> Manifest:
    """The manifest as all of them are trained on it. Raises ConfigError TRI104, they answer other labels."""
    ready = [ready_to_train(manifest, one.settings) for one in networks.values()]
    if any(one.schema != ready[0].schema for one in ready):
        do = "Move the cut in training alone: model.age=bands, data.label_map.age_edges."
        raise error("TRI104", "they answer other labels, so they cannot answer together", where="each", do=do)
    return ready[0]


def _seeded(recipe: Recipe, seed: int) -> Recipe:
    """The recipe with a number where it says `random`: a drawn seed is the same for all."""
    if recipe.train.seed != "random":
        return recipe
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"seed": seed})})


def go_on(variants: Variants, *, told: Told) -> Ensemble:
    """The networks trained, one after another, and joined; those that are finished are left alone.

    Raises:
        RunError: TRI407 all is done, TRI408 somebody trains them now. And what training raises.
    """
    info = variants.info
    with locked(variants):
        paths = _folded(variants, told=told) if info.n_folds else _trained(variants, told=told)
        return join_within(paths, variants.path, choice=Choice(seed=info.seed), names=info.names)


def _trained(variants: Variants, *, told: Told) -> list[Path]:
    info = variants.info

    def part(i: int) -> Part:
        def photos() -> Manifest:
            return usable(read_manifest(variants.manifest_path), info.recipes[i])

        return Part(variants.variant_path(i), _label(info, i), info.recipes[i], info.origins[i], photos)

    return [run.path for run in trained_parts(variants, [part(i) for i in range(len(info.names))], told=told)]


def _folded(variants: Variants, *, told: Told) -> list[Path]:
    paths = [variants.variant_path(i) for i in range(len(variants.info.names))]
    with under_way(variants):
        for i, path in enumerate(paths):
            if not is_ensemble(path):
                train_folds(open_folds(path), told=told_of(_label(variants.info, i), told))
    return paths


def _label(info: VariantsInfo, i: int) -> str:
    return f"{i + 1}/{len(info.names)}"
