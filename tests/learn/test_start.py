from __future__ import annotations

import pytest

from tests.learn import tiny
from trifacet.core.errors import ConfigError
from trifacet.learn.start import check_training


def test_halves_of_the_oldest_need_one_who_is_left_to_train_on() -> None:
    manifest, _ = tiny.photos()
    check_training(manifest, tiny.recipe(["augment.old_halves=0.5", "data.label_map.drop_ages=[70-74]"]))
    check_training(manifest, tiny.recipe(["data.label_map.drop_ages=[60+]"]))
    moved = ["model.age=bands", "data.label_map.age_edges=[30, 90]"]
    for sets in (["data.label_map.drop_ages=[60+]"], moved):
        with pytest.raises(ConfigError) as caught:
            check_training(manifest, tiny.recipe(["augment.old_halves=0.5", *sets]))
        assert str(caught.value) == (
            "TRI101 augment.old_halves: no photo of the oldest class is left to train on, and halves of it were asked "
            "for. Leave out augment.old_halves, or what leaves those photos out (data.label_map)."
        )
