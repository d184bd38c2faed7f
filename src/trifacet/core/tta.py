"""Views of one photo whose answers are averaged (test-time augmentation): how they are called, and which make sense."""

from __future__ import annotations

import re

from trifacet.core.errors import nearest

LARGEST_K = 64

TTA = {
    "none": "the photo alone",
    "flip": "and its mirror image",
    "crops": "the middle and the four corners of a framing a tenth larger",
    "random:K": f"K passes through the run's own augmentation, K 1 to {LARGEST_K}, the same ones each time",
    "flips4": "mirrored, upside down and both",
    "d4": "flips4, and all four on their side",
}
_FACELESS = ("flips4", "d4")


def check_tta(text: str) -> str:
    """`text` where it names a way to average. Raises ValueError in words, with the nearest name."""
    if text in TTA and text != "random:K":
        return text
    if (found := re.fullmatch(r"random:(\d{1,6})", text)) and 1 <= int(found[1]) <= LARGEST_K:
        return text
    near = None if text.startswith("random:") else nearest(text, list(TTA))
    hint = f" Did you mean '{near}'?" if near else ""
    raise ValueError(
        f"must be {', '.join(list(TTA)[:-1])} or {list(TTA)[-1]} (K 1 to {LARGEST_K}), got '{text}'.{hint}"
    )


def tta_warning(text: str) -> str:
    """What somebody should know who averages over these views of faces; "" where there is nothing to say."""
    if text not in _FACELESS:
        return ""
    what = "upside down" if text == "flips4" else "upside down and on their side"
    return (
        f"tta {text} shows faces {what}, which training never did: it was made for pictures without an up, and makes "
        "answers about faces worse"
    )
