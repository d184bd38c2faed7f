"""`trifacet doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from trifacet.doctor import Diagnosis


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Tell what is installed, on which machine, what does not fit, and what to do.

    The exit status is 1 when something that is installed does not fit. An extra that is absent is no fault.
    """
    import json
    from dataclasses import asdict

    from rich.console import Console

    from trifacet.doctor import examine

    if as_json:
        diagnosis = examine()
        typer.echo(json.dumps(asdict(diagnosis), indent=2))
    else:
        console = Console()
        with console.status("Looking around"):
            diagnosis = examine()
        console.print(render(diagnosis))
    if diagnosis.problems:
        raise typer.Exit(1)


def render(diagnosis: Diagnosis) -> RenderableType:
    """The diagnosis as tables for a terminal, problems last, where the eye rests."""
    from rich.console import Group
    from rich.markup import escape
    from rich.table import Table

    def table(*rows: tuple[str, ...]) -> Table:
        grid = Table.grid(padding=(0, 2))
        for row in rows:
            grid.add_row(*map(escape, row))
        return grid

    def size(n_bytes: int | None) -> str:
        return "" if n_bytes is None else f"{n_bytes / 1e9:.1f} GB"

    extras = [
        (f"[{e.name}]", "installed" if not e.missing else f"{', '.join(e.missing)} absent: {e.install}")
        for e in diagnosis.extras
    ]
    cache = (
        f"{size(diagnosis.cache_bytes)} of {size(diagnosis.cache_limit_bytes)}, {size(diagnosis.cache_free_bytes)} free"
    )
    parts: list[RenderableType] = [
        table(
            ("trifacet", diagnosis.trifacet),
            ("Python", f"{diagnosis.python}, {diagnosis.executable}"),
            ("system", diagnosis.system),
            *((d.name, f"{d.what}{', ' if d.memory_bytes else ''}{size(d.memory_bytes)}") for d in diagnosis.devices),
            ("cache", f"{diagnosis.cache_path} ({cache})"),
        ),
        "",
        table(
            *(
                (
                    p.name,
                    p.version or "-",
                    p.asked,
                    f"[{p.extra}]" if p.extra else "",
                    "" if p.fits else "does not fit" if p.version else "absent",
                )
                for p in diagnosis.packages
                if p.version or not p.extra
            )
        ),
        "",
        table(*extras),
    ]
    for title, style, findings in (("Note", "yellow", diagnosis.notes), ("Problem", "red", diagnosis.problems)):
        for finding in findings:
            parts += ["", f"[bold {style}]{title}[/] {escape(finding.what)}\n  {escape(finding.do)}"]
    parts += ["", "Nothing is wrong." if not diagnosis.problems else f"{len(diagnosis.problems)} to mend."]
    return Group(*parts)
