"""The licence check lets permissive packages pass and stops the others."""

from __future__ import annotations

import pytest

from scripts.check_licences import refusal


@pytest.mark.parametrize(
    ("name", "licence", "refused"),
    [
        pytest.param("a", "MIT", "", id="permissive"),
        pytest.param("a", "Apache-2.0 AND MIT", "", id="two that are both allowed"),
        pytest.param("a", "GPL-3.0-only OR MIT", "", id="a choice with one allowed"),
        pytest.param("a", "MIT License; Apache Software License", "", id="two classifiers"),
        pytest.param("nvidia-cublas", "LicenseRef-NVIDIA-Proprietary", "", id="CUDA"),
        pytest.param("a", "LicenseRef-NVIDIA-Proprietary", "a: LicenseRef-NVIDIA-Proprietary", id="NVIDIA elsewhere"),
        pytest.param("a", "AGPL-3.0-or-later", "a: AGPL-3.0-or-later", id="AGPL"),
        pytest.param("a", "MIT AND AGPL-3.0-only", "a: AGPL-3.0-only", id="AGPL beside MIT"),
        pytest.param(
            "a", "GNU Affero General Public License v3", "a: GNU Affero General Public License v3", id="in words"
        ),
        pytest.param("a", "CC-BY-NC-4.0", "a: CC-BY-NC-4.0", id="non-commercial"),
        pytest.param("a", "UNKNOWN", "a: UNKNOWN", id="none declared"),
        pytest.param("cuda-toolkit", "UNKNOWN", "", id="read by hand"),
    ],
)
def test_licences_are_judged(name: str, licence: str, refused: str) -> None:
    assert refusal(name, licence) == refused
