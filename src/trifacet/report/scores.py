"""Sections on how good the answers are: headline, confusion, classes, age, confidence."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from trifacet.core.evaluation import AgeScore
from trifacet.core.schema import Attribute
from trifacet.pages import html, plots
from trifacet.report.material import Material, size_text


def headline(material: Material) -> html.Section:
    """The scores with their intervals, n beside each; a table of all evaluations where there are several."""
    main, cards = material.main, []
    if (joint := main.joint) is not None:
        n = html.count_text(joint.n_photos, "photo")
        cards.append(html.figure_card(f"Macro F1, {len(joint.classes)} classes", joint.macro_f1, note=n))
        cards.append(html.figure_card("Accuracy, all labels right", joint.accuracy, note=n))
    for name, score in main.attributes.items():
        if score is not None:
            note = f"macro F1 {score.macro_f1}; {html.count_text(score.n_photos, 'photo')}"
            cards.append(html.figure_card(f"{name} accuracy", score.accuracy, note=note))
    if main.age is not None:
        note = f"mean error in years, bias {main.age.bias_years:+.1f}; {html.count_text(main.age.n_photos, 'photo')}"
        cards.append(html.figure_card("Age error", main.age.mae_years, note=note, digits=1, scale=None))
    others = _all_evaluations(material) if len(material.evaluations) > 1 else Markup("")
    return html.Section("Headline", html.below(html.cards_html(cards), others), "headline", _headline_note(material))


def _headline_note(material: Material) -> str:
    main = material.main
    by = "people, since photos of one person are alike" if main.interval_by == "person" else "photos"
    words = [
        f"Measured on {material.measured_on}: {size_text(main)}.",
        f"In brackets the 95 % interval from {main.n_boot:,} bootstrap draws of {by}.",
    ]
    if main.joint is not None and main.joint.n_absent:
        absent = html.count_text(main.joint.n_absent, "class has", "classes have")
        words.append(f"{absent} no photo in the truth and counts as 0 in macro F1.")
    if main.n_unread:
        words.append(f"{html.count_text(main.n_unread, 'photo')} could not be read: counted as wrong.")
    return " ".join(words)


def _all_evaluations(material: Material) -> Markup:
    names = list(material.main.attributes)
    rows = []
    for measured_on, evaluation in material.evaluations.items():
        scores = [evaluation.attributes[name] for name in names]
        joint = evaluation.joint
        rows.append(
            [
                measured_on,
                joint.macro_f1 if joint else None,
                joint.accuracy if joint else None,
                *(score.accuracy if score else None for score in scores),
                f"{evaluation.age.mae_years:.1f}" if evaluation.age else None,
                size_text(evaluation),
            ]
        )
    columns = ["measured on", "macro F1", "accuracy", *names, "age error, years", "n"]
    return html.table_html(columns, rows, caption="All evaluations of this run")


def confusion(material: Material) -> html.Section | None:
    """Confusion matrices, of all labels together and of each attribute."""
    classes = {name: [list(score.classes)] for name, score in material.scores.items()}
    if "all labels" in classes:
        classes["all labels"] = [list(a.classes) for a in material.main.schema.attributes]
    matrices = [
        plots.confusion_html(
            score.confusion,
            classes[name],
            caption=f"{name.capitalize()} ({html.count_text(score.n_photos, 'photo')})",
            unanswered=score.unanswered,
        )
        for name, score in material.scores.items()
    ]
    if not matrices:
        return None
    split = 1 if "all labels" in classes else 0
    body = html.below(html.side_by_side(*matrices[split:]), *matrices[:split])
    note = (
        "Rows are the truth, columns the answer. Shade is the share of the row: "
        "right answers in one colour, mistakes in the other."
    )
    return html.Section("What is taken for what", body, "confusion", note)


def per_class(material: Material) -> html.Section | None:
    """Precision, recall and F1 per class with the number of photos behind each."""
    columns = ["class", "F1", "precision", "recall", "true n", "answered n"]
    tables = [
        html.table_html(
            columns,
            [
                [
                    html.readable(c.name),
                    html.meter_html(c.f1),
                    c.precision if c.n_predicted else None,
                    c.recall if c.n_true else None,
                    c.n_true,
                    c.n_predicted,
                ]
                for c in score.per_class
            ],
            caption=f"{name.capitalize()}: macro F1 {score.macro_f1}",
        )
        for name, score in material.scores.items()
    ]
    if not tables:
        return None
    note = "A class without photos in the truth counts as 0 and has no recall; one never answered has no precision."
    return html.Section("Class by class", html.below(*tables), "classes", note)


def reliability(material: Material) -> html.Section | None:
    """Whether a confidence of 0.8 is right in 80 of 100 cases: diagrams, expected calibration error and NLL."""
    scores = {name: score for name, score in material.scores.items() if score.reliability}
    if not scores:
        return None
    figures = [
        html.figure_html(
            plots.reliability_plot(
                score.reliability, alt=f"Reliability of {name}: share of right answers by confidence"
            ),
            alt="",
            caption=f"{name.capitalize()}: calibration error {html.number_text(score.ece)}, "
            f"{html.count_text(score.n_photos, 'photo')}",
        )
        for name, score in scores.items()
    ]
    rows = [[name, score.nll, score.ece, score.n_photos] for name, score in scores.items()]
    table = html.table_html(["label", "NLL", "calibration error", "n"], rows, caption="Quality of the probabilities")
    note = (
        "On the dotted line confidence is what it says; below it the network is too sure. Larger dots hold more photos."
    )
    return html.Section(
        "Can its confidence be believed", html.below(html.side_by_side(*figures), table), "reliability", note
    )


def age(material: Material) -> html.Section | None:
    """True against predicted age in years with the cuts drawn, and the error per age class."""
    score, attribute = material.main.age, material.main.schema.age
    if score is None or attribute is None:
        return None
    cuts = attribute.edges or ()
    picture = plots.age_plot(
        score.true_years, score.predicted_years, cuts=cuts, alt="Predicted age over true age, in years"
    )
    lines = " and ".join(f"{cut:g}" for cut in cuts)
    figure = html.figure_html(
        picture,
        alt="",
        caption=f"{html.count_text(score.n_photos, 'photo')}; lines at {lines} years, where the classes are cut.",
    )
    note = (
        f"Mean absolute error {score.mae_years:.1f} years; bias {score.bias_years:+.1f} (above 0 means too old). "
        "Off the diagonal but on the same side of the lines costs nothing in the classes."
    )
    return html.Section("Age in years", html.side_by_side(figure, _age_table(score, attribute)), "age", note)


def _age_table(score: AgeScore, attribute: Attribute) -> Markup:
    error = score.predicted_years - score.true_years
    bands = attribute.band(score.true_years)
    rows = []
    for i, name in enumerate(attribute.classes):
        here = error[bands == i]
        mean, bias = (np.abs(here).mean(), here.mean()) if len(here) else (np.nan, np.nan)
        rows.append(
            [html.readable(name), html.number_text(mean, digits=1), html.number_text(bias, digits=1), len(here)]
        )
    return html.table_html(["true age", "mean error", "bias", "n"], rows, caption="Error in years by true age")
