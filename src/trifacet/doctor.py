"""What is installed, on which machine, what does not fit together, and what to do about it."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import cache_from_source, find_spec
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from trifacet.pixels.cache import cache_folder, cache_limit_bytes, list_caches

PROBE_SECONDS = 300  # an import of torch from a cold network disk takes minutes, not hours

# Runs in an interpreter of its own: a torch that does not fit its neighbours may end the process that imports it.
PROBE = """
import importlib, json
told = {"failed": {}, "cuda_build": None, "devices": []}
for name in ("torch", "torchvision"):
    try:
        module = importlib.import_module(name)
    except BaseException as problem:
        told["failed"][name] = f"{type(problem).__name__}: {problem}"
        continue
    if name == "torch":
        told["cuda_build"] = module.version.cuda
        for i in range(module.cuda.device_count() if module.cuda.is_available() else 0):
            about = module.cuda.get_device_properties(i)
            told["devices"].append({"name": f"cuda:{i}", "what": about.name, "memory_bytes": about.total_memory})
        if module.backends.mps.is_available():
            told["devices"].append({"name": "mps", "what": "Apple GPU", "memory_bytes": None})
print(json.dumps(told))
"""
# What torchvision says when it was built for another torch: its operators are not registered, or symbols are missing.
MISMATCH = re.compile(r"operator torchvision::|undefined symbol|Symbol not found|compiled with different CUDA")


@dataclass(frozen=True)
class Package:
    """One package that trifacet asks for; `extra` is empty for the base install, `version` None when absent."""

    name: str
    asked: str
    version: str | None
    fits: bool
    extra: str


@dataclass(frozen=True)
class Extra:
    """A part that can be installed beside the base: what is missing of it, and how to get it."""

    name: str
    missing: tuple[str, ...]
    install: str


@dataclass(frozen=True)
class Device:
    """Something to compute on. `memory_bytes` is None where the system does not tell."""

    name: str
    what: str
    memory_bytes: int | None


@dataclass(frozen=True)
class Finding:
    """Something that does not fit, or is worth knowing, and what to do."""

    what: str
    do: str


@dataclass(frozen=True)
class Diagnosis:
    """All that `trifacet doctor` tells. With any of `problems` something will fail; `notes` cost time or space only."""

    trifacet: str
    python: str
    executable: str
    system: str
    packages: tuple[Package, ...]
    extras: tuple[Extra, ...]
    devices: tuple[Device, ...]
    cache_path: str
    cache_bytes: int
    cache_limit_bytes: int
    cache_free_bytes: int
    problems: tuple[Finding, ...]
    notes: tuple[Finding, ...]


def examine() -> Diagnosis:
    """A look at this installation and this machine; takes as long as torch takes to import, where there is one."""
    packages = find_packages(requires("trifacet") or ())
    told = probe_torch() if any(p.name == "torch" and p.version for p in packages) else {}
    folder = cache_folder()
    standing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    cpu = Device("cpu", f"{usable_cores()} cores, {platform.machine()}", memory_bytes())
    return Diagnosis(
        trifacet=version("trifacet"),
        python=platform.python_version(),
        executable=sys.executable,
        system=f"{platform.system()} {platform.release()}",
        packages=packages,
        extras=find_extras(packages),
        devices=(*(Device(**device) for device in told.get("devices", ())), cpu),
        cache_path=str(folder),
        cache_bytes=sum(cache.n_bytes for cache in list_caches()),
        cache_limit_bytes=cache_limit_bytes(),
        cache_free_bytes=shutil.disk_usage(standing).free,
        problems=(*ill_fitting(packages), *torch_problems(told), *_cache_problems(standing)),
        notes=(*torch_notes(told), *_slow_imports()),
    )


def find_packages(lines: Iterable[str]) -> tuple[Package, ...]:
    """The packages of requirement lines such as `torch>=2.13 ; extra == 'train'` that this machine is asked for."""
    found = []
    for line in lines:
        wanted = Requirement(line)
        extra = next(iter(re.findall(r"""extra == ['"]([\w-]+)['"]""", str(wanted.marker or ""))), "")
        if wanted.marker and not wanted.marker.evaluate({"extra": extra}):
            continue
        try:
            has = version(wanted.name)
        except PackageNotFoundError:
            has = None
        fits = has is not None and wanted.specifier.contains(has, prereleases=True)
        found.append(Package(wanted.name, str(wanted.specifier), has, fits, extra))
    return tuple(found)


def find_extras(packages: Iterable[Package]) -> tuple[Extra, ...]:
    """One entry for each extra that any of the packages belongs to."""
    missing: dict[str, list[str]] = {}
    for package in packages:
        if package.extra:
            missing.setdefault(package.extra, []).extend([] if package.version else [package.name])
    return tuple(Extra(name, tuple(lacks), f"pip install 'trifacet[{name}]'") for name, lacks in missing.items())


def ill_fitting(packages: Iterable[Package]) -> tuple[Finding, ...]:
    """A finding for each package of the base install that is absent, and for each that is of a wrong version.

    What is absent of an extra is no problem: nobody asked for it.
    """
    found = []
    for package in packages:
        if package.version is None and not package.extra:
            found.append((f"{package.name} is not installed", package))
        elif package.version is not None and not package.fits:
            found.append((f"{package.name} {package.version} is installed", package))
    do = "pip install '{0.name}{0.asked}'"
    return tuple(Finding(f"{what}, {p.asked or 'any version'} is asked for.", do.format(p)) for what, p in found)


def probe_torch() -> dict[str, Any]:
    """What torch tells of itself in an interpreter of its own: `failed` imports by name, `cuda_build`, `devices`."""
    command = [sys.executable, "-P", "-c", PROBE]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return {"failed": {"torch": f"no answer within {PROBE_SECONDS} s"}}
    if told.returncode:
        return {"failed": {"torch": f"the interpreter ended with status {told.returncode}: {told.stderr[-400:]}"}}
    answer: dict[str, Any] = json.loads(told.stdout.splitlines()[-1])
    return answer


def torch_problems(told: dict[str, Any]) -> tuple[Finding, ...]:
    """What keeps torch or torchvision from being imported, and how a pair that fits is had."""
    failed: dict[str, str] = told.get("failed", {})
    found = []
    for name, problem in failed.items():
        what = f"{name} cannot be imported ({problem.strip()})."
        if MISMATCH.search(problem):
            what = f"torch and torchvision were not built for each other ({problem.strip()})."
        elif name == "torchvision" and "torch" in failed:
            continue  # it only repeats what ails torch
        found.append(
            Finding(
                what,
                "Install both from one place, in one command: `uv pip install --reinstall --torch-backend auto torch "
                "torchvision`, with `cpu` in place of `auto` for the CPU-only builds.",
            )
        )
    return tuple(found)


def torch_notes(told: dict[str, Any]) -> tuple[Finding, ...]:
    """Worth knowing: CUDA libraries that nothing here can use."""
    if not told.get("cuda_build") or any(device["name"].startswith("cuda") for device in told["devices"]):
        return ()
    what = f"This torch carries CUDA {told['cuda_build']}, but no CUDA device is usable: it runs on the CPU."
    do = "With an NVIDIA GPU, update its driver. Without one, a CPU-only torch takes several GB less (see the README)."
    return (Finding(what, do),)


def usable_cores() -> int:
    """How many CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes() -> int | None:
    """The machine's memory, or what the container may take of it; None where neither is told."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text(encoding="ascii").strip() if limit.exists() else "max"
    return total if text == "max" else min(total, int(text))


def _cache_problems(standing: Path) -> tuple[Finding, ...]:
    """`standing`: the nearest folder above the cache that exists."""
    if os.access(standing, os.W_OK):
        return ()
    return (
        Finding(f"The cache folder cannot be made: {standing} is not writable.", "Set TRIFACET_CACHE_DIR to another."),
    )


def _slow_imports() -> tuple[Finding, ...]:
    """Packages installed without bytecode where Python may not write it either: every start compiles them again."""
    spec = find_spec("numpy")
    compiled = bool(spec and spec.origin and Path(cache_from_source(spec.origin)).exists())
    if compiled or not sys.dont_write_bytecode:
        return ()
    do = f"Compile them once: `{sys.executable} -m compileall -q {Path(str(spec and spec.origin)).parents[1]}`."
    return (Finding("Packages are not compiled and Python is told not to: each start takes seconds longer.", do),)
