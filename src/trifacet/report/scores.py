"""Sections on how good the answers are: headline, confusion, classes, age."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from trifacet.core.errors import count_text
from trifacet.core.evaluation import AgeScore
from trifacet.core.schema import Attribute
from trifacet.pages import html, plots
from trifacet.report.material import Material


def headline(material: Material) -> html.Section:
    """The scores with their intervals, n beside each; a table of all evaluations where there are several."""
    main, cards = material.main, []
    if (joint := main.joint) is not None:
        n = count_text(joint.n_photos, "photo")
        cards.append(html.figure_card(f"Macro F1, {len(joint.classes)} classes", joint.macro_f1, notes=[n]))
        cards.append(html.figure_card("All labels right", joint.accuracy, notes=["accuracy", n]))
    for name, score in main.attributes.items():
        if score is not None:
            notes = [f"macro F1 {score.macro_f1}", count_text(score.n_photos, "photo")]
            cards.append(html.figure_card(f"{name} accuracy", score.accuracy, notes=notes))
    if main.age is not None:
        notes = [f"bias {main.age.bias_years:+.1f}", count_text(main.age.n_photos, "photo")]
        cards.append(html.figure_card("Age error, years", main.age.mae_years, notes=notes, digits=1, scale=None))
    others = _all_evaluations(material) if len(material.evaluations) > 1 else Markup("")
    return html.Section("Headline", html.below(html.cards_html(cards), others), "headline", _headline_note(material))


def _headline_note(material: Material) -> str:
    main = material.main
    by = "people, since photos of one person are alike" if main.interval_by == "person" else "photos"
    words = [
        f"In brackets the 95 % interval from {main.n_boot:,} bootstrap draws of {by}.",
    ]
    if main.joint is not None and main.joint.n_absent:
        absent = count_text(main.joint.n_absent, "class has", many="classes have")
        words.append(f"{absent} no photo in the truth and counts as 0 in macro F1.")
    if main.n_unread:
        words.append(f"{count_text(main.n_unread, 'photo')} could not be read: counted as wrong.")
    return " ".join(words)


def _all_evaluations(material: Material) -> Markup:
    evaluations = material.evaluations.values()
    joints = [evaluation.joint for evaluation in evaluations]
    rows: list[list[object]] = [
        ["macro F1", *(joint and joint.macro_f1 for joint in joints)],
        ["all labels right", *(joint and joint.accuracy for joint in joints)],
    ]
    for name in material.main.attributes:
        scores = [evaluation.attributes[name] for evaluation in evaluations]
        rows.append([f"{name} accuracy", *(score and score.accuracy for score in scores)])
    if material.main.age is not None:
        rows.append(["age error, years", *(e.age and html.Number(f"{e.age.mae_years:.1f}") for e in evaluations)])
    rows.append(["photos", *(evaluation.n_photos for evaluation in evaluations)])
    rows.append(["people", *(evaluation.n_people for evaluation in evaluations)])
    return html.table_html(["figure", *material.evaluations], rows, caption="All evaluations of this run")


def confusion(material: Material) -> html.Section | None:
    """Confusion matrices, of all labels together and of each attribute."""
    classes = {name: [list(score.classes)] for name, score in material.scores.items()}
    if "all labels" in classes:
        classes["all labels"] = [list(a.classes) for a in material.main.schema.attributes]
    matrices = [
        plots.confusion_html(
            score.confusion,
            classes[name],
            caption=f"{html.sentence(name)} ({count_text(score.n_photos, 'photo')})",
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
        "right answers in one colour, mistakes in the other. Each row's n"
        f"{' counts photos that could not be read as well' if material.main.n_unread else ' stands at its end'}."
    )
    return html.Section("Confusions", body, "confusion", note)


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
            caption=f"{html.sentence(name)}: macro F1 {score.macro_f1}",
        )
        for name, score in material.scores.items()
    ]
    if not tables:
        return None
    note = "A class without photos in the truth counts as 0 and has no recall; one never answered has no precision."
    return html.Section("Class by class", html.below(*tables), "classes", note)


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
        caption=f"Predicted over true age ({count_text(score.n_photos, 'photo')})",
    )
    note = (
        f"Mean absolute error {score.mae_years:.1f} years; bias {score.bias_years:+.1f} (above 0 means too old). "
        f"The lines stand at {lines} years, where the classes are cut: an error costs a class only when it crosses one."
    )
    return html.Section(
        "Age in years", html.side_by_side(figure, _age_table(score, attribute), at_least_rem=18), "age", note
    )


def _age_table(score: AgeScore, attribute: Attribute) -> Markup:
    error = score.predicted_years - score.true_years
    bands = attribute.band(score.true_years)
    rows = []
    for i, name in enumerate(attribute.classes):
        here = error[bands == i]
        mean, bias = (np.abs(here).mean(), here.mean()) if len(here) else (np.nan, np.nan)
        rows.append([html.readable(name), mean, bias, len(here)])
    return html.table_html(
        ["true age", "mean error", "bias", "n"], rows, caption="Error in years by true age", digits=1
    )
