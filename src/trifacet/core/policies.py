"""Augmentation policies: the operations that they may name, and the files that hold them."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from trifacet.core.errors import nearest
from trifacet.core.files import parse_yaml, yaml_reason

Step = tuple[str, float, float]  # operation, its probability, its magnitude: the share of its largest
SubPolicy = tuple[Step, Step]
Policy = tuple[SubPolicy, ...]

WAYS = ("none", "rand", "trivial")  # the policies that need no file
SIZE_PX = 512  # of a photo of kaggle-hpa, whose magnitudes are in pixels

OPERATIONS: dict[str, str] = {
    "identity": "nothing",
    "shear_x": "leaning to the side, by up to .3 of the height",
    "shear_y": "leaning up or down, by up to .3 of the width",
    "shift_x": "moved aside, by up to 45 % of the width",
    "shift_y": "moved up or down, by up to 45 % of the height",
    "shift": "moved in any direction, by up to 45 % of the size",
    "rotate": "turned about the centre, by up to 45 degrees",
    "zoom": "larger or smaller, by up to 30 %",
    "grid": "columns and rows of thirds made wider and narrower, their borders moved by up to half of one",
    "elastic": "pulled about smoothly, by a deviation of up to 1.5 % of the size",
    "optical": "bent as by a lens, corners moved by up to 30 % of their way from the centre",
    "brightness": "a gain of up to 90 % less or more",
    "contrast": "a gain around the photo's mean grey, up to 90 % less or more",
    "saturation": "a gain around each pixel's grey, up to 90 % less or more",
    "hue": "turned around the circle of colours, by up to half of it",
    "gamma": "brightness to a power of .5 to 1.5",
    "posterize": "fewer levels of each channel, down to 16",
    "solarize": "what is brighter than a threshold inverted, the threshold down to 0",
    "equalize": "levels of each channel spread so that each is as frequent",
    "autocontrast": "each channel stretched to its full range",
    "invert": "a negative",
    "grey": "colours gone",
    "clahe": "contrast evened out by regions; at half magnitude half of it",
    "sharpness": "edges softened or made harder, by up to 90 %",
    "blur": "out of focus, by a deviation of up to 2 % of the height",
    "motion_blur": "moved while it was taken, by up to 6 % of the height",
    "noise": "Gaussian noise, by a deviation of up to 40 of 255",
    "cutout": "a square hidden, its side up to 40 % of the height",
}

# Those with a probability of their own in a recipe, in the order in which a photo meets them.
KEYED_OPERATIONS = ("grid", "elastic", "optical", "clahe", "grey", "sharpness", "blur", "motion_blur")

# kaggle-hpa's names and the magnitude that their parameters stand for here.
OLD_OPERATIONS: dict[str, tuple[str, Callable[[Mapping[str, Any]], float]]] = {
    "RandomContrast": ("contrast", lambda told: told["limit"] / 0.9),
    "RandomBrightness": ("brightness", lambda told: told["limit"] / 0.9),
    "RandomGamma": ("gamma", lambda told: max(abs(percent - 100) for percent in told["gamma_limit"]) / 50),
    "Blur": ("blur", lambda told: math.sqrt((told["blur_limit"] ** 2 - 1) / 12) / (0.02 * SIZE_PX)),
    "MotionBlur": ("motion_blur", lambda told: told["blur_limit"] / (0.06 * SIZE_PX)),
    "InvertImg": ("invert", lambda _: 1.0),
    "Rotate": ("rotate", lambda told: told["limit"] / 45),
    "ShiftScaleRotate": ("shift", lambda told: told["shift_limit"] / 0.45),
    "RandomScale": ("zoom", lambda told: told["scale_limit"] / 0.3),
    "GridDistortion": ("grid", lambda told: told["distort_limit"] / 0.5),
    "ElasticTransform": ("elastic", lambda told: told["alpha_affine"] / (0.015 * SIZE_PX)),
}


def parse_policies(told: object) -> object:
    """A recipe's `augment.policy`, a file read: one of `WAYS`, or policies of sub-policies of two steps each.

    Raises:
        ValueError: no such file or policy, or what is wrong with it.
    """
    if isinstance(told, str):
        if told in WAYS:
            return told
        path = Path(told)
        if not path.suffix:
            near = nearest(told, WAYS)
            hint = f"did you mean '{near}'?" if near else "a file ends in .yaml, .json or .data"
            raise ValueError(f"neither {', '.join(WAYS)} nor a file ({hint})")
        told = _read(path)
    return _checked(told)


def _read(path: Path) -> object:
    """What a file holds: YAML or JSON, or (.data, as kaggle-hpa writes it) a Python literal, which runs nothing."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise ValueError(f"this file of policies cannot be read ({yaml_reason(problem)})") from None
    if path.suffix in (".yaml", ".yml", ".json"):
        try:
            return parse_yaml(text)
        except yaml.YAMLError as problem:
            raise ValueError(f"this file of policies is no YAML ({yaml_reason(problem)})") from None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise ValueError("this file of policies must hold one Python literal and no code") from None


def _checked(told: object) -> tuple[Policy, ...]:
    if not isinstance(told, list | tuple) or not told:
        raise ValueError("must be a list of policies, each a list of pairs of [operation, probability, magnitude]")
    made = []
    for i, policy in enumerate(told, 1):
        if not isinstance(policy, list | tuple) or not policy:
            raise ValueError(f"policy {i} must be a list of sub-policies")
        made.append(tuple(_sub_policy(one, f"policy {i}, sub-policy {j}") for j, one in enumerate(policy, 1)))
    return tuple(made)


def _sub_policy(told: object, where: str) -> SubPolicy:
    if not isinstance(told, list | tuple) or len(told) != 2:
        raise ValueError(f"{where} must be two of [operation, probability, magnitude]")
    first, second = (_step(one, where) for one in told)
    return first, second


def _step(told: object, where: str) -> Step:
    step = list(told) if isinstance(told, list | tuple) else []
    if len(step) == 2 and isinstance(step[1], Mapping):
        step = _old_step(str(step[0]), step[1], where=where)
    if len(step) != 3 or not all(isinstance(n, int | float) and 0 <= n <= 1 for n in step[1:]):
        raise ValueError(f"{where}: expected [operation, probability, magnitude], both from 0 to 1, not {told}")
    if step[0] not in OPERATIONS:
        near = nearest(str(step[0]), list(OPERATIONS))
        hint = f"did you mean '{near}'?" if near else "`trifacet augmentations` lists them"
        raise ValueError(f"{where}: no operation '{step[0]}' ({hint})")
    return str(step[0]), float(step[1]), float(step[2])


def _old_step(name: str, told: Mapping[str, Any], *, where: str) -> list[Any]:
    if name not in OLD_OPERATIONS:
        near = nearest(name, list(OLD_OPERATIONS))
        raise ValueError(f"{where}: no operation '{name}'" + (f" (did you mean '{near}'?)" if near else ""))
    if told.get("scale_limit") and told.get("shift_limit"):
        raise ValueError(f"{where}: {name} that scales too is two operations, shift and zoom")
    if told.get("rotate_limit"):
        raise ValueError(f"{where}: {name} that rotates too is two operations, shift and rotate")
    ours, magnitude = OLD_OPERATIONS[name]
    try:
        return [ours, told["p"], round(min(1.0, float(magnitude(told))), 4)]
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{where}: {name} lacks its parameters, or they are no numbers") from None
