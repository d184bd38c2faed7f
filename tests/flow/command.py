"""The command line, called as a person calls it, within this process (torch is imported once)."""

from __future__ import annotations

import io
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

from trifacet.cli.main import main


class Said(NamedTuple):
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


def trifacet(*words: object) -> Said:
    """Runs `trifacet WORDS...` through the program's own door."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    before = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["trifacet", *map(str, words)])
        try:
            main()
        except SystemExit as leave:
            status = int(leave.code or 0)
        finally:
            signal.signal(signal.SIGTERM, before)
    return Said(status, out.getvalue(), err.getvalue())


def done(*words: object) -> Said:
    """Runs a command that must end well."""
    said = trifacet(*words)
    assert said.status == 0, f"{words} left with {said.status}: {said.err}"
    return said


TINY = tuple(
    word
    for setting in (
        "model.backbone=baseline_cnn",
        "data.image_size=[32,32]",
        "train.epochs=1",
        "train.head_epochs=0",
        "train.batch_size=32",
        "track.tensorboard=false",
        "report.pictures=false",
        "train.memory_format=channels_last",
    )
    for word in ("--set", setting)
)

PICTURED = (*TINY, "--set", "report.pictures=true")


def write_manifest_of(root: Path) -> Path:
    """The manifest of the folder `root`, beside it."""
    path = root.parent / f"{root.name}.parquet"
    done("ingest", root, "--out", path, "--workers", 1)
    return path
