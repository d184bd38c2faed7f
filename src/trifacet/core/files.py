"""Files that are written whole or not at all, and the hashes that name them."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from trifacet.core.errors import TrifacetError, error


def is_disk_full(problem: BaseException) -> bool:
    """Whether an exception of any library says that no space is left on the device.

    A full disk arrives as OSError, RuntimeError or a library's own type, so its words are read as well.
    """
    if isinstance(problem, OSError) and problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    if isinstance(problem, TrifacetError):
        return problem.code == "TRI900"
    return "no space left on device" in str(problem).lower() or "os error 28" in str(problem).lower()


def _cannot_write(path: Path, problem: OSError) -> TrifacetError:
    return error("TRI901", "cannot write here", where=str(path), got=problem.strerror or str(problem))


def sync_folder(folder: Path) -> None:
    """Makes a rename in `folder` survive a power cut. Windows cannot sync folders and needs not."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def atomic_path(path: Path, *, n_bytes: int | None = None) -> Iterator[Path]:
    """A temporary path in the same folder, moved onto `path` when the block ends well and removed when it does not.

    n_bytes: how much is going to be written, for the message of a full disk.

    Raises:
        MachineError: TRI900 disk full, TRI901 not writable.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix or ".part", dir=path.parent)
    except OSError as problem:
        if is_disk_full(problem):
            raise error("TRI900", "no space left", where=str(path)) from problem
        raise _cannot_write(path, problem) from problem
    os.close(handle)
    temporary = Path(name)
    try:
        temporary.chmod(new_file_mode())
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except Exception as problem:
        if is_disk_full(problem):
            temporary.unlink(missing_ok=True)
            raise error("TRI900", "no space left", where=str(path), got=_space(path, n_bytes)) from problem
        if isinstance(problem, (PermissionError, IsADirectoryError)):
            raise _cannot_write(path, problem) from problem
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path` that takes its name when the block ends well, and is removed when it does not.

    Raises:
        RunError: TRI402, something is there already. MachineError: TRI900 disk full, TRI901 not writable.
    """
    path = Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise error("TRI402", "this place is taken", where=str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as problem:
        if is_disk_full(problem):
            raise error("TRI900", "no space left", where=str(path)) from problem
        raise _cannot_write(path, problem) from problem
    try:
        temporary.chmod(new_file_mode() | (new_file_mode() & 0o444) >> 2)
        yield temporary
        for written in temporary.rglob("*"):
            if written.is_dir():
                sync_folder(written)
        sync_folder(temporary)
        temporary.replace(path)
        sync_folder(path.parent)
    except Exception as problem:
        if is_disk_full(problem):
            raise error("TRI900", "no space left", where=str(path)) from problem
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _space(path: Path, n_bytes: int | None) -> str:
    """`1,200 kB free of 66,034 kB needed`; nothing where the need is not known."""
    if n_bytes is None:
        return ""
    free, needed = (f"{math.ceil(n / 1e3):,} kB" for n in (shutil.disk_usage(path.parent).free, n_bytes))
    return f"{free} free of {needed} needed"


def check_suffix(path: Path, *suffixes: str, what: str) -> None:
    """Refuses an output whose name does not end as its content asks. Raises ConfigError TRI104."""
    if path.suffix.lower() not in suffixes:
        do = f"Call it {path.stem or 'out'}{suffixes[0]}, say."
        raise error("TRI104", f"{what} must end in {' or '.join(suffixes)}", where="--out", got=f"'{path}'", do=do)


def keep_inputs(path: Path, *inputs: object) -> None:
    """Refuses an output that would replace what it is made from; only paths count. Raises ConfigError TRI104."""
    for given in inputs:
        if isinstance(given, str | Path) and path.is_file() and Path(given).is_file() and path.samefile(given):
            do = "Name another file: what is read is never replaced."
            raise error("TRI104", "the output is the input", where="--out", got=f"'{path}'", do=do)


def file_system(path: Path) -> str:
    """The kind of file system that a path lies on, such as `ext4` or `nfs4`; "" where the system does not tell."""
    mounts = Path("/proc/self/mountinfo")
    if not mounts.exists():
        return ""
    there = path.absolute()
    while not there.exists():
        there = there.parent
    there, kind, longest = there.resolve(), "", -1
    for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4].encode().decode("unicode_escape"))  # spaces are written as \\040
        if there.is_relative_to(point) and len(point.parts) >= longest:  # of two at one place the later one counts
            kind, longest = after.split()[0], len(point.parts)
    return kind


def new_file_mode() -> int:
    """The permissions that `open` would give a new file; `mkstemp` gives its own to the owner alone."""
    mask = os.umask(0o022)
    os.umask(mask)
    return 0o666 & ~mask


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Writes `content` to `path`, whole or not at all."""
    with atomic_path(path, n_bytes=len(content)) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Writes UTF-8 text to `path`, whole or not at all."""
    write_bytes(path, content.encode())


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes indented JSON (NaN refused) to `path`, whole or not at all."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def append_jsonl(path: Path, record: Mapping[str, Any]) -> None:
    """Adds one line of JSON to `path` and syncs it: a killed process leaves at most one torn last line."""
    line = json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        with path.open("a", encoding="utf-8") as log:
            log.write(line)
            log.flush()
            os.fsync(log.fileno())
    except OSError as problem:
        if is_disk_full(problem):
            raise error("TRI900", "no space left", where=str(path)) from problem
        raise _cannot_write(path, problem) from problem


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The records of a JSONL file; a torn last line (a killed writer) is left out."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")  # as bytes: the tear may go through a character
    return [json.loads(line) for line in lines[:-1] if line]


def read_json(path: Path, *, code: str = "TRI102") -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        TrifacetError: `code`, missing, not JSON, or not an object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise error(code, "no such file", where=str(path)) from None
    except (ValueError, OSError) as problem:
        raise error(code, "cannot be read as JSON", where=str(path), got=str(problem)) from problem
    if not isinstance(content, dict):
        raise error(code, "must hold one JSON object", where=str(path), got=type(content).__name__)
    return content


class _Yaml(yaml.SafeLoader):
    """YAML with the booleans of version 1.2: `on`, `off`, `yes` and `no` are words, as `amp: off` means them.

    A key said twice is a mistake, as YAML has it; the library would take the last one in silence.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping of a node. Raises ConstructorError where a key stands twice."""
        seen: set[str] = set()
        for key, _ in node.value:
            name = f"{key.tag} {key.value}"
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"found key '{key.value}' twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


_BOOL = "tag:yaml.org,2002:bool"
_Yaml.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != _BOOL]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Yaml.add_implicit_resolver(_BOOL, re.compile("(true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def parse_yaml(text: str) -> Any:
    """What a YAML or JSON text holds, in plain values. Raises yaml.YAMLError; a key said twice is one."""
    return yaml.load(text, Loader=_Yaml)  # noqa: S506  (a SafeLoader)


def yaml_reason(problem: Exception) -> str:
    """What a YAML problem is and where, in one line: `line 3: found key 'lr' twice`."""
    mark, said = getattr(problem, "problem_mark", None), getattr(problem, "problem", None)
    if mark is None or said is None:
        return " ".join(str(problem).split())
    return f"line {mark.line + 1}: {said}"


def sha256_bytes(content: bytes) -> str:
    """The SHA-256 of `content`, 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's content, 64 hex digits."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def sha256_json(content: Any) -> str:
    """The SHA-256 of `content` as canonical JSON (sorted keys, no spaces), 64 hex digits."""
    return sha256_bytes(json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())
