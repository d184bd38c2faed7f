"""Several networks to one model, those a recipe names or its variants: a run or folds each, all answering together."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from trifacet.choosing import Networks, open_recipes
from trifacet.core.config import Resolved
from trifacet.core.ensemble import Ensemble, is_ensemble
from trifacet.core.errors import TrifacetError, error
from trifacet.core.files import atomic_folder, write_json
from trifacet.core.folds import is_folds, open_folds
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
    usable,
    with_faces,
)
from trifacet.several import Part, start_inputs, start_of, told_of, trained_parts, under_way
from trifacet.training import Told, check

if TYPE_CHECKING:
    from trifacet.learn.models import Net
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
        raise error("TRI104", "this recipe is of one network", where="recipe", do=do)
    if keep_val and not folds:
        raise error("TRI104", "goes with folds alone", where="keep_val")
    manifest = open_data(data, progress=progress)
    if folds:
        manifest = in_folds(manifest, folds, keep_val=keep_val)
    for one in networks.values():  # looked for once; who is shown them says so (`_faced`)
        manifest = replace(with_faces(manifest, one.settings, progress=progress), stamps=manifest.stamps)
    made = new_variants(networks, manifest, out=Path(out), n_folds=folds or 0, inputs=start_inputs(init))
    return go_on(made, told=Told(progress, on_tick))


def new_variants(
    networks: Mapping[str, Resolved[Recipe]], manifest: Manifest, *, out: Path, n_folds: int, inputs: Mapping[str, str]
) -> Variants:
    """A folder with everything that is known before the first network is trained, whole or not at all.

    manifest: in folds, where there are `n_folds`. inputs: what each network starts from (`start_inputs`).
    """
    ready = ready_together(networks, one_fold(manifest, 0) if n_folds else manifest, start=start_of(inputs))
    drawn = secrets.randbelow(2**31)
    seeds = [drawn if one.settings.train.seed == "random" else one.settings.train.seed for one in networks.values()]
    info = VariantsInfo(
        name=out.name,
        created=now(),
        seed=seeds[0],
        names=tuple(networks),
        recipes=tuple(_seeded(one.settings, seed) for one, seed in zip(networks.values(), seeds, strict=True)),
        origins=tuple(one.origins for one in networks.values()),
        n_folds=n_folds,
        inputs=dict(inputs),
    )
    with atomic_folder(out) as folder:
        write_manifest(Variants(folder, info).manifest_path, manifest if n_folds else ready)
        write_json(folder / VARIANTS, info.model_dump(mode="json", by_alias=True))
    return Variants(out, info)


def ready_together(
    networks: Mapping[str, Resolved[Recipe]], manifest: Manifest, *, start: Callable[[Net], None] | None
) -> Manifest:
    """The manifest as the first of them is trained on it; all of them can be, and answer the same labels.

    Raises:
        ConfigError: TRI104. And what training one would stop at, with its name.
    """
    ready = {name: _checked(manifest, one.settings, name=name, start=start) for name, one in networks.items()}
    first = next(iter(ready.values()))
    if other := next((name for name, mine in ready.items() if mine.schema != first.schema), None):
        do = "Merge parts of the task by `trifacet combine`; move the cut of ages by data.label_map.age_edges."
        what = "the networks answer other labels, so they cannot answer together"
        raise error("TRI104", what, where=f"network '{other}'", do=do)
    return first


def _checked(manifest: Manifest, recipe: Recipe, *, name: str, start: Callable[[Net], None] | None) -> Manifest:
    """The manifest as this network is trained on it, which it can be."""
    try:
        ready = ready_to_train(manifest, recipe)
        check(_faced(ready, recipe), recipe, start=start)
    except TrifacetError as problem:
        what = f"network '{name}': {problem.what}"
        raise error(problem.code, what, where=problem.where, got=problem.got, do=problem.do) from None
    return ready


def _seeded(recipe: Recipe, seed: int) -> Recipe:
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"seed": seed})})


def _faced(manifest: Manifest, recipe: Recipe) -> Manifest:
    """The manifest, in which faces are found, as this recipe is trained on it: it tells how many have none."""
    return with_faces(manifest, recipe, progress=quiet)


def go_on(variants: Variants, *, told: Told) -> Ensemble:
    """The networks trained, one after another, and joined; those that are finished are left alone.

    Raises:
        RunError: TRI407 all is done, TRI408 somebody trains them now. And what training raises.
    """
    info = variants.info
    with locked(variants):
        paths = _folded(variants, told=told) if info.n_folds else _trained(variants, told=told)
        fits = {recipe.decide.fit for recipe in info.recipes}
        choice = Choice(seed=info.seed, fit=fits.pop() if len(fits) == 1 else "auto")
        return join_within(paths, variants.path, choice=choice, names=info.names)


def _trained(variants: Variants, *, told: Told) -> list[Path]:
    info = variants.info

    def part(i: int) -> Part:
        def photos() -> Manifest:
            return _faced(usable(read_manifest(variants.manifest_path), info.recipes[i]), info.recipes[i])

        return Part(variants.variant_path(i), _label(info, i), info.recipes[i], info.origins[i], photos)

    return [run.path for run in trained_parts(variants, [part(i) for i in range(len(info.names))], told=told)]


def _folded(variants: Variants, *, told: Told) -> list[Path]:
    info = variants.info
    paths = [variants.variant_path(i) for i in range(len(info.names))]
    with under_way(variants):
        manifest = read_manifest(variants.manifest_path)
        for i, path in enumerate(paths):
            if not is_folds(path):
                recipe = Resolved(info.recipes[i], info.origins[i])
                new_folds(recipe, _faced(manifest, recipe.settings), out=path, inputs=info.inputs)
            if not is_ensemble(path):
                train_folds(open_folds(path), told=told_of(_label(info, i), told))
    return paths


def _label(info: VariantsInfo, i: int) -> str:
    name = info.names[i]
    return f"{i + 1}/{len(info.names)}" + f" {name}" * ("=" not in name)
