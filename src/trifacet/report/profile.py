"""Where the time and the memory of a training went, from its records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trifacet.pages import html
from trifacet.report.material import Material

PREFIX, REST = "seconds_", "the rest"
WORDS = {
    "wait": "waiting for photos",
    "augment": "augmenting",
    "forward": "forward pass",
    "backward": "backward pass",
    "step": "optimiser's step",
    "validate": "answering val",
    "save": "saving",
}
PHASES = {"head": "the head alone", "all": "the whole net", "second": "the second stage"}


def time_profile(history: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Seconds per part by phase, of the epochs that were timed; `the rest` is what no part accounts for."""
    phases: dict[str, dict[str, float]] = {}
    for record in history:
        timed = {k.removeprefix(PREFIX): v for k, v in record.items() if k.startswith(PREFIX) and v is not None}
        if not timed or not record.get("seconds"):
            continue
        parts = phases.setdefault(PHASES.get(record["phase"], record["phase"]), {})
        for part, seconds in {**timed, REST: max(0.0, record["seconds"] - sum(timed.values()))}.items():
            parts[part] = parts.get(part, 0.0) + seconds
    return phases


def memory_facts(machine: Mapping[str, Any]) -> dict[str, str]:
    """The memory that training took, in words: peaks of the machine and the device, what a step keeps per photo."""
    named = {"peak_host_bytes": "most memory of the process", "peak_device_bytes": "most memory of the GPU"}
    facts = {words: f"{machine[key] / 1e9:.2f} GB" for key, words in named.items() if key in machine}
    for precision, n_bytes in machine.get("kept_for_backward", {}).items():
        facts[f"kept for the backward pass of a step in {precision}"] = f"{n_bytes / 1e6:,.0f} MB"
    return facts


def profile(material: Material) -> html.Section | None:
    """A table a phase: seconds and shares of the parts of its epochs."""
    phases = time_profile(material.history)
    if not phases:
        return None
    tables = []
    for phase, parts in phases.items():
        whole = sum(parts.values())
        rows = [
            (WORDS.get(part, part), round(seconds, 1), html.share_html(seconds / whole))
            for part, seconds in parts.items()
        ]
        caption = f"Epochs of {phase}, {whole:,.0f} seconds"
        tables.append(html.table_html(("part", "seconds", "share"), rows, caption=caption, digits=1))
    note = (
        "What training's epochs spent their time on. A GPU computes behind its caller's back: there only a run of "
        "train --profile tells the parts apart exactly."
    )
    return html.Section("Where the time went", html.side_by_side(*tables, at_least_rem=22), "profile", note)
