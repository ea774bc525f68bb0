"""Every knob of a training, with its default. The resolved recipe goes into the card."""

from __future__ import annotations

import dataclasses
import difflib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from edgebench.errors import UsageError
from edgebench.images.geometry import ResizeMode
from edgebench.images.splits import DEFAULT_FRACTIONS

from .dihedral import COPIES

_FEATURE_TYPES = ("float16", "float32")


class Schedule(str, Enum):
    """How the learning rate falls: when validation stops getting better, or along a half cosine."""

    PLATEAU = "plateau"
    COSINE = "cosine"


@dataclass(frozen=True)
class Phase:
    """One part of a training. ``patience`` counts epochs without a better validation balanced accuracy: after
    ``rate_patience`` the learning rate falls by ``Recipe.rate_factor`` (schedule plateau), after ``patience``
    the phase ends."""

    epochs: int
    learning_rate: float
    batch_size: int = 64
    patience: int = 6
    rate_patience: int = 2
    weight_decay: float = 1e-4
    schedule: Schedule = Schedule.PLATEAU


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random changes to images while the whole network learns; 0 switches one off.

    brightness, contrast: largest relative change. colour: largest relative change of each channel by itself.
    zoom: largest relative change of scale. shift: largest move as a share of the size.
    """

    dihedral: bool = True
    brightness: float = 0.15
    contrast: float = 0.15
    colour: float = 0.05
    zoom: float = 0.10
    shift: float = 0.05


@dataclass(frozen=True)
class Recipe:
    """How to train.

    weights: "imagenet" (downloaded by Keras), "none", or a file.
    fine_tune_from: name of the first block that is tuned after the head, such as block_13; "none" leaves the
        base frozen.
    copies: 1, 2, 4 or 8 of the square's symmetries of each training image whose features are cached.
    cache_features: compute a frozen part's features once; otherwise in every epoch anew (same result, slower).
    sampling_power: an epoch draws class c with probability ~ count(c) ** sampling_power; 1 = as it is, 0 = all
        classes alike.
    logit_adjustment: weight of log(class prior) added to the logits in the loss (Menon et al. 2021): at 1 the
        scores are for equally frequent classes, which is what balanced accuracy asks for; 0 switches it off.
    norm_momentum: momentum of the BatchNorm statistics where the whole network learns (Keras's MobileNetV2
        has 0.999, which needs many thousands of steps).
    """

    arch: str = "mobilenet_v2"
    alpha: float = 1.0
    size: int = 224
    weights: str = "imagenet"
    resize: ResizeMode = ResizeMode.STRETCH
    seed: int = 0
    fractions: tuple[float, float, float] = DEFAULT_FRACTIONS
    dropout: float = 0.2
    label_smoothing: float = 0.05
    sampling_power: float = 0.5
    logit_adjustment: float = 1.0
    fine_tune_from: str = "block_13"
    copies: int = 8
    cache_features: bool = True
    keep_features: bool = False
    feature_dtype: str = "float16"
    rate_factor: float = 0.3
    norm_momentum: float = 0.9
    calibration_images: int = 210
    check_images: int = 105
    head: Phase = field(default_factory=lambda: Phase(epochs=15, learning_rate=1e-3, patience=4))
    tail: Phase = field(default_factory=lambda: Phase(epochs=20, learning_rate=3e-4))
    full: Phase = field(
        default_factory=lambda: Phase(epochs=40, learning_rate=3e-3, patience=40, schedule=Schedule.COSINE)
    )
    augment: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        """Check the numbers."""
        checks = (
            (self.arch == "mobilenet_v2", f"arch {self.arch!r} is not known; use mobilenet_v2"),
            (self.alpha > 0, f"alpha {self.alpha:g} must be above 0"),
            (self.size >= 32, f"size {self.size} is too small for this network; use 32 or more"),
            (self.copies in COPIES, f"copies {self.copies} is not possible; use {', '.join(map(str, COPIES))}"),
            (
                self.feature_dtype in _FEATURE_TYPES,
                f"feature_dtype {self.feature_dtype!r} is not known; use {', '.join(_FEATURE_TYPES)}",
            ),
            (0 <= self.dropout < 1, f"dropout {self.dropout:g} must be at least 0 and below 1"),
            (0 <= self.label_smoothing < 1, f"label_smoothing {self.label_smoothing:g} must be in 0..1"),
            (0 < self.rate_factor <= 1, f"rate_factor {self.rate_factor:g} must be above 0 and at most 1"),
            (self.seed >= 0, f"seed {self.seed} must not be negative"),
            (self.calibration_images >= 1, f"calibration_images {self.calibration_images} must be at least 1"),
            (self.check_images >= 1, f"check_images {self.check_images} must be at least 1"),
        )
        for fine, message in checks:
            if not fine:
                raise UsageError(f"recipe: {message}")
        for name in ("head", "tail", "full"):
            _check_phase(name, getattr(self, name))


def _check_phase(name: str, phase: Phase) -> None:
    if phase.epochs < 1 or phase.batch_size < 1 or phase.patience < 1 or phase.rate_patience < 1:
        raise UsageError(f"recipe: {name}: epochs, batch_size, patience and rate_patience must be at least 1")
    if not phase.learning_rate > 0:
        raise UsageError(f"recipe: {name}: learning_rate {phase.learning_rate:g} must be above 0")


def resolve_recipe(file: Path | None, flags: Mapping[str, Any], epochs: int | None = None) -> Recipe:
    """The defaults, changed by a TOML ``file``, changed by ``flags`` (None = not given).

    ``epochs`` is the most that any phase may take. Raises UsageError for what is not a recipe.
    """
    import cattrs

    wanted = _read(file) if file else {}
    wanted.update({name: value for name, value in flags.items() if value is not None})
    defaults = dataclasses.asdict(Recipe())
    merged = _merge(defaults, wanted, f"{file}" if file else "recipe", "")
    for name in ("head", "tail", "full"):
        if epochs is not None:
            merged[name]["epochs"] = min(epochs, merged[name]["epochs"]) if name == "head" else epochs
    try:
        return cattrs.structure(merged, Recipe)
    except cattrs.BaseValidationError as error:
        usage = next(iter(error.subgroup(UsageError).exceptions), None) if error.subgroup(UsageError) else None  # type: ignore[union-attr]
        reason = str(usage) if usage else "; ".join(cattrs.transform_error(error)[:2])
        raise UsageError(reason if usage else f"{file or 'recipe'}: {reason}") from error


def recipe_dict(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain JSON values."""
    fields = dataclasses.asdict(recipe)
    fields["resize"] = recipe.resize.value
    for name in ("head", "tail", "full"):
        fields[name]["schedule"] = fields[name]["schedule"].value
    fields["fractions"] = list(recipe.fractions)
    return fields


def _read(file: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return dict(tomllib.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UsageError(f"--recipe {file}: no such file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"--recipe {file}: cannot be read as TOML: {error}") from error


def _merge(base: dict[str, Any], changes: Mapping[str, Any], origin: str, prefix: str) -> dict[str, Any]:
    merged = dict(base)
    for name, value in changes.items():
        if name not in base:
            near = difflib.get_close_matches(name, base, 1)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"known: {', '.join(base)}"
            raise UsageError(f"{origin}: {prefix}{name} is no part of a recipe; {hint}")
        if isinstance(base[name], dict) != isinstance(value, Mapping):
            raise UsageError(
                f"{origin}: {prefix}{name} must be a {'table' if isinstance(base[name], dict) else 'value'}"
            )
        merged[name] = _merge(base[name], value, origin, f"{prefix}{name}.") if isinstance(value, Mapping) else value
    return merged
