from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.learn import tiny
from trifacet.learn.average import average_weights, greedy_soup, mean_of
from trifacet.learn.predictor import load_run_net
from trifacet.learn.train import train


def test_tensors_are_averaged_and_counters_are_the_last() -> None:
    one = {"weight": torch.tensor([1.0, 2.0]), "n": torch.tensor(3)}
    two = {"weight": torch.tensor([3.0, 6.0]), "n": torch.tensor(5)}
    mean = mean_of([one, two])
    assert mean["weight"].tolist() == [2.0, 4.0]
    assert int(mean["n"]) == 5
    assert one["weight"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("worth", "expected"),
    [
        pytest.param({(1, 0): 0.7, (1, 0, 2): 0.6}, (1, 0), id="the third does harm"),
        pytest.param({(1, 0): 0.5, (1, 2): 0.6}, (1, 2), id="no worse is enough"),
        pytest.param({(1, 0): 0.5, (1, 2): 0.5}, (1,), id="the best alone"),
    ],
)
def test_a_soup_takes_the_best_first_and_what_does_no_harm(worth: dict, expected: tuple[int, ...]) -> None:
    assert greedy_soup([0.5, 0.6, 0.4], lambda chosen: worth[tuple(chosen)]) == expected


def test_norms_have_the_statistics_of_the_training_photos_under_the_mean(tmp_path: Path) -> None:
    manifest, images = tiny.photos(side=33)
    sets = ["train.epochs=2", "train.keep_epochs=2", "train.batch_size=32", "optim.lr=0.05"]
    run = train(tiny.new_run(tmp_path / "run", sets, base=tiny.FACES), manifest, images=images)
    out, kept = tiny.new_run(tmp_path / "mean", sets, base=tiny.FACES), sorted(run.epochs_dir.iterdir())
    average_weights(out, manifest, source=run, images=images, members=kept, is_greedy=False, told=lambda *_: None)
    net, seen = load_run_net(out), list[torch.Tensor]()
    norm = net.backbone.stem.norm  # the first, which reads the photos through one convolution
    norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        net(torch.from_numpy(images[:27]).permute(0, 3, 1, 2).float())
    assert torch.allclose(norm.running_mean, seen[0].mean(dim=(0, 2, 3)), atol=1e-4)
    assert torch.allclose(norm.running_var, seen[0].var(dim=(0, 2, 3)), rtol=1e-3)
    of_no_photos = mean_of([load_file(path) for path in kept])["backbone.stem.norm.running_mean"]
    assert not torch.allclose(norm.running_mean, of_no_photos, atol=1e-3)
