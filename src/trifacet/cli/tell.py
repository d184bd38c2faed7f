"""What a training came to, in the terminal: a run, folds or an ensemble, its scores, and what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trifacet.cli import official

if TYPE_CHECKING:
    from trifacet.core.ensemble import Ensemble
    from trifacet.core.manifest import Manifest
    from trifacet.core.run import Run


def tell(run: Run | Ensemble, *, is_profiled: bool = False) -> None:
    """What a training came to; a run stands as the baseline has it, too."""
    from trifacet.core.run import Run

    if isinstance(run, Run):
        official.write_beside(run)
        tell_run(run, is_profiled=is_profiled)
    elif run.info.folded:
        tell_folds(run)
    else:
        tell_ensemble(run)


def tell_split(manifest: Manifest) -> None:
    """Says how data without a split were divided."""
    from trifacet.cli import render

    parts = {name: manifest.split(name) for name in ("train", "val")}
    counts = [
        f"{name} {len(rows):,} photos" + ("" if rows.n_persons is None else f" of {rows.n_persons:,} people")
        for name, rows in parts.items()
    ]
    render.warn(
        f"the data had no split, so they were divided here: {', '.join(counts)}; `trifacet split` gives control"
    )


def tell_run(run: Run, *, is_profiled: bool = False) -> None:
    """A finished run's scores, what to know of them, and what comes next."""
    from trifacet.cli import render
    from trifacet.core.files import read_json

    scores = read_json(run.scores_path)
    is_part = bool(run.info.recipe.model.tasks)
    best = f"best epoch {run.info.best.epoch}, " if run.info.best else ""
    title = f"{run.path}: {best}trained {run.info.seconds / 60:.1f} minutes"
    _show_scores(scores, title, names=run.info.label_schema.names, is_part=is_part)
    if words := why_other_than_logged(run, scores["val"]["macro_f1"]):
        render.say(f"[dim]{words}[/]")
    for note in (*run.info.stamps, *run.info.notes):
        render.warn(note)
    if "test" not in scores:
        render.say(
            "[dim]val picked the epoch and the decision rule, so it flatters; `split --test 0.2` keeps an exam[/]"
        )
    then = "; then `trifacet combine` with what the others say" if is_part else ""
    render.say(
        f"report: [bold]{run.report_path}[/]\nnext: trifacet predict {run.path} PHOTOS --out answers.parquet{then}"
    )
    if is_profiled:
        _tell_profile(run)


def tell_folds(folds: Ensemble) -> None:
    """The scores of finished folds, how far they are apart, and what comes next."""
    from trifacet.cli import render
    from trifacet.core.files import read_json
    from trifacet.folding import spread_text

    title = f"{folds.path}: trained {folds.info.seconds / 60:.1f} minutes"
    is_part = folds.info.folded is not None and bool(folds.info.folded.recipe.model.tasks)
    _show_scores(read_json(folds.scores_path), title, names=folds.info.label_schema.names, is_part=is_part)
    render.say(f"folds: {spread_text(folds.info)}")
    for note in (*folds.info.stamps, *folds.info.notes):
        render.warn(note)
    render.say(f"report: [bold]{folds.path / 'report/index.html'}[/]")
    render.say(f"next: trifacet predict {folds.path} PHOTOS --out answers.parquet")


def _show_scores(scores: dict[str, Any], title: str, *, names: Sequence[str], is_part: bool) -> None:
    from trifacet.cli import render

    rows = []
    for split, score in scores.items():
        people = "unknown" if score["n_people"] is None else f"{score['n_people']:,}"
        counts = (f"{score['n_photos']:,}", people)
        rows.append((f"{split} {' x '.join(names)}" if is_part else split, *_figures(score), *counts))
        # Where no photo has every label the attributes tell what can be known; of parts of the task each counts.
        if score["macro_f1"] is None or (is_part and len(names) > 1):
            rows += [(f"{split} {name}", *_figures(score[name]), "", "") for name in names]
    render.show(title, ("", "#macro F1", "#accuracy", "#photos", "#people"), rows)


def _tell_profile(run: Run) -> None:
    from trifacet.cli import render
    from trifacet.core.files import read_jsonl
    from trifacet.report.profile import memory_facts, time_profile

    for phase, parts in time_profile(read_jsonl(run.metrics_path)).items():
        whole = sum(parts.values())
        rows = [(part, f"{seconds:,.1f}", f"{seconds / whole:.1%}") for part, seconds in parts.items()]
        title = f"Epochs of {phase}: {whole:,.0f} seconds"
        render.show(title, ("", "#seconds", "#share"), rows)
    for what, size in memory_facts(run.info.machine).items():
        render.say(f"{what}: {size}")


def why_other_than_logged(run: Run, figure: dict[str, float] | None) -> str:
    """Why val's macro F1 differs from the best epoch's, in words; "" where it does not."""
    best, decide = run.info.best, run.info.recipe.decide
    if best is None or figure is None or f"{best.macro_f1:.3f}" == f"{figure['value']:.3f}":
        return ""
    views = {"none": [], "flip": ["the mirrored photo averaged in"]}
    added = views.get(decide.tta, [f"the views of tta {decide.tta} averaged in"])
    added = added + ["the run's decision rule"] * (decide.fit != "argmax")
    logged = f"epoch {best.epoch} had {best.macro_f1:.3f} on val by the most probable class"
    return f"{logged}; the table is with {' and '.join(added)}" if added else ""


def _figures(score: dict[str, Any]) -> tuple[str, str]:
    return _figure(score["macro_f1"]), _figure(score["accuracy"])


def _figure(figure: dict[str, float] | None) -> str:
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]" if figure else "-"


def tell_ensemble(made: Ensemble) -> None:
    """Its members and their shares, its scores, and what comes next."""
    from trifacet.cli import render

    shares = [(member.name, f"{member.weight:.3f}") for member in made.info.members]
    title = f"{made.path}: {made.info.voting} voting, members trained {made.info.seconds / 60:.1f} minutes"
    render.show(title, ("", "#share"), shares)
    _tell_fit(made)
    _tell_scores(made)
    for note in (*made.info.stamps, *made.info.notes):
        render.warn(note)
    if made.report_path.is_file():
        render.say(f"report: [bold]{made.report_path}[/]")
    render.say(f"next: trifacet predict {made.path} PHOTOS --out answers.parquet")


def _tell_fit(made: Ensemble) -> None:
    from trifacet.cli import render

    if (fit := made.info.fit) is None:
        return
    said = "out-of-fold predictions" if fit.fitted_on == "oof" else "val, as not every member has out-of-fold ones"
    render.say(
        f"weights fitted on {said}: {fit.n_photos:,} photos of {fit.n_people:,} people. Macro F1 {fit.nested:.3f} on "
        f"people they were not fitted on; equal weights {fit.equal:.3f}, the best member alone {fit.best_member:.3f}"
    )


def _tell_scores(made: Ensemble) -> None:
    from trifacet.cli import render
    from trifacet.core.files import read_json

    if not (scores := read_json(made.scores_path)):
        render.warn("the members share no predictions, so nothing was scored and the most probable class decides")
        return
    _show_scores(scores, "With its decision rule", names=made.info.label_schema.names, is_part=False)
    if set(scores) == {"val"}:
        render.say("[dim]val picked the members' epochs and the decision rule, so it flatters; keep a test[/]")
