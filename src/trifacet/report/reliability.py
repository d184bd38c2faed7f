"""The section on confidence: whether it is right as often as it says, before and after calibration."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from trifacet.core.errors import count_text
from trifacet.core.evaluation import Evaluation, LabelScore
from trifacet.core.predictions import DecisionRule
from trifacet.measure.calibration import chance_error
from trifacet.pages import html, plots
from trifacet.report.material import Material, scores_of

CALIBRATION_WORDS = (
    "NLL (negative log-likelihood): -log of the true class's probability, averaged; 0 is perfect, and to be sure and "
    "wrong costs most. Error: how far confidence lies from the share of right answers, on average over the dots (the "
    "expected calibration error); 0 is perfect. By chance: what probabilities without fault would show with as many "
    "photos; an error near it is none that these photos can tell."
)


def reliability(material: Material) -> html.Section | None:
    """Whether a confidence of 0.8 is right in 80 of 100 cases, before the rule's temperatures and with them."""
    evaluations = reversed(list(material.evaluations.items()))
    told = {on: e for on, e in evaluations if any(score.reliability for score in scores_of(e).values())}
    if material.measured_on not in told:
        return None
    blocks, rows = list[Markup](), list[dict[str, object]]()
    for measured_on, evaluation in told.items():
        scores = {name: score for name, score in scores_of(evaluation).items() if score.reliability}
        pairs = [
            _diagrams(f"{name} on {measured_on}", name, score=score, rule=evaluation.decision)
            for name, score in scores.items()
        ]
        is_pair = any(score.raw for score in scores.values())
        figures = html.side_by_side(*pairs, at_least_rem=22 if is_pair else 13)
        blocks.append(
            figures if len(told) == 1 else html.below(html.heading_html(_on(measured_on, evaluation)), figures)
        )
        rows += [{"on": measured_on, "label": name, **_figures(score)} for name, score in scores.items()]
    columns = [column for column in rows[0] if any(row[column] is not None for row in rows)]
    cells = [[row[column] for column in columns] for row in rows]
    table = html.table_html(columns, cells, caption="Quality of the probabilities", note=CALIBRATION_WORDS)
    all_bins = [b.n_photos for e in told.values() for score in scores_of(e).values() for b in score.reliability]
    per_dot = max(1, round(np.median(all_bins)))
    note = (
        "On the dotted line confidence is what it says; below it the network is too sure. "
        f"A dot stands for about {count_text(per_dot, 'photo')}; pointed at, it tells how many."
    )
    if "NLL, raw" in columns:
        note += " Raw: as the network gives them. Calibrated: with the rule's temperatures T, for the same answers."
    return html.Section("Can its confidence be believed", html.below(*blocks, table), "reliability", note)


def _on(measured_on: str, evaluation: Evaluation) -> str:
    """What a row of diagrams was measured on, and whether the temperatures were fitted there."""
    rule = evaluation.decision
    is_fitted = rule is not None and rule.fitted_on == measured_on and any(t != 1 for t in rule.temperature.values())
    return f"On {measured_on}" + (", where the temperatures were fitted" if is_fitted else "")


def _diagrams(what: str, name: str, *, score: LabelScore, rule: DecisionRule | None) -> Markup:
    """The diagram of a label, before and after calibration where there is a difference. `what` it is, on this page."""
    if score.raw is None:
        n_photos = count_text(sum(b.n_photos for b in score.reliability), "photo")
        picture = plots.reliability_plot(score.reliability, alt=f"Reliability of {what}")
        return html.figure_html(picture, caption=f"{html.sentence(name)} ({n_photos})")
    temperature = rule.temperature.get(name) if rule else None
    after = f"T = {temperature:.2f}" if temperature else "calibrated"
    raw, with_rule = score.raw.reliability, score.reliability
    shown = {"raw": (raw, with_rule), after: (with_rule, raw)}
    figures = [
        html.figure_html(
            plots.reliability_plot(bins, alt=f"Reliability of {what}, {which}", beside=beside),
            caption=f"{html.sentence(name)}, {which}",
        )
        for which, (bins, beside) in shown.items()
    ]
    return html.side_by_side(*figures, at_least_rem=9)


def _figures(score: LabelScore) -> dict[str, object]:
    raw, n_photos = score.raw, sum(b.n_photos for b in score.reliability)
    return {
        "NLL, raw": raw and raw.nll,
        "NLL": score.nll,
        "error, raw": raw and raw.ece,
        "error": score.ece,
        "by chance": chance_error(score.reliability),
        "photos": n_photos,
    }
