"""Writes the pages of docs/reference that follow from the code; `--check` writes nothing and names what is stale."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer.main

from trifacet.choosing import recipe_paths
from trifacet.cli.main import app
from trifacet.core.catalogue import CATALOGUE
from trifacet.core.errors import error
from trifacet.core.policies import OPERATIONS
from trifacet.core.recipe import Recipe
from trifacet.core.tta import TTA
from trifacet.learn.terms import CLASS_TERMS, YEAR_TERMS

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


def recipe_page() -> str:
    """Every key of a recipe with its default, what it may hold and what it is; then the recipes of the package."""
    schema = Recipe.model_json_schema(by_alias=True)
    defaults = Recipe().model_dump(mode="json", by_alias=True)
    lines = ["# Recipe", "", HOW, ""]
    lines += [
        "A recipe is a YAML or JSON file with the keys that differ from these defaults, which are those of `quick`.",
        "Any key changes for one run with `--set KEY=VALUE`; `trifacet config show RECIPE` prints each value's origin.",
        "Unknown keys and values that do not fit are refused, all at once ([TRI101](errors.md)).",
        "A file may hold one key more, `each: {NAME: {...}, NAME: {...}}`: networks that answer together, and what",
        "each of them has of its own ([ensembles](../how-to/ensembles.md#a-recipe-of-several-networks)).",
        "",
    ]
    top = {key: field for key, field in schema["properties"].items() if "$ref" not in field}
    lines += ["## At the top", "", *_keys(top, defaults, prefix="", known=schema["$defs"])]
    for name, field in schema["properties"].items():
        if "$ref" in field:
            section = schema["$defs"][field["$ref"].rpartition("/")[2]]
            lines += [f"## {name}", "", section["description"], ""]
            lines += _keys(section["properties"], defaults[name], prefix=f"{name}.", known=schema["$defs"])
    terms = {name: (term.__doc__ or "").splitlines()[0] for name, term in CLASS_TERMS.items()}
    of_years = {name: (term.__doc__ or "").splitlines()[0] for name, term in YEAR_TERMS.items()}
    lines += _names("What loss.terms and loss.age_terms may name", terms)
    lines += _names("What loss.age_terms may name besides", of_years)
    lines += _names("What policies and augment.strength may name", OPERATIONS)
    lines += _names("What decide.tta may be", TTA)
    lines += ["## The recipes of the package", ""]
    for path in recipe_paths().values():
        lines += [*(f"    {line}" for line in path.read_text(encoding="utf-8").splitlines()), ""]
    return "\n".join(lines)


def _names(title: str, about: Mapping[str, str]) -> list[str]:
    """A table of names, each with its line."""
    return [
        f"## {title}",
        "",
        "| | |",
        "|---|---|",
        *(f"| `{name}` | {_cell(text)} |" for name, text in about.items()),
        "",
    ]


def _keys(
    fields: Mapping[str, Any], defaults: Mapping[str, Any], *, prefix: str, known: Mapping[str, Any]
) -> list[str]:
    head = ["| key | default | may be | what it is |", "|---|---|---|---|"]
    return [*head, *_rows(fields, defaults, prefix=prefix, known=known), ""]


def _rows(
    fields: Mapping[str, Any], defaults: Mapping[str, Any], *, prefix: str, known: Mapping[str, Any]
) -> Iterator[str]:
    """A row for each key; for a section within a section one for each of its own. known: the schema's definitions."""
    for name, field in fields.items():
        if "$ref" in field:
            inner = known[field["$ref"].rpartition("/")[2]]["properties"]
            yield from _rows(inner, defaults[name], prefix=f"{prefix}{name}.", known=known)
            continue
        cells = (
            f"`{prefix}{name}`",
            f"`{json.dumps(defaults[name])}`".replace('"', ""),
            _values(field),
            _cell(field.get("description", "")),
        )
        yield f"| {' | '.join(cells)} |"


def _values(field: Mapping[str, Any]) -> str:
    """What a field of a JSON schema may hold, in words."""
    if "anyOf" in field:
        return " or ".join(_values(one) for one in field["anyOf"])
    if "enum" in field or "const" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if "prefixItems" in field:
        return f"[{', '.join(_values(one) for one in field['prefixItems'])}]"
    if isinstance(inner := field.get("additionalProperties"), dict):
        return f"name: {_values(inner)}"
    kind = {"integer": "whole number", "boolean": "true or false", "string": "text", "object": "a mapping"}.get(
        field.get("type", ""), field.get("type", "")
    )
    bounds = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    return " ".join([kind, *(f"{word} {field[key]:,}" for key, word in bounds.items() if key in field)])


def commands_page() -> str:
    """Every command with its arguments, options and defaults."""
    lines = ["# Commands", "", HOW, ""]
    for name, command in _commands():
        usage = " ".join(command.collect_usage_pieces(command.make_context(name, [], resilient_parsing=True)))
        lines += [f"## {name}", "", f"    {name} {usage}", "", (command.help or "").strip(), ""]
        if params := [p for p in command.params if not p.name.endswith("_completion")]:  # typer's own
            lines += ["| | default | |", "|---|---|---|", *map(_parameter, params), ""]
    return "\n".join(lines)


def _commands() -> Iterator[tuple[str, Any]]:
    """Every command by the words one types, those below a group after it, in the order of the help."""
    waiting: list[tuple[str, Any]] = [("trifacet", typer.main.get_command(app))]
    while waiting:
        name, command = waiting.pop(0)
        yield name, command
        below = getattr(command, "commands", {})
        waiting = [*((f"{name} {key}", one) for key, one in below.items()), *waiting]


def _parameter(param: Any) -> str:
    is_argument = param.param_type_name == "argument"
    is_flag = getattr(param, "is_flag", False)
    shown = "" if is_argument else ", ".join(param.opts)
    if is_argument or (param.metavar and not is_flag):
        shown = f"{shown} {param.metavar}".strip()
    given = "" if is_flag or param.default in (None, "") else f"`{param.default}`"
    return f"| `{_cell(shown)}` | {given} | {_cell(param.help or '')} |"


def _cell(text: str) -> str:
    """Text for a cell of a table, where a bar would begin the next one."""
    return text.replace("|", "\\|")


PAGES = {"commands.md": commands_page, "errors.md": errors_page, "recipe.md": recipe_page}


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
