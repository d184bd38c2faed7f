"""Writes the pages of docs/reference that follow from the code; `--check` writes nothing and names what is stale."""

from __future__ import annotations

import sys
from pathlib import Path

from trifacet.core.catalogue import CATALOGUE
from trifacet.core.errors import error

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"
HOW = "<!-- Written by scripts/write_reference.py (`make docs`); change the code, not this page. -->"


def errors_page() -> str:
    """One heading for each code, grouped by family, with why it happens and what helps."""
    lines = ["# Errors", "", HOW, ""]
    lines += ["Each message is `CODE where: what, got ... What to do.`; `--traceback` adds where in the code.", ""]
    family = ""
    for code, entry in sorted(CATALOGUE.items()):
        sample = error(code, "")
        summary = (type(sample).__doc__ or "").splitlines()[0]
        if summary != family:
            family = summary
            lines += [f"## {summary.removesuffix('.')}", "", f"Exit status {sample.exit_status}.", ""]
        lines += [f"### {code} {entry.title}", "", entry.why, "", f"**What helps.** {entry.remedy}", ""]
    return "\n".join(lines)


PAGES = {"errors.md": errors_page}


def stale(folder: Path) -> list[str]:
    """Names of the pages in `folder` that differ from what the code says now."""
    paths = {name: folder / name for name in PAGES}
    return [n for n, path in paths.items() if not path.exists() or path.read_text(encoding="utf-8") != PAGES[n]()]


def main() -> None:
    """Writes each page that is stale, or names it with `--check`."""
    found = stale(REFERENCE)
    if "--check" in sys.argv and found:
        sys.exit(f"stale in docs/reference: {', '.join(found)}; run `make docs`")
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name in found:
        (REFERENCE / name).write_text(PAGES[name](), encoding="utf-8")
        print(f"wrote docs/reference/{name}")


if __name__ == "__main__":
    main()
