"""What the house tests look at: the modules of the package, parsed, and the files that git keeps."""

from __future__ import annotations

import ast
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "trifacet"


@dataclass(frozen=True)
class Module:
    """One file: `name` is its path below src or the repository, `n_lines` its length."""

    name: str
    n_lines: int
    tree: ast.Module


def parse(path: Path, *, below: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    return Module(path.relative_to(below).as_posix(), len(text.splitlines()), ast.parse(text))


def modules() -> list[Module]:
    """The package's modules and the kept scripts."""
    package = [parse(path, below=PACKAGE.parent) for path in sorted(PACKAGE.rglob("*.py"))]
    return package + [parse(path, below=ROOT) for path in sorted((ROOT / "scripts").glob("*.py"))]


def kept_files() -> list[Path]:
    """Files that git tracks and that stand in the work tree."""
    told = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [path for name in told.split("\0") if name and (path := ROOT / name).is_file()]
