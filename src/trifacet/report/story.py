"""Sections on where the figures come from: training, how this was measured, what they do not show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trifacet.core.errors import count_text
from trifacet.pages import html, plots
from trifacet.report.material import Material

N_FEW = 10  # fewer photos of a class than this say little about it

# One plot each: its title, key of metrics.jsonl -> name of the line.
CURVES: dict[str, dict[str, str]] = {
    "Loss": {"train_loss": "train", "val_loss": "val"},
    "Scores on val": {"val_macro_f1": "macro F1", "val_accuracy": "accuracy"},
    "Age error on val, years": {"val_age_mae_years": "mean absolute error"},
    "Learning rate": {"lr": "learning rate"},
}


def curves(material: Material) -> html.Section | None:
    """Learning curves over epochs, the best epoch and the speed."""
    history = [record for record in material.history if "epoch" in record]
    figures = []
    for title, keys in CURVES.items():
        lines: list[plots.Line] = []
        for key, name in keys.items():
            points = [(record["epoch"], record[key]) for record in history if record.get(key) is not None]
            if points:
                x, y = np.array(points, dtype=float).T
                lines.append(plots.Line(name, x, y, is_second=bool(lines)))
        if lines:
            picture = plots.line_plot(lines, alt=f"{title} by epoch", x_label="epoch")
            figures.append(html.figure_html(picture, caption=title))
    if not figures:
        return None
    return html.Section(
        "How training went", html.side_by_side(*figures, at_least_rem=20), "curves", _curves_note(history)
    )


def _curves_note(history: Sequence[Mapping[str, Any]]) -> str:
    epochs = {record["epoch"] for record in history}
    words = [f"{count_text(len(epochs), 'epoch')}."]
    scored = [record for record in history if record.get("val_macro_f1") is not None]
    if scored:
        best = max(scored, key=lambda record: record["val_macro_f1"])
        words.append(f"Best macro F1 on val {html.number_text(best['val_macro_f1'])}, in epoch {best['epoch']}.")
    seconds = sum(record.get("seconds") or 0 for record in history)
    speeds = [record["images_per_second"] for record in history if record.get("images_per_second")]
    if seconds and speeds:
        words.append(f"{seconds / 60:.1f} minutes, {html.number_text(round(float(np.median(speeds))))} images/s.")
    return " ".join(words)


def facts(material: Material) -> html.Section:
    """How this was measured: data, rule, intervals, run, versions and hashes."""
    main, rule = material.main, material.main.decision
    schema = main.schema
    groups: dict[str, Mapping[str, object]] = {
        "Measured": {
            "on": material.measured_on,
            "photos": main.n_photos,
            "people": main.n_people,
            "not readable": main.n_unread,
            "from": "class probabilities" if main.source == "probabilities" else "answers of a submission",
        },
        "Label schema": {
            **{a.name: ", ".join(html.readable(c) for c in a.classes) for a in schema.attributes},
            "joint classes": schema.n_joint,
            "fingerprint": schema.fingerprint,
        },
        "Decision rule": {"rule": "the most probable class" if main.source == "probabilities" else "as submitted"},
        "Intervals": {"level": "95 %", "drawn by": main.interval_by, "draws": main.n_boot, "seed": main.seed},
        "Made by": main.made_by,
    }
    if rule is not None:
        fitted = {"fitted on": rule.fitted_on, "photos": rule.n_photos, "people": rule.n_persons}
        each = {f"temperature, {name}": value for name, value in rule.temperature.items()}
        each |= {f"tau, {name}": value for name, value in rule.tau.items()}
        groups["Decision rule"] = {**fitted, **each}
    info = material.run_info
    groups["Run"] = {key: value for key, value in info.items() if not isinstance(value, Mapping)}
    groups |= {key: value for key, value in info.items() if isinstance(value, Mapping)}
    note = (
        "Everything needed to say what was compared with what, and to make it again. Two files with one fingerprint "
        "have the same labels in the same order."
    )
    if rule is not None and (rule.temperature or rule.tau):
        note += (
            " Temperature: above 1 it makes the probabilities less sure, below 1 surer. "
            "Tau: how far rare classes are favoured, 0 not at all, 1 as if all were equally common."
        )
    return html.Section("How this was measured", html.facts_html(groups), "facts", note)


def limits(material: Material) -> html.Section:
    """What the number does not show, as far as this evaluation can tell."""
    main = material.main
    lines = [
        "Other people, cameras, places and kinds of masks: the figures hold for photos like these.",
        "The luck of training: the intervals tell how much the photos' choice matters, not the seed's.",
        "Who somebody is: gender and age are what annotators saw or noted, with their errors counted as the network's.",
    ]
    if main.interval_by == "photo":
        lines.append("How alike photos of one person are: people are unknown, so the intervals are too narrow.")
    if material.measured_on == "val":
        lines.append("Photos kept out of every choice: epoch and decision rule were chosen on val, which flatters it.")
    if main.joint is not None:
        few = [html.readable(c.name) for c in main.joint.per_class if 0 < c.n_true < N_FEW]
        if few:
            lines.append(f"Much about classes with fewer than {N_FEW} photos: {'; '.join(few)}.")
    if main.source == "answers":
        lines.append("Whether its confidence can be believed: a submission holds answers only.")
    return html.Section("What the number does not show", html.notes_html(lines), "limits")
