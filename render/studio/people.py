"""Who plays: an identity, and what skin, hair, brows, lips and eyes look like. Colours are linear RGB."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.head import Head

Colour = tuple[float, float, float]

# From the lightest to the darkest skin, and from blond to black hair.
SKINS: tuple[Colour, ...] = (
    (0.70, 0.48, 0.38),
    (0.58, 0.37, 0.27),
    (0.44, 0.27, 0.18),
    (0.27, 0.15, 0.09),
    (0.13, 0.065, 0.04),
    (0.065, 0.034, 0.024),
)
HAIRS: tuple[Colour, ...] = ((0.30, 0.20, 0.10), (0.12, 0.065, 0.03), (0.045, 0.028, 0.018), (0.012, 0.010, 0.009),
                             (0.33, 0.32, 0.31))  # fmt: skip
IRISES: tuple[Colour, ...] = ((0.055, 0.028, 0.014), (0.12, 0.075, 0.035), (0.10, 0.12, 0.06), (0.12, 0.17, 0.22))
EXTREMES = 2.0  # standard deviations: identities are drawn no further out


@dataclass(frozen=True)
class Person:
    identity: Tensor  # [S]
    skin: Colour
    hair: Colour
    iris: Colour
    brow_strength: float  # 0 none to 1 dense
    brow_width: float  # of the space between the brow's two rows of landmarks
    lip_redness: float
    beard: float  # shadow around mouth and jaw, 0 to 1
    hair_volume_m: float  # 0 is bald
    hairline_m: float  # how far above the face's outline hair begins
    lashes: float
    seed: int  # of what is drawn in detail: mottled skin, single hairs


def random_person(head: Head, seed: int, spread: float = 0.8) -> Person:
    """`spread`: standard deviations of identity codes."""
    random = np.random.default_rng((seed, 1))
    identity = np.clip(spread * random.standard_normal(head.identity_size), -EXTREMES, EXTREMES)
    tone = random.uniform(0, len(SKINS) - 1.3)
    beard = random.uniform(0.15, 0.7) if random.random() < 0.4 else 0.0
    dark = tone > 3
    return Person(
        identity=torch.from_numpy(identity).to(head.template),
        skin=between(SKINS, tone),
        hair=HAIRS[int(random.integers(1, 4)) if dark else int(random.integers(len(HAIRS)))],
        iris=IRISES[0 if dark else int(random.integers(len(IRISES)))],
        brow_strength=random.uniform(0.55, 0.95),
        brow_width=random.uniform(0.75, 1.15),
        lip_redness=random.uniform(0.35, 0.9),
        beard=beard,
        hair_volume_m=random.uniform(0.006, 0.018),
        hairline_m=random.uniform(-0.002, 0.010),
        lashes=random.uniform(0.45, 0.9),
        seed=seed,
    )


def between(colours: tuple[Colour, ...], place: float) -> Colour:
    """A colour between two neighbours of a scale, even to the eye."""
    low = min(int(place), len(colours) - 2)
    share = place - low
    r, g, b = (float(x ** (1 - share) * y**share) for x, y in zip(colours[low], colours[low + 1], strict=True))
    return r, g, b
