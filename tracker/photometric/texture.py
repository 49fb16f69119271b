"""One texture and one light out of a person's pictures, in slices that other work can go between."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.head import Head, shape_head
from models.texture_space import TextureSpace
from models.types import Identity, MienError
from render.diff.light import lit_irradiance
from render.texture import Texture
from tracker.photometric.albedo import AlbedoSpace
from tracker.photometric.atlas import Atlas
from tracker.photometric.colours import shown
from tracker.photometric.light import LightConfig, Lighting, Samples, light_on, solve_light
from tracker.photometric.statistical import StatisticalAlbedo
from tracker.photometric.unwrap import Blend, unwrap
from tracker.photometric.view import Seen, View, read_colours, smoothed

SIDE = 1024
GUTTER = 4  # texels
UNDER_LIDS = 0.7  # lids and lashes shade the eyes
FEW_IRIS_POINTS = 12
DARKEST_SKIN = 0.35  # of the face's usual albedo: darker than this is detail, as hair is
IRIS_SHARE = 0.3  # of an iris's points are darker than its colour: the white is mixed in at its rim
FEWEST_VERTICES = 60  # of a face, to tell its light by
SOFTENING = 1  # times: creases of the mesh are sharper than their light


@dataclass(frozen=True)
class Solved:
    """What pictures of one person told of skin and light."""

    texture: Texture
    lighting: Lighting
    albedo: Tensor  # [V, 3] the smooth part


class TextureSolver:
    """Holds what depends on the head alone."""

    def __init__(
        self,
        head: Head,
        side: int = SIDE,
        config: LightConfig | None = None,
        textures: TextureSpace | None = None,
    ) -> None:
        """`textures`: statistics of skins, where there are any for this head."""
        self.head = head.to("cpu")
        self.space = AlbedoSpace.of(self.head)
        self._statistical = None if textures is None else StatisticalAlbedo(textures, self.head, self.space)
        if self._statistical is not None:
            self.space = self._statistical.space
        self._side = side
        self._config = config

    def light(self, samples: Samples, one_room: bool = True) -> Lighting:
        if self._statistical is not None:
            return self._statistical.solve(samples, self._config, one_room)
        return solve_light(self.space, samples, self._config, one_room)

    def light_in(self, view: View, identity: Identity, lighting: Lighting) -> Tensor:
        """The light [9, 3] of one more picture of a person whose albedo is known."""
        seen = Seen.of(shape_head(self.head, identity.shape.to(self.head.template)), view)
        samples = samples_of(self.space, [view], [seen])
        albedo = self.space.at(lighting.weights, lighting.mean).clamp_min(5e-3)
        return light_on(albedo[samples.vertex], samples, self._config)

    def solve(self, identity: Identity, views: Sequence[View], one_room: bool = True) -> Solved:
        *_, last = self.slices(identity, views, one_room)
        assert last is not None
        return last

    def slices(self, identity: Identity, views: Sequence[View], one_room: bool = True) -> Iterator[Solved | None]:
        """The same, step by step: None until it is done."""
        with torch.inference_mode():
            yield from self._slices(identity, views, one_room)

    def _slices(self, identity: Identity, views: Sequence[View], one_room: bool) -> Iterator[Solved | None]:
        if not views:
            raise MienError("expected pictures of a face to make its texture of, got none")
        shaped = shape_head(self.head, identity.shape.to(self.head.template))
        seen = []
        for view in views:
            seen.append(Seen.of(shaped, view))
            yield None
        lighting = self.light(samples_of(self.space, views, seen), one_room)
        albedo = self.space.at(lighting.weights, lighting.mean).clamp(max=1.0)
        darkest = DARKEST_SKIN * albedo[self.space.skin].median(0).values.clamp_min(0.02)
        albedo = torch.maximum(albedo, darkest)
        yield None
        atlas = Atlas.of(self.head, self._side)
        skin = atlas.interpolate(albedo)
        if self._statistical is not None:  # which knows more than what a vertex has
            remainder = atlas.interpolate(self.space.basis @ lighting.weights)
            skin = torch.maximum((self._statistical.texels(lighting, atlas) + remainder).clamp(max=1.0), darkest)
        yield None
        blend = Blend(atlas)
        for number, (view, one) in enumerate(zip(views, seen, strict=True)):
            light = self._softened(lit_irradiance(one.normals, lighting.lights[number]))
            blend.add(unwrap(atlas, view, one, light, skin, self.space.reach))
            yield None
        others = self._eye_colours(views, seen, lighting)
        base = torch.where(atlas.skin[:, None], skin, atlas.interpolate(others))
        ratio = torch.from_numpy(blend.ratio().reshape(-1, 3))[atlas.texels]
        texels = torch.where(atlas.skin[:, None], base * ratio, base)
        texels = texels / texels.amax(1, keepdim=True).clamp_min(1.0)  # what is too bright for a byte keeps its hue
        yield None
        picture = fill_gutters(atlas, shown(atlas.picture(texels)))
        yield Solved(Texture(picture, lighting.light.numpy().astype(np.float32)), lighting, albedo)

    def _eye_colours(self, views: Sequence[View], seen: Sequence[Seen], lighting: Lighting) -> Tensor:
        """The head's own colours [V, 3], eyes dimmed by their lids, irises brought to what pictures show of them."""
        colours = self.head.colours.clone()
        regions = self.head.regions
        balls = [region for name, region in regions.items() if name.startswith("eyeball")]
        if balls:
            colours[torch.cat(balls)] *= UNDER_LIDS
        for iris in (name for name in regions if name.startswith("iris")):
            pupil = regions.get(iris.replace("iris", "pupil"), regions[iris][:0])
            ring = regions[iris][~torch.isin(regions[iris], pupil)]
            found = []
            for number, (view, one) in enumerate(zip(views, seen, strict=True)):
                vertex = ring[one.visible[ring]]
                light = lit_irradiance(one.normals[vertex], lighting.lights[number])
                found.append(read_colours(smoothed(view, 0.0), one.points_px[vertex]) / light)
            shown_iris = torch.cat(found)
            if len(shown_iris) >= FEW_IRIS_POINTS:
                wanted = shown_iris.quantile(IRIS_SHARE, dim=0).clamp(0.01, 0.5)
                colours[ring] *= wanted / colours[ring].mean(0).clamp_min(1e-3)
        return colours.clamp(0.002, 1.0)

    def _softened(self, values: Tensor) -> Tensor:
        """Values of vertices [V, C], averaged with their neighbours."""
        ends = self.head.triangles[:, (0, 1, 2, 1, 2, 0)].reshape(-1, 2, 3)
        one, other = ends[:, 0].flatten(), ends[:, 1].flatten()
        count = torch.bincount(one, minlength=len(values)).clamp_min(1)[:, None]
        for _ in range(SOFTENING):
            around = torch.zeros_like(values).index_add_(0, one, values[other]) / count
            values = (values + around) / 2
        return values


def samples_of(space: AlbedoSpace, views: Sequence[View], seen: Sequence[Seen]) -> Samples:
    """The face's vertices as each picture shows them."""
    parts = []
    for number, (view, one) in enumerate(zip(views, seen, strict=True)):
        vertex = space.skin[one.visible[space.skin]]
        points = one.points_px[vertex]
        spacing_px = 0.0
        if len(vertex):
            spacing_px = float(((points.amax(0) - points.amin(0)).prod() / len(vertex)).sqrt())
        picture = smoothed(view, 0.5 * spacing_px)
        colours = read_colours(picture, points)
        parts.append((vertex, torch.full_like(vertex, number), one.normals[vertex], colours, one.facing[vertex]))
    vertex, picture_of, normals, colours, facing = (torch.cat(part) for part in zip(*parts, strict=True))
    if len(vertex) < FEWEST_VERTICES:
        raise MienError(
            f"expected a face in view, but only {len(vertex)} points of its surface are: choose another picture"
        )
    weights = facing * space.area[vertex]
    return Samples(vertex, picture_of, normals, colours, weights / weights.mean().clamp_min(1e-12), len(views))


def fill_gutters(atlas: Atlas, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colours beyond the islands' coasts, so that nothing dark is mixed in where a texture is looked up there."""
    flat = np.zeros(atlas.side * atlas.side, np.uint8)
    flat[atlas.texels.numpy()] = 1
    grown = flat.reshape(atlas.side, atlas.side)
    for _ in range(GUTTER):
        more = np.asarray(cv2.dilate(picture, np.ones((3, 3), np.uint8)), np.uint8)
        wider = np.asarray(cv2.dilate(grown, np.ones((3, 3), np.uint8)), np.uint8)
        coast = wider != grown
        picture[coast] = more[coast]
        grown = wider
    return picture
