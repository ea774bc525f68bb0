"""How lesions of each class look: ranges and chances, written by hand from dermatoscopy textbooks' criteria.

A lesion takes each of its traits (shape, colours, every structure on its own) from its class's profile or,
with the chance `overlap`, from that of a class it is confused with in practice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .draws import Draws, Stream
from .spec import PhantomSpec

Range = tuple[float, float]
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Shape:
    """radius: long semi-axis over half the picture's width.
    aspect: short axis over long.
    lobes: asymmetry of the outline.
    warp: irregularity of the border.
    softness: width of its edge over the radius.
    ring: pale (below 0) or dark centre.
    """

    radius: Range
    aspect: Range
    lobes: Range
    warp: Range
    softness: Range
    ring: Range


@dataclass(frozen=True)
class Pigment:
    """tones, accents: names in TONES, equally likely. depth: how much of the tone the skin takes on.
    mottle: contrast of the texture. variety: share of the area in the accent colour."""

    tones: tuple[str, ...]
    accents: tuple[str, ...]
    depth: Range
    mottle: Range
    variety: Range


@dataclass(frozen=True)
class Profile:
    """A class. structures: name in PAINTERS -> (chance to be present, weakest, strongest)."""

    shape: Shape
    pigment: Pigment
    structures: Mapping[str, tuple[float, float, float]]
    confused_with: tuple[str, ...]


@dataclass(frozen=True)
class Traits:
    """What is fixed for one lesion, in all its views. structures: name -> strength 0..1."""

    radius: float
    aspect: float
    lobes: float
    warp: float
    softness: float
    ring: float
    tone: Colour
    accent: Colour
    depth: float
    mottle: float
    variety: float
    structures: Mapping[str, float]


#: Colours as the share of the skin's red, green and blue light that is left.
TONES: Mapping[str, Colour] = MappingProxyType(
    {
        "tan": (0.88, 0.74, 0.62),
        "light_brown": (0.78, 0.58, 0.48),
        "brown": (0.62, 0.40, 0.33),
        "red_brown": (0.72, 0.42, 0.38),
        "dark_brown": (0.40, 0.24, 0.20),
        "black": (0.20, 0.15, 0.17),
        "pink": (0.97, 0.74, 0.77),
        "red": (0.86, 0.42, 0.42),
        "crimson": (0.66, 0.22, 0.32),
        "purple": (0.52, 0.27, 0.46),
        "blue_grey": (0.56, 0.56, 0.68),
        "grey": (0.66, 0.60, 0.60),
        "orange": (0.92, 0.64, 0.44),
    }
)

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        "akiec": Profile(
            Shape((0.58, 1.16), (0.55, 1.0), (0.1, 0.9), (0.11, 0.27), (0.35, 0.9), (-0.2, 0.2)),
            Pigment(
                ("red", "orange", "pink", "red"),
                ("brown", "red", "orange"),
                (0.40, 0.95),
                (0.40, 0.90),
                (0.1, 0.5),
            ),
            {
                "crust": (0.70, 0.4, 1.0),
                "follicles": (0.60, 0.4, 1.0),
                "dot_vessels": (0.45, 0.4, 1.0),
                "network": (0.08, 0.3, 0.6),
                "ulcer": (0.10, 0.3, 0.8),
                "regression": (0.15, 0.3, 0.7),
            },
            ("bcc", "bkl", "bkl"),
        ),
        "bcc": Profile(
            Shape((0.48, 0.96), (0.6, 1.0), (0.1, 0.7), (0.06, 0.21), (0.3, 0.8), (-0.3, 0.2)),
            Pigment(
                ("pink", "pink", "tan", "grey"),
                ("blue_grey", "pink", "brown"),
                (0.30, 0.75),
                (0.20, 0.55),
                (0.0, 0.4),
            ),
            {
                "tree_vessels": (0.75, 0.4, 1.0),
                "nests": (0.60, 0.4, 1.0),
                "leaves": (0.40, 0.4, 1.0),
                "ulcer": (0.35, 0.3, 1.0),
                "veil": (0.10, 0.2, 0.5),
                "regression": (0.15, 0.3, 0.7),
                "crust": (0.12, 0.3, 0.6),
                "glints": (0.25, 0.4, 1.0),
            },
            ("akiec", "akiec", "df", "nv"),
        ),
        "bkl": Profile(
            Shape((0.53, 1.11), (0.55, 1.0), (0.0, 0.7), (0.06, 0.22), (0.08, 0.42), (-0.2, 0.2)),
            Pigment(
                ("light_brown", "tan", "brown", "light_brown", "grey"),
                ("dark_brown", "grey", "tan", "pink"),
                (0.45, 1.0),
                (0.25, 0.75),
                (0.0, 0.5),
            ),
            {
                "cysts": (0.70, 0.5, 1.0),
                "plugs": (0.60, 0.4, 1.0),
                "network": (0.16, 0.3, 0.8),
                "hairpins": (0.20, 0.4, 0.9),
                "crust": (0.15, 0.3, 0.7),
                "regression": (0.15, 0.3, 0.7),
                "ridges": (0.30, 0.4, 1.0),
                "veil": (0.05, 0.2, 0.5),
            },
            ("mel", "nv", "akiec"),
        ),
        "df": Profile(
            Shape((0.43, 0.81), (0.78, 1.0), (0.0, 0.4), (0.03, 0.14), (0.5, 1.0), (-0.9, 0.0)),
            Pigment(
                ("tan", "pink", "light_brown", "red_brown"),
                ("pink", "light_brown"),
                (0.30, 0.75),
                (0.10, 0.40),
                (0.0, 0.3),
            ),
            {
                "scar": (0.80, 0.5, 1.0),
                "rim_network": (0.70, 0.4, 1.0),
                "dot_vessels": (0.15, 0.3, 0.7),
                "glints": (0.15, 0.3, 0.8),
                "network": (0.10, 0.3, 0.6),
            },
            ("nv", "bcc", "bkl"),
        ),
        "mel": Profile(
            Shape((0.58, 1.11), (0.55, 0.95), (0.2, 1.0), (0.08, 0.27), (0.12, 0.55), (-0.2, 0.4)),
            Pigment(
                ("brown", "dark_brown", "dark_brown", "red_brown"),
                ("black", "blue_grey", "black", "red", "grey"),
                (0.70, 1.15),
                (0.30, 0.80),
                (0.15, 0.7),
            ),
            {
                "veil": (0.55, 0.4, 1.0),
                "atypical_network": (0.50, 0.4, 1.0),
                "clods": (0.45, 0.4, 1.0),
                "streaks": (0.45, 0.4, 1.0),
                "regression": (0.32, 0.3, 0.9),
                "dot_vessels": (0.15, 0.3, 0.8),
                "glints": (0.18, 0.3, 0.8),
                "network": (0.10, 0.3, 0.8),
            },
            ("nv", "nv", "bkl"),
        ),
        "nv": Profile(
            Shape((0.43, 1.01), (0.65, 1.0), (0.0, 0.5), (0.03, 0.18), (0.18, 0.7), (-0.2, 0.5)),
            Pigment(
                ("brown", "red_brown", "light_brown", "red_brown"),
                ("brown", "light_brown", "dark_brown"),
                (0.50, 0.95),
                (0.10, 0.45),
                (0.0, 0.3),
            ),
            {
                "network": (0.65, 0.4, 1.0),
                "globules": (0.40, 0.4, 1.0),
                "veil": (0.06, 0.2, 0.5),
                "hairpins": (0.05, 0.3, 0.6),
                "clods": (0.08, 0.3, 0.6),
                "regression": (0.06, 0.2, 0.5),
            },
            ("mel", "bkl", "df"),
        ),
        "vasc": Profile(
            Shape((0.33, 0.86), (0.65, 1.0), (0.0, 0.6), (0.03, 0.18), (0.06, 0.4), (-0.1, 0.4)),
            Pigment(
                ("red", "crimson", "purple", "crimson"),
                ("purple", "red", "black"),
                (0.60, 1.1),
                (0.15, 0.50),
                (0.0, 0.6),
            ),
            {
                "lacunae": (0.85, 0.5, 1.0),
                "veil": (0.15, 0.2, 0.6),
                "crust": (0.10, 0.3, 0.6),
                "halo": (0.35, 0.3, 1.0),
            },
            ("bcc", "df", "nv"),
        ),
    }
)


def draw_traits(spec: PhantomSpec, label: str, lesion: int) -> Traits:
    """The traits of lesion number `lesion`, of class `label`."""
    draws = Draws(spec.seed, Stream.TRAITS, lesion)

    def donor() -> Profile:
        own = PROFILES[label]
        # Vascular lesions are rarely taken for others.
        chance = spec.overlap * (0.5 if label == "vasc" else 1.0)
        other = PROFILES[draws.pick(own.confused_with)]
        return other if draws.chance(chance) else own

    shape, pigment = donor().shape, donor().pigment
    structures: dict[str, float] = {}
    for name in _STRUCTURES:
        probability, low, high = donor().structures.get(name, (0.0, 0.0, 0.0))
        present, strength = draws.chance(probability), draws.uniform(low, high)
        if present:
            structures[name] = strength
    return Traits(
        radius=draws.around(*shape.radius),
        aspect=draws.uniform(*shape.aspect),
        lobes=draws.around(*shape.lobes),
        warp=draws.around(*shape.warp),
        softness=draws.around(*shape.softness),
        ring=draws.around(*shape.ring),
        tone=_vary(draws, TONES[draws.pick(pigment.tones)]),
        accent=_vary(draws, TONES[draws.pick(pigment.accents)]),
        depth=draws.around(*pigment.depth),
        mottle=draws.around(*pigment.mottle),
        variety=draws.uniform(*pigment.variety),
        structures=MappingProxyType(structures),
    )


_STRUCTURES = tuple(sorted({name for profile in PROFILES.values() for name in profile.structures}))


def _vary(draws: Draws, tone: Colour) -> Colour:
    light = draws.around(0.86, 1.14)
    red, green, blue = (value * light * draws.around(0.90, 1.10) for value in tone)
    return min(red, 1.0), min(green, 1.0), min(blue, 1.0)
