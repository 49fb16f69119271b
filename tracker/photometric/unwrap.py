"""Pictures laid out on the atlas, their light divided out, and blended into one texture.

What a picture shows at a texel is told as the logarithm of its ratio to the smooth albedo. Broad patches of that ratio
are averaged over the pictures, so that no seam shows; detail is taken from the picture that saw it best. Where none saw
the skin, its mirror image stands in; where neither did, the ratio fades to 1 and the smooth albedo is all there is.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tracker.photometric.atlas import Atlas
from tracker.photometric.view import Seen, View, is_shown, read_colours, smoothed

Floats = NDArray[np.float32]

FULLY_SEEN, BARELY_SEEN = 0.75, 0.25  # cosines
LARGEST_RATIO = 4.0  # to the smooth albedo: beyond it, it is no skin
BROAD = 1 / 42  # of the atlas's side: where patches end and detail begins
BEST = 4  # the power of a picture's weight in detail
ENOUGH = 0.35  # of weight, to be sure of a texel


@dataclass(frozen=True)
class Layer:
    """One picture on the atlas."""

    weight: Floats  # [S, S] 0 where it does not show the texel
    ratio: Floats  # [S, S, 3] logarithms


def unwrap(atlas: Atlas, view: View, seen: Seen, irradiance: Tensor, albedo: Tensor, reach: Tensor) -> Layer:
    """`irradiance` [V, 3]: what light does at the vertices in this picture; `albedo` [T, 3]: the smooth one, at the
    texels; `reach` [V]: how surely vertices are of the face."""
    candidates = (seen.facing > BARELY_SEEN)[atlas.vertices].any(1) & atlas.skin
    part = Atlas(atlas.side, atlas.texels[candidates], atlas.vertices[candidates], atlas.weights[candidates],
                 atlas.skin[candidates], atlas.mirror)  # fmt: skip
    at = part.interpolate(torch.cat((seen.points_px, seen.camera_m[:, 2:], seen.facing[:, None], reach[:, None]), 1))
    points_px, depth_m, facing = at[:, :2], at[:, 2], at[:, 3]
    sight = ((facing - BARELY_SEEN) / (FULLY_SEEN - BARELY_SEEN)).clamp(0, 1)
    weight = at[:, 4] * sight * sight * (3 - 2 * sight) * is_shown(points_px, depth_m, seen.depth_m)
    expected = (part.interpolate(irradiance) * albedo[candidates]).clamp_min(1e-4)
    found = read_colours(smoothed(view, 0.0), points_px)
    ratio = (found.clamp_min(1e-4) / expected).log().clamp_min(-2 * math.log(LARGEST_RATIO))
    ratio = ratio - (ratio.amax(1, keepdim=True) - math.log(LARGEST_RATIO)).clamp_min(0)  # of all colours alike
    picture = part.picture(torch.cat((ratio, weight[:, None]), 1))
    soft = _blurred(picture[..., 3:], 3)[..., 0] * (picture[..., 3] > 0)
    return Layer(np.minimum(picture[..., 3], soft * soft), np.ascontiguousarray(picture[..., :3]))


class Blend:
    """Adds up layers one by one, so that only one is in memory."""

    def __init__(self, atlas: Atlas) -> None:
        self._atlas = atlas
        side = atlas.side
        self._broad, self._weight = np.zeros((side, side, 3), np.float32), np.zeros((side, side, 1), np.float32)
        self._detail, self._detail_weight = np.zeros_like(self._broad), np.zeros_like(self._weight)
        self._most = np.zeros_like(self._weight)

    def add(self, layer: Layer) -> None:
        weight = layer.weight[..., None]
        broad = _broad(layer.ratio, weight)
        best = weight**BEST
        self._broad += weight * broad
        self._weight += weight
        self._detail += best * (layer.ratio - broad)
        self._detail_weight += best
        self._most = np.maximum(self._most, weight)

    def ratio(self) -> Floats:
        """[S, S, 3] to the smooth albedo, mirrored and faded where nothing was seen."""
        broad = self._broad / np.maximum(self._weight, 1e-6)
        detail = self._detail / np.maximum(self._detail_weight, 1e-9)
        sure = np.clip(self._most / ENOUGH, 0, 1)
        sure = sure * sure * (3 - 2 * sure)
        map_x, map_y = (np.ascontiguousarray(self._atlas.mirror[..., k]) for k in (0, 1))
        other_broad, other_detail, other_sure = (_remap(part, map_x, map_y) for part in (broad, detail, sure))
        borrowed = (1 - sure) * other_sure * (map_x >= 0)[..., None]
        total: Floats = np.asarray(sure + borrowed, np.float32)
        mixed = (sure * broad + borrowed * other_broad) / np.maximum(total, 1e-6)
        return np.asarray(np.exp(_spread(mixed, total) + sure * detail + borrowed * other_detail), np.float32)


def _remap(picture: Floats, map_x: Floats, map_y: Floats) -> Floats:
    found = cv2.remap(picture, map_x, map_y, cv2.INTER_LINEAR)
    return np.asarray(found.reshape(*map_x.shape, -1), np.float32)


def _broad(values: Floats, weight: Floats) -> Floats:
    """The weighted mean around each texel, [S, S, C]; coarse lattices do, as it is smooth."""
    side = len(values)
    step = max(1, round(side * BROAD / 3))
    small = _resized(np.concatenate([values * weight, weight], 2), side // step, cv2.INTER_AREA)
    small = _blurred(small, side * BROAD / step)
    return _resized(small[..., :-1] / np.maximum(small[..., -1:], 1e-4), side, cv2.INTER_LINEAR)


def _spread(values: Floats, weight: Floats) -> Floats:
    """Values [S, S, C] where weight [S, S, 1] is 1; elsewhere what is near, far from all 0 (push and pull)."""
    levels = [(values * weight, weight)]
    while len(levels[-1][1]) > 8:
        half = len(levels[-1][1]) // 2
        levels.append((_resized(levels[-1][0], half, cv2.INTER_AREA), _resized(levels[-1][1], half, cv2.INTER_AREA)))
    total, share = levels[-1]
    filled = total / (share + np.float32(0.05))
    for total, share in reversed(levels[:-1]):
        known = np.clip(share, 0, 1)
        coarse = _resized(filled, len(share), cv2.INTER_LINEAR)
        filled = known * (total / np.maximum(share, 1e-6)) + (1 - known) * coarse
    return filled


def _resized(picture: Floats, side: int, how: int) -> Floats:
    found = cv2.resize(picture, (side, side), interpolation=how)
    return np.asarray(found.reshape(side, side, -1), np.float32)


def _blurred(picture: Floats, sigma: float) -> Floats:
    found = cv2.GaussianBlur(np.ascontiguousarray(picture), (0, 0), sigma)
    return np.asarray(found.reshape(picture.shape), np.float32)
