"""Weights & Biases and MLflow as trackers: into the run's folder, and to a server only where the recipe says so."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trifacet.core.config import flatten
from trifacet.core.predictions import ImageArray
from trifacet.core.run import Run
from trifacet.learn.scalars import Record, scalars

if TYPE_CHECKING:
    from mlflow import MlflowClient


@dataclass(frozen=True)
class WeightsAndBiases:
    """A run of Weights & Biases."""

    service: Any

    def record(self, record: Record) -> None:
        """Logs the numbers of an epoch at its step."""
        self.service.log(scalars(record), step=record["step"])

    def picture(self, name: str, image: ImageArray, *, step: int) -> None:
        """Logs an image."""
        import wandb

        self.service.log({name: wandb.Image(image)}, step=step)


@contextmanager
def open_wandb(run: Run, project: str, *, is_online: bool) -> Iterator[WeightsAndBiases]:
    """The tracker of a project. Offline, `wandb sync RUN/wandb/offline-run-*` sends it when somebody wants to.

    Nothing of the machine, of git or of the source is told; a resumed run goes on under its own id.
    """
    import wandb

    settings = wandb.Settings(
        mode="online" if is_online else "offline",
        console="off",
        silent=True,
        disable_git=True,
        disable_code=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_disable_machine_info=True,
    )
    wandb.setup(settings)  # else the package's own telemetry goes out, even of an offline run
    service = wandb.init(
        project=project,
        name=run.info.name,
        id=run.info.fingerprint,
        resume="allow" if is_online else None,
        dir=str(run.path),
        config=run.info.recipe.model_dump(mode="json", by_alias=True),
        settings=settings,
    )
    try:
        yield WeightsAndBiases(service)
    finally:
        service.finish()
        wandb.teardown()  # waits for what is still to be written; finish alone does not


@dataclass(frozen=True)
class MLflow:
    """A run of MLflow: `client` is its client, `run_id` its name there."""

    client: Any
    run_id: str

    def record(self, record: Record) -> None:
        """Logs the numbers of an epoch at its step."""
        for tag, value in scalars(record).items():
            self.client.log_metric(self.run_id, tag, value, step=record["step"])

    def picture(self, name: str, image: ImageArray, *, step: int) -> None:
        """Logs an image as an artifact."""
        self.client.log_image(self.run_id, image, artifact_file=f"{name}_{step}.png")


@contextmanager
def open_mlflow(run: Run, experiment: str, *, is_online: bool) -> Iterator[MLflow]:
    """The tracker of an experiment: in RUN/mlruns, or where MLFLOW_TRACKING_URI says.

    A resumed run goes on in its own; MLflow keeps what it was told twice, which are the same numbers.
    """
    for switch in ("MLFLOW_DISABLE_TELEMETRY", "MLFLOW_ALLOW_FILE_STORE"):
        os.environ.setdefault(switch, "true")
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=None if is_online else (run.path / "mlruns").absolute().as_uri())
    experiment_id = _experiment_id(client, experiment)
    mine = f"tags.trifacet_run = '{run.info.fingerprint}'"
    there = client.search_runs([experiment_id], filter_string=mine, max_results=1)
    if there:
        run_id = there[0].info.run_id
        client.update_run(run_id, status="RUNNING")
    else:
        tags = {"trifacet_run": run.info.fingerprint}
        run_id = client.create_run(experiment_id, run_name=run.info.name, tags=tags).info.run_id
        for key, value in settings_of(run).items():
            client.log_param(run_id, key, value)
    status = "FAILED"
    try:
        yield MLflow(client, run_id)
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        client.set_terminated(run_id, status=status)


def _experiment_id(client: MlflowClient, name: str) -> str:
    """The id of the experiment of this name, made where there is none."""
    from mlflow import MlflowException

    if found := client.get_experiment_by_name(name):
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name))
    except MlflowException:
        if found := client.get_experiment_by_name(name):  # another worker of a queue has made it meanwhile
            return str(found.experiment_id)
        raise


def settings_of(run: Run) -> Mapping[str, str]:
    """Every setting of a run as text, by dotted key."""
    flat = flatten(run.info.recipe.model_dump(mode="json", by_alias=True))
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in flat.items()}
