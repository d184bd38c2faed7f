"""What a search leaves when a trial ends: the best recipe so far, the page, and the weights that are to be kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from trifacet.core.files import read_json, write_text
from trifacet.core.recipe import Recipe
from trifacet.core.run import open_run, save_run
from trifacet.trials.folder import Search
from trifacet.trials.page import POLICY, changes_words, counts_words, honest_words, search_page
from trifacet.trials.policies import best_policies
from trifacet.trials.study import Row, best_row

RecipeOf = Callable[[Mapping[str, str]], Recipe]  # what a trial changes, to its recipe
NO_WEIGHTS = "the weights were deleted by the search, which keeps those of its best trial"
INTERVAL_ERRORS = 2 * 1.96  # standard errors in a 95 % interval


def differences(recipe: Recipe) -> dict[str, Any]:
    """What a recipe file must hold to mean this recipe: its differences from the defaults."""
    own, plain = (one.model_dump(mode="json", by_alias=True) for one in (recipe, Recipe()))
    changed = {
        section: {key: value for key, value in values.items() if value != plain[section][key]}
        for section, values in own.items()
        if section != "schema"
    }
    kept = {section: values for section, values in changed.items() if values}
    return kept | ({"schema": own["schema"]} if own["schema"] else {})


def save_result(search: Search, rows: Sequence[Row], *, importances: Mapping[str, float], recipe_of: RecipeOf) -> None:
    """Writes the best recipe so far and the page, and takes away the weights that are not to be kept."""
    best = best_row(rows)
    uncertain = _standard_error(search, best) if best else None
    if best:
        content, about = _result(search, rows, best=best, recipe_of=recipe_of)
        head = [*about, f"{honest_words(rows, error=uncertain)}.", f"trifacet train {search.best_path} --data DATA"]
        text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=110) if content else "{}\n"
        write_text(search.best_path, "".join(f"# {line}\n" for line in head) + text)
    write_text(search.report_path, search_page(search, rows, importances=importances, error=uncertain))
    if search.info.plan.keep == "best":
        for row in rows:
            if row.state in ("finished", "pruned", "failed") and row != best:
                _without_weights(search.trial_path(row.number))


def _result(search: Search, rows: Sequence[Row], *, best: Row, recipe_of: RecipeOf) -> tuple[dict[str, Any], list[str]]:
    """The best recipe's differences from the defaults, and lines that tell what it is."""
    info, name, base = search.info, search.best_path.stem, rows[0].score if rows[0].state == "finished" else None
    beside = f", the recipe as it is {base:.4f}" if base is not None else ""
    over = "policies of augmentation" if info.plan.has_policies else "; ".join(info.plan.over)
    about = [
        f"{name}: {info.recipe_name} after a search, macro F1 on val {best.score:.4f}{beside} (trial {best.number}).",
        f"Searched: {over}. Trials: {counts_words(rows)}. Changed: {changes_words(best)}.",
    ]
    if not info.plan.has_policies:
        return differences(recipe_of(best.changes)), about
    scored = [
        (r.score, json.loads(r.changes[POLICY])[0]) for r in rows if r.state == "finished" and POLICY in r.changes
    ]
    kept = best_policies([(score, policy) for score, policy in scored if score is not None], base=base or 0.0)
    if not kept:
        search.policies_path.unlink(missing_ok=True)
        return differences(recipe_of({})), [about[0], "No policy scored above the recipe as it is."]
    policies = json.loads(json.dumps(kept))
    head = f"# The {len(kept)} best policies of {search.path}: --set augment.policy={search.policies_path}\n"
    write_text(search.policies_path, head + yaml.safe_dump(policies, default_flow_style=None, width=110))
    about[1] = f"Searched: {over}. Trials: {counts_words(rows)}. Kept: the {len(kept)} best above the recipe as it is;"
    about.append("each was trained by itself, and no trial had them together.")
    return differences(recipe_of({POLICY: json.dumps(kept)})), about


def _standard_error(search: Search, best: Row) -> float | None:
    """The standard error of the best trial's score by person, from the interval of its run; None where not known."""
    path = search.trial_path(best.number) / "scores.json"
    figure = read_json(path)["val"]["macro_f1"] if path.is_file() else None
    return (figure["high"] - figure["low"]) / INTERVAL_ERRORS if figure else None


def _without_weights(path: Path) -> None:
    """Takes away a run's weights and checkpoints, and has the run say so."""
    folders = [folder for folder in (path / "weights", path / "checkpoints") if folder.is_dir()]
    if not folders:
        return
    run = open_run(path)
    if NO_WEIGHTS not in run.info.notes:
        save_run(run, notes=(*run.info.notes, NO_WEIGHTS))
    for folder in folders:
        shutil.rmtree(folder)
