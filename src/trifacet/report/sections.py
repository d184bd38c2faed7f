"""The sections of an evaluation's report in order. A new one is a function and a line here.

Each takes the material and gives HTML, or None where it has nothing to say.
"""

from __future__ import annotations

from collections.abc import Callable

from trifacet.pages.html import Section
from trifacet.report import attention, masks, pictures, profile, reliability, scores, slices, story
from trifacet.report.material import Material

SECTIONS: dict[str, Callable[[Material], Section | None]] = {
    "headline": scores.headline,
    "confusion": scores.confusion,
    "classes": scores.per_class,
    "slices": slices.slices,
    "masks": masks.masks,
    "age": scores.age,
    "cuts": slices.cuts,
    "reliability": reliability.reliability,
    "mistakes": pictures.mistakes,
    "uncertain": pictures.uncertain,
    "attention": attention.attention,
    "curves": story.curves,
    "profile": profile.profile,
    "facts": story.facts,
    "limits": story.limits,
}
