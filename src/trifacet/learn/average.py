"""Several weights of one network made into one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from trifacet.core.errors import error
from trifacet.core.manifest import Manifest
from trifacet.core.run import Run
from trifacet.learn.checkpoint import save_weights, weights_about
from trifacet.learn.device import choose_device
from trifacet.learn.features import plain
from trifacet.learn.norms import refit_norm
from trifacet.learn.phases import answer_val, make_data
from trifacet.learn.predictor import load_run_net
from trifacet.learn.validate import score_of

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Averaged:
    """Which of the members went into the mean, by place, and its score on val (macro F1, 0..1)."""

    chosen: tuple[int, ...]
    score: float


def mean_of(states: Sequence[State]) -> dict[str, Tensor]:
    """The mean of the tensors of each name; counters, which are whole numbers, are the last's."""
    mean = dict(states[-1])
    for name in [name for name, tensor in mean.items() if tensor.is_floating_point()]:
        mean[name] = torch.stack([state[name] for state in states]).mean(dim=0)
    return mean


def greedy_soup(scores: Sequence[float], score_of_mean: Callable[[Sequence[int]], float]) -> tuple[int, ...]:
    """The members of a mean, best first: each joins where the mean with it scores no worse than without.

    scores: of each member alone. Source: Wortsman et al. 2022, Model soups, recipe 1.
    """
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    chosen, best = [order[0]], scores[order[0]]
    for i in order[1:]:
        if (score := score_of_mean([*chosen, i])) >= best:
            chosen, best = [*chosen, i], score
    return tuple(chosen)


def average_weights(
    run: Run,
    manifest: Manifest,
    *,
    source: Run,
    images: npt.NDArray[np.uint8],
    members: Sequence[Path],
    is_greedy: bool,
    told: Callable[[int, int], None],
) -> Averaged:
    """Writes the mean of `members` (safetensors of the network of `source`) as the weights of `run`.

    The statistics of batch norms are those of no mean: they are estimated anew on the training photos as they are.

    Raises:
        RunError: TRI403, a file that is damaged or of another network.
    """
    net, recipe = load_run_net(source), run.info.recipe
    device = choose_device(recipe.train.device)
    net = net.to(device)
    data = make_data(manifest, images, device=device, recipe=recipe)
    labels = data.labels_of(data.val_rows)
    states = [_read(path, like=net.state_dict()) for path in members]
    n_rounds = 1 + (2 * len(states) - 1) * is_greedy
    done = iter(range(1, n_rounds + 1))

    def score(chosen: Sequence[int]) -> float:
        net.load_state_dict(mean_of([states[i] for i in chosen]))
        if len(chosen) > 1:
            refit_norm(net, data, rows=data.train_rows, view=plain, batch_size=recipe.train.batch_size)
        net.eval()
        with torch.no_grad():
            logits = answer_val(net, data, recipe=recipe.train)
        told(next(done), n_rounds)
        return score_of(logits, labels, schema=manifest.schema)

    chosen = tuple(range(len(states)))
    if is_greedy:
        chosen = greedy_soup([score([i]) for i in chosen], score)
    found = Averaged(chosen, score(chosen))
    for which in ("best", "last"):
        save_weights(run.weights_path(which), net, about=weights_about(run))
    return found


def _read(path: Path, *, like: State) -> dict[str, Tensor]:
    try:
        state = load_file(path)
    except (OSError, SafetensorError) as problem:
        raise error("TRI403", "these weights cannot be read", where=str(path), got=str(problem)) from None
    if {k: v.shape for k, v in state.items()} != {k: v.shape for k, v in like.items()}:
        raise error("TRI403", "these weights belong to another network", where=str(path))
    return {name: state[name].to(like[name].device) for name in like}
