"""The page of an evaluation or a run: its sections in order, its stamps as loud notices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trifacet.core.evaluation import Evaluation
from trifacet.core.manifest import merged_stamps
from trifacet.pages.html import render_page
from trifacet.report.material import Attention, Material, size_text
from trifacet.report.sections import SECTIONS


def evaluation_report(
    evaluations: Mapping[str, Evaluation],
    *,
    title: str,
    history: Sequence[Mapping[str, Any]] = (),
    run_info: Mapping[str, Any] | None = None,
    thumbnails: Mapping[str, str] | None = None,
    attention: Attention | None = None,
) -> str:
    """One self-contained HTML page on evaluations, by what they were measured on; the last one is shown in detail.

    history: the records of metrics.jsonl, for learning curves. run_info: facts, in groups where a value is a mapping.
    thumbnails: photo id -> data URI (`pages.contact.thumbnail_uri`) of photos that may be shown; none: no pictures.
    attention: where the network looks.
    """
    if not evaluations:
        raise ValueError("a report needs at least one evaluation")
    material = Material(evaluations, history, run_info or {}, thumbnails or {}, attention)
    sections = [section for make in SECTIONS.values() if (section := make(material)) is not None]
    stamps = merged_stamps(*(evaluation.stamps for evaluation in evaluations.values()))
    words = f"Measured on {material.measured_on}: {size_text(material.main)}."
    return render_page(title, sections, subtitle=words, notices=stamps)
