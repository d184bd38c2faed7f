"""Mistakes are put into labels that are taken to be right: how many of them `audit` finds, and what that is worth.

`python -m bench.noise MANIFEST --out FILE` fits small heads on features that are held in memory, each cell of the grid
in folds of people, and adds a line of JSON a cell; cells that are in the file are left alone. `--oof` scores answers
that a run made of the labels with mistakes (`--write`), one cell without a fit. `--table FILE` prints the figures.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from bench.frozen import Fit, features, features_of, in_sample, linear, main_axes, nearest, out_of_folds, recipes_head
from bench.mistakes import KINDS, Facts, Mistaken, facts_of, mistaken, put_mistakes, together
from bench.rankings import Ranking, baselines, ours, reviewed
from bench.unseen import redrawn
from trifacet import open_data, read_predictions, write_manifest
from trifacet.cli import render
from trifacet.core.files import read_jsonl
from trifacet.core.manifest import Manifest, joint_labels
from trifacet.core.predictions import Predictions
from trifacet.data.split import in_folds
from trifacet.measure.classification import macro_f1
from trifacet.opening import Progress, quiet

RATES = (0.1, 0.05, 0.01)
MUCH = 0.1
SEEDS = (0, 1, 2, 3, 4)
REVIEWED = 0.1  # share of the looks after which a model is trained again
# One run's worth of mistakes, for a network that is trained whole.
AT_ONCE = {"mask": ("person", 0.01), "gender": ("person", 0.05), "age": ("person", 0.05)}
# Each must fail, but for the fourth, which the fifth is read beside: a model that knows people again must not have seen
# those it answers about. The heads of the grid hardly know them again, so folds that divide people cost those little.
CONTROLS = ("no mistakes", "shuffled scores", "folds of photos", "nearest", "nearest, folds of photos")
N_FOLDS = 5


@dataclass(frozen=True, eq=False)
class Bench:
    """What all cells share: the right labels, what heads see of each photo, and the folds.

    shown: what they are asked about, where masks were drawn anew (`--unseen`).
    """

    facts: Facts
    seen: torch.Tensor
    shown: torch.Tensor
    folds: np.ndarray

    def answers(self, manifest: Manifest, *, fit: Fit, folds: np.ndarray | None = None) -> Predictions:
        """What heads say out of folds that were fitted to these labels."""
        by = self.folds if folds is None else folds
        return out_of_folds(fit, self.seen, manifest=manifest, folds=by, shown=self.shown)

    def macro_f1(self, manifest: Manifest) -> float:
        """Macro F1, by the right labels, of linear heads that learned from these and are asked of other people."""
        told = out_of_folds(linear, self.seen, manifest=manifest, folds=self.folds)
        return macro_f1(joint_labels(self.facts.manifest), told.classes, n_classes=manifest.schema.n_joint)


def open_bench(data: Path, *, unseen: bool, progress: Progress = quiet) -> Bench:
    """The features of a labelled manifest's photos, and what heads say of the right labels."""
    manifest = in_folds(open_data(data), N_FOLDS)
    seen = features(manifest, progress=progress)
    along, shown = main_axes(seen), seen.copy()
    if unseen:
        rows, inputs = redrawn(manifest, share=1 / 3)
        shown[rows] = features_of(inputs, manifest.schema, progress=progress)
    folds = manifest.table["fold"].to_numpy()
    known = out_of_folds(recipes_head(), along(seen), manifest=manifest, folds=folds)
    return Bench(facts_of(manifest, known), along(seen), along(shown), folds)


def cell(bench: Bench, made: Mistaken, *, seed: int, is_trained: bool) -> dict[str, Any]:
    """The figures of labels with mistakes: each order's, and macro F1 with, without and after review."""
    told = bench.answers(made.manifest, fit=recipes_head(seed=seed))
    fitted = in_sample(recipes_head(seed=seed), bench.seen, manifest=made.manifest)
    mine = list(ours(made, told, facts=bench.facts))
    others = list(baselines(made, told, fitted=fitted, rng=np.random.default_rng([seed, 1])))
    found: dict[str, Any] = {"orders": scored(mine, others)}
    if is_trained:
        orders = {"reviewed": mine, "reviewed at random": [r for name, r in others if name == "random"]}
        found["macro_f1"] = {"noisy": bench.macro_f1(made.manifest)}
        for name, rankings in orders.items():
            looked = reviewed(made, rankings, share=REVIEWED, facts=bench.facts)
            found["macro_f1"][name] = bench.macro_f1(looked.manifest)
    return found


def scored(mine: Sequence[Ranking], others: Sequence[tuple[str, Ranking]]) -> list[dict[str, Any]]:
    """A row for each order and attribute."""
    rows = [*(("trifacet", ranking) for ranking in mine), *others]
    return [{"order": name, "attribute": ranking.attribute, **ranking.scores} for name, ranking in rows]


def controls(bench: Bench, *, seed: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, figures) of the CONTROLS."""
    rng, head = np.random.default_rng([seed, 2]), recipes_head(seed=seed)
    none = mistaken(bench.facts, bench.facts.classes, bench.facts.years)
    yield CONTROLS[0], cell(bench, none, seed=seed, is_trained=False)
    made = together(bench.facts, AT_ONCE, seed=seed)
    told = bench.answers(made.manifest, fit=head)
    places = rng.permutation(len(told))
    shuffled = replace(told.rows(places), ids=told.ids)
    blind = rng.integers(0, N_FOLDS, len(told))
    answered = (
        shuffled,
        bench.answers(made.manifest, fit=head, folds=blind),
        bench.answers(made.manifest, fit=nearest),
        bench.answers(made.manifest, fit=nearest, folds=blind),
    )
    for name, one in zip(CONTROLS[1:], answered, strict=True):
        yield name, {"orders": scored(list(ours(made, one, facts=bench.facts)), [])}


def grid(
    bench: Bench, *, kinds: Sequence[str], rates: Sequence[float], seeds: Sequence[int], done: Callable[[str], bool]
) -> Iterator[dict[str, Any]]:
    """The cells that are not done: seeds, rates and kinds, then macro F1 of the right labels, then the controls.

    Models are trained again after a review of labels of which MUCH is wrong.
    """
    for seed, rate, kind in product(seeds, rates, kinds):
        if done(name := f"{kind} {rate:g} {seed}"):
            continue
        made = put_mistakes(bench.facts, kind, rate=rate, seed=seed)
        made_of = {"cell": name, "kind": kind, "rate": rate, "seed": seed}
        yield made_of | cell(bench, made, seed=seed, is_trained=rate >= MUCH)
    if not done("clean"):
        yield {"cell": "clean", "kind": "clean", "macro_f1": {"clean": bench.macro_f1(bench.facts.manifest)}}
    for seed in seeds:
        for name, found in controls(bench, seed=seed) if not done(f"{CONTROLS[-1]} {seed}") else ():
            yield {"cell": f"{name} {seed}", "kind": name, "rate": 0.0, "seed": seed} | found


def table(cells: Sequence[Mapping[str, Any]]) -> str:
    """The figures as text, means over the seeds with the least and the greatest."""
    rows = [
        {"kind": c["kind"], "rate": c["rate"], "seed": c["seed"], **order}
        for c in cells
        for order in c.get("orders", ())
    ]
    keys = ["kind", "rate", "attribute", "order"]
    figures = [name for name in rows[0] if name not in (*keys, "seed")] if rows else []
    lines = [" | ".join([*keys, *figures])]
    frame = pl.DataFrame(rows, infer_schema_length=None)
    for key, part in frame.group_by(keys, maintain_order=True):
        lines.append(" | ".join([*map(str, key), *(_spread(part[name]) for name in figures)]))
    right = next((c["macro_f1"]["clean"] for c in cells if c["kind"] == "clean"), None)
    for c in cells:
        if "noisy" in c.get("macro_f1", {}) and right is not None:
            f1 = c["macro_f1"]
            scores = ", ".join(f"{name} {value:.3f}" for name, value in f1.items())
            regained = (f1["reviewed"] - f1["noisy"]) / (right - f1["noisy"])
            lines.append(f"{c['cell']}: right {right:.3f}, {scores}; review regains {regained:.0%}")
    return "\n".join(lines)


def _in_order(path: Path, manifest: Manifest) -> Predictions:
    """Stored answers in the order of the manifest."""
    told = read_predictions(path)
    place = {photo: row for row, photo in enumerate(told.ids)}
    return told.rows(np.array([place[photo] for photo in manifest.photo_ids], dtype=np.int64))


def _spread(values: pl.Series) -> str:
    known = values.cast(pl.Float64).fill_nan(None).drop_nulls().to_numpy()
    return f"{known.mean():.3f} [{known.min():.3f}, {known.max():.3f}]" if len(known) else "-"


def main(words: Sequence[str] | None = None) -> None:
    """Fits what is missing, and adds a line of JSON a cell."""
    parser = argparse.ArgumentParser(prog="bench.noise", description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", help="a manifest whose labels are taken to be right")
    parser.add_argument("--out", type=Path, required=True, help="the file of the cells, one a line; it is added to")
    parser.add_argument("--unseen", action="store_true", help="a third of the masks are drawn anew where asked about")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS), help="default: all")
    parser.add_argument("--rates", nargs="*", type=float, default=list(RATES), help="default: %(default)s")
    parser.add_argument("--seeds", nargs="*", type=int, default=list(SEEDS), help="default: %(default)s")
    parser.add_argument("--write", type=Path, help="write a manifest with mistakes in all attributes at once, and stop")
    parser.add_argument("--oof", type=Path, help="score these answers to the manifest of --write instead of the grid")
    given = parser.parse_args(words)
    cells = read_jsonl(given.out) if given.out.is_file() else []
    if given.data is None:
        print(table(cells))
        return
    if given.write or given.oof:
        facts = facts_of(in_folds(open_data(given.data), N_FOLDS))
        made = together(facts, AT_ONCE, seed=0)
        if given.write:
            write_manifest(given.write, made.manifest)
            return
        told, rng = _in_order(given.oof, made.manifest), np.random.default_rng([0, 1])
        orders = scored(list(ours(made, told, facts=facts)), list(baselines(made, told, fitted=None, rng=rng)))
        found: Iterable[dict[str, Any]] = [
            {"cell": str(given.oof), "kind": "a run", "rate": None, "seed": 0, "orders": orders}
        ]
    else:
        with render.bars() as bars:
            bench = open_bench(given.data, unseen=given.unseen, progress=bars.told)
        found = grid(
            bench, kinds=given.kinds, rates=given.rates, seeds=given.seeds, done={c["cell"] for c in cells}.__contains__
        )
    for one in found:
        with given.out.open("a", encoding="utf-8") as file:
            print(json.dumps(one), file=file)
        print(one["cell"], flush=True)


if __name__ == "__main__":
    main()
