"""What lies beside the code: lock, changelog, generated pages, and what must never be there."""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib

import pytest
from packaging.requirements import Requirement

from scripts.lock_sizes import lock_sha256
from scripts.write_reference import REFERENCE, stale
from tests.house.sources import ROOT, Module, kept_files, modules
from trifacet.core.catalogue import CATALOGUE
from trifacet.core.files import parse_yaml
from trifacet.core.schema import parse_schema

LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# The ways in which a package index or a mirror is named, as one would type them.
INDEX = re.compile(r"--(extra-)?index-url|--find-links|/simple/|pythonhosted|pypi\.org/(?!project/)", re.IGNORECASE)
PART_OF = {"pydantic_core": "pydantic"}  # pinned to each other by pydantic itself
MAY_SAY = {"Makefile", "tests/house/test_repository.py"}  # they say --no-emit-..., and what is looked for


def test_the_lock_pins_everything_by_hash() -> None:
    pins = re.findall(r"^[a-z0-9][\w.-]*==\S+.*(?:\n    --hash=sha256:[0-9a-f]{64}.*)+", LOCK, re.MULTILINE)
    names = re.findall(r"^\w.*$", LOCK, re.MULTILINE)
    assert len(pins) == len(names) > 50


def test_the_lock_names_no_address() -> None:
    assert re.findall(r"https?://\S+|file:\S+", LOCK) == []


def test_no_kept_file_names_an_index() -> None:
    found = []
    for path in kept_files():
        name = path.relative_to(ROOT).as_posix()
        text = path.read_bytes().decode("utf-8", errors="ignore").replace("--no-emit-", "")
        found += [f"{name}: {hit.group()}" for hit in INDEX.finditer(text) if name not in MAY_SAY]
    assert found == []


@pytest.mark.parametrize(
    ("line", "is_index"),
    [
        pytest.param("pip install --index-url https://example.org x", True, id="an option"),
        pytest.param("https://example.org/simple/torch/", True, id="a listing"),
        pytest.param("uv pip install --torch-backend cpu torch", False, id="a backend by name"),
        pytest.param("https://pypi.org/project/trifacet/", False, id="a project's page"),
    ],
)
def test_an_index_is_recognised(line: str, is_index: bool) -> None:
    assert bool(INDEX.search(line)) is is_index


def test_the_sizes_belong_to_the_lock() -> None:
    sizes = json.loads((ROOT / "requirements.sizes.json").read_text(encoding="utf-8"))
    assert sizes["lock_sha256"] == lock_sha256(), "run `make lock`"
    assert sizes["installed_bytes"] > sizes["download_bytes"] > 10**8


def test_every_direct_dependency_is_locked_within_its_bounds() -> None:
    project = PROJECT["project"]
    asked = [*project["dependencies"], *PROJECT["dependency-groups"]["dev"]]
    asked += [line for extra in project["optional-dependencies"].values() for line in extra]
    locked: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", LOCK, re.MULTILINE):
        locked.setdefault(name, []).append(version)
    for requirement in map(Requirement, asked):
        versions = locked.get(requirement.name, [])
        assert versions, f"{requirement.name} is not in the lock"
        assert all(version in requirement.specifier for version in versions), f"{requirement}: {versions} locked"


def test_what_the_package_imports_it_declares() -> None:
    from importlib.metadata import packages_distributions

    project = PROJECT["project"]
    base = {Requirement(line).name for line in project["dependencies"]}
    extras = {
        name: {Requirement(line).name for line in lines} for name, lines in project["optional-dependencies"].items()
    }
    allowed = {
        "trifacet/clean/mislabels.py": extras["audit"],
        "trifacet/learn/": extras["train"],
        "trifacet/learn/services.py": extras["wandb"] | extras["mlflow"],
        "trifacet/pixels/faces.py": extras["faces"],
        "trifacet/trials/": extras["search"],
        "trifacet/searching.py": extras["search"],
        "trifacet/serve/": extras["review"],
    }
    distributions = packages_distributions()
    undeclared = [
        f"{module.name}: {name}"
        for module in modules()
        if module.name.startswith("trifacet/")
        for name in sorted(third_party(module))
        if not {PART_OF.get(name, d.lower()) for d in distributions.get(name, [name])}
        & base.union(*(names for place, names in allowed.items() if module.name.startswith(place)))
    ]
    assert undeclared == []


def third_party(module: Module) -> set[str]:
    """Top-level names of what a module imports, the standard library and its own package left out."""
    nodes = list(ast.walk(module.tree))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"trifacet"}


def test_the_changelog_has_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(PROJECT['project']['version'])}\b", text, re.MULTILINE)


def test_generated_pages_are_up_to_date() -> None:
    assert stale(REFERENCE) == [], "run `make docs`"


def test_every_error_has_its_heading() -> None:
    headings = re.findall(r"^### (TRI\d+) ", (REFERENCE / "errors.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings == sorted(CATALOGUE)


def test_links_between_pages_lead_somewhere() -> None:
    link = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
    pages = [path for path in kept_files() if path.suffix == ".md"]
    links = [(page, found) for page in pages for found in link.findall(page.read_text(encoding="utf-8"))]
    broken = [f"{page.relative_to(ROOT)}: {found}" for page, found in links if not (page.parent / found).exists()]
    assert broken == []


def test_both_readmes_show_the_same_commands() -> None:
    shown = [
        [
            re.split(r"\s+#", line)[0]
            for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
            if line[:4] == "    "
        ]
        for name in ("README.md", "README.ko.md")
    ]
    assert len(shown[0]) > 10
    assert shown[0] == shown[1]


def test_the_schema_that_the_readme_shows_is_one() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    start = lines.index("    attributes:")
    shown = "\n".join(line[4:] for line in lines[start : lines.index("", start)])
    schema = parse_schema(parse_yaml(shown), where="README.md")
    assert (schema.names, schema.sizes) == (("mask", "age"), (2, 3))
