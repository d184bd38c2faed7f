"""The process of one job of a queue, which `trifacet queue` starts: it trains, or answers, and says how it ended.

python -m trifacet.cli.job FOLDER train RECIPE RUN DATA
python -m trifacet.cli.job FOLDER predict RUN DATA --out ...
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from trifacet.choosing import CHECKS, Networks, networks_of
from trifacet.cli.main import app, stop
from trifacet.core.config import Layer, read_layer
from trifacet.core.ensemble import is_ensemble
from trifacet.core.errors import TrifacetError, error
from trifacet.core.files import is_disk_full, write_text
from trifacet.core.run import Run, open_run
from trifacet.core.variants import is_variants
from trifacet.queue.folder import PROBLEM
from trifacet.queue.work import PAUSED


def main() -> NoReturn:
    """Does what the command line says and leaves with its exit status; a problem stands in FOLDER/problem.txt."""
    folder, words = Path(sys.argv[1]), sys.argv[2:]
    signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=_stop_with_the_queue, daemon=True).start()
    status, problem = outcome(words)
    problem = problem.replace(f"{folder}{os.sep}", "")  # it will lie in done/ or failed/
    with suppress(TrifacetError, OSError):  # where the disk is full the exit status alone tells
        if problem:
            print(problem, file=sys.stderr)  # noqa: T201  (into the job's log)
            write_text(folder / PROBLEM, problem)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(status)  # what is left is a flush of the streams, whose failure would change the status


def _stop_with_the_queue() -> None:
    """Stops this process in order when the queue's is gone: then standard input ends."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def outcome(words: list[str]) -> tuple[int, str]:
    """The exit status of what the words ask for, and what a person should know of it."""
    try:
        if words[0] == "train":
            train(*map(Path, words[1:]))
            return 0, ""
        app(words)
    except KeyboardInterrupt:
        return 130, ""
    except SystemExit as leave:  # of the command line, which has told why
        return int(leave.code or 0), ""
    except TrifacetError as problem:
        return (PAUSED if is_disk_full(problem) else problem.exit_status), str(problem)
    except Exception as problem:  # noqa: BLE001  (whatever it is, the queue goes on and its log tells)
        traceback.print_exc()
        return (PAUSED if is_disk_full(problem) else 1), f"{type(problem).__name__}: {problem}"
    return 0, ""


def train(recipe: Path, run: Path, *data: Path) -> None:
    """Trains a recipe, or goes on with its run where that was begun; one that is finished is left as it is."""
    from trifacet import resuming, stages, varying
    from trifacet.cli import render
    from trifacet.cli.tell import tell_ensemble, tell_run

    with render.bars(is_logged=True) as bars:
        if _is_begun(run):
            if _is_finished(run):
                return
            made = resuming.resume(run, progress=bars.told, on_tick=bars.ticked)
        else:
            networks, notes = open_queued(recipe)
            for note in notes:
                render.warn(note)
            if run.exists():  # killed before its first record was whole: nothing is lost
                shutil.rmtree(run)
            live: dict[str, Any] = {"data": data[0], "out": run, "progress": bars.told, "on_tick": bars.ticked}
            several = len(networks) > 1
            made = varying.train_variants(networks, **live) if several else stages.train(networks[""], **live)
    if isinstance(made, Run):
        tell_run(made)
    else:
        tell_ensemble(made)


def _is_begun(run: Path) -> bool:
    """Whether a run has all that it is gone on with from; before that nothing was trained."""
    return is_variants(run) or ((run / "run.json").is_file() and "manifest" in open_run(run).info.inputs)


def _is_finished(run: Path) -> bool:
    return is_ensemble(run) or (not is_variants(run) and open_run(run).info.status == "finished")


def open_queued(path: Path) -> tuple[Networks, tuple[str, ...]]:
    """A recipe's networks, or what the settings of an older system mean, and what was read otherwise than written.

    Raises:
        ConfigError: TRI101, TRI102, TRI106.
    """
    from trifacet.old_configs import import_config, is_old_config

    if path.is_file() and not path.stat().st_size:
        raise error("TRI102", "the file is empty", where=str(path))
    layer, notes = read_layer(path), tuple[str, ...]()
    if is_old_config(layer.content):
        made = import_config(path, checks=CHECKS)
        layer, notes = Layer(str(path), made.recipe), made.notes
    return networks_of(layer), notes


if __name__ == "__main__":
    main()
