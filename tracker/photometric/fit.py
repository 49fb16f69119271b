"""A head fitted to the pixels of a picture: from the landmarks' answer, in passes from coarse to fine.

In one picture shape, lens, albedo and light are free as well. In a video all but light are known from all of it, detail
of the skin with them, and only what moves is left; light is solved for each frame, since cameras change their exposure
and their white balance by themselves. Pixels never drag the head off its landmarks: where a fit is farther from
them than the landmarks' own by more than a little, pixels count for less, and it is done again.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from models.camera import clip_points, project
from models.head import embed, pose_head, shape_head
from models.landmark_rows import view_landmarks
from models.skinning import vertex_normals
from models.types import Camera, HeadParams, Identity, Landmarks
from render.diff import find_hits, interpolate, mip_levels, sample
from render.diff.light import lit_irradiance
from render.texture import Texture
from tracker.fit import PersonFitter
from tracker.photometric.colours import GAMMA, linear
from tracker.photometric.light import Lighting, light_on
from tracker.photometric.refine import Appearance, Picture, PixelConfig, Refined, Refiner
from tracker.photometric.surface import FaceSurface
from tracker.photometric.texture import TextureSolver, samples_of
from tracker.photometric.view import Seen, View, read_colours
from tracker.residuals import Observed, mean_error_iod
from tracker.solver import Linearise, Normal

MOST_WORSE_IOD = 0.002  # than the landmarks' own answer, the landmarks may become
BLURS = (0.8, 0.3)  # of the picture in each pass, times the distance between vertices
SEEN_FROM = 0.3  # cosine: nearer to its outline a face's pixels are mixed with what is behind
SHAPE_HOLD = 4.0  # precision that holds a shape where the landmarks left it: shadows of one picture would pull at it
VERTEX_TEXELS = 4  # of a texture that one vertex stands for


@dataclass(frozen=True)
class PhotometricFit:
    params: HeadParams  # without a batch
    camera: Camera  # of the whole picture
    shape: Tensor  # [S]
    fitted_px: Tensor  # [L, 2]
    fitted_m: Tensor  # [L, 3]
    error_iod: float
    landmark_error_iod: float  # of the landmarks' answer, where it began
    appearance: Appearance
    pixel_error: float  # percent of the range of shown values, a mean over the face's pixels
    passes: tuple[Refined, ...]


@dataclass(frozen=True)
class KnownLooks:
    """What a video has told of a person's skin before its frames are fitted one by one."""

    mean: Tensor  # [V, 3] of the albedo
    weights: Tensor  # [K, 3] of the albedo space, added to it
    detail: Tensor  # [P, 3] of the skin's vertices: the texture over the smooth albedo


class PhotometricFitter:
    """Holds what depends on the head alone."""

    def __init__(self, person: PersonFitter, skin: TextureSolver, config: PixelConfig | None = None) -> None:
        self._person, self._skin, self._space = person, skin, skin.space
        self.config = config or PixelConfig()
        self.surface = FaceSurface(person.head, skin.space)
        self.refiner = Refiner(self.surface, skin.space, person.layout, self.config)

    @torch.inference_mode()
    def fit(
        self, view: View, seen: Landmarks, identity: Identity, known: KnownLooks | None = None, geometry: bool = True
    ) -> PhotometricFit:
        """`view` holds the landmarks' answer. Where somebody is `known`, only motion is fitted.

        Without `geometry` albedo and light alone are: what the pixels say of the landmarks' answer as it is.
        """
        layout = self._person.layout
        state = layout.pack(view.params[None], view.camera[None], identity.shape.to(self._person.neutral)[None])
        start, observed = state, self._observe(view, seen, state)
        landmarks = held(self._person.energy(observed), layout.columns.identity, state)
        limit = self._landmark_error(state, observed) + MOST_WORSE_IOD
        moving = torch.full((layout.columns.count,), geometry)
        if known is not None:
            moving[layout.columns.identity] = False
            moving[layout.columns.focal] = False
        appearance: Appearance | None = None
        detail = torch.ones(self.surface.count, 3) if known is None else known.detail
        passes = []
        for blur in BLURS if known is None else BLURS[-1:]:
            now, one = self._seen(view, state, observed)
            if appearance is None:
                appearance = self._looks(now, one, known)
            picture = self._picture(now, one, blur, self._shape(state), appearance, detail)
            refined = self.refiner.refine(
                landmarks,
                lambda candidate: self._landmark_error(candidate, observed) <= limit,
                state,
                appearance,
                picture,
                observed.principal_px[0],
                moving,
                looks_move=known is None,
            )
            state, appearance = refined.state, refined.appearance
            passes.append(refined)
        assert appearance is not None
        return self._result(view, state, start, observed, appearance, tuple(passes))

    def known(self, lighting: Lighting, texture: Texture) -> KnownLooks:
        """From the skin that a video's keyframes told."""
        head, skin = self._person.head, self._space.skin
        uv_of = torch.zeros(head.vertex_count, dtype=torch.int64)
        uv_of[head.triangles.flatten()] = head.uv_triangles.flatten()
        levels = mip_levels(torch.from_numpy(linear(texture.albedo)), 5)
        footprint = torch.full((len(skin),), VERTEX_TEXELS / texture.albedo.shape[0])
        albedo = sample(levels, head.uvs[uv_of[skin]], footprint)
        smooth = self._space.at(lighting.weights, lighting.mean)[skin].clamp_min(5e-3)
        return KnownLooks(lighting.mean, lighting.weights, albedo / smooth)

    def pixel_error(self, view: View, shape: Tensor, appearance: Appearance, texture: Texture | None = None) -> float:
        """Percent of the range of shown values, a mean over the pixels of the face's skin; of the smooth albedo alone,
        or of a texture."""
        head = self._person.head
        vertices = pose_head(shape_head(head, shape), view.params).vertices
        height, width = view.size
        hits = find_hits(clip_points(view.camera, vertices, width, height), head.triangles, (height, width))
        on_skin = torch.isin(head.triangles, self._space.skin).all(1)[hits.triangles]
        hits = replace(hits, pixels=hits.pixels[on_skin], triangles=hits.triangles[on_skin],
                       weights=hits.weights[on_skin], depth=hits.depth[on_skin])  # fmt: skip
        if not len(hits.pixels):
            return float("nan")
        normals = vertex_normals(vertices, head.triangles) @ view.camera.rotation.T
        if texture is None:
            albedo = self._space.at(appearance.weights, appearance.mean).clamp_min(5e-3)
            colours = interpolate(albedo * lit_irradiance(normals, appearance.light), head.triangles, hits)
        else:
            places = interpolate(head.uvs, head.uv_triangles, hits)
            skin = sample((torch.from_numpy(linear(texture.albedo)),), places)
            light = lit_irradiance(normals, torch.from_numpy(texture.light))
            colours = skin * interpolate(light, head.triangles, hits)
        found = torch.from_numpy(view.image.reshape(-1, 3))[hits.pixels].float() / 255
        return 100 * float((found - colours.clamp(0, 1) ** (1 / GAMMA)).abs().mean())

    def _shape(self, state: Tensor) -> Tensor:
        return state[0, self._person.layout.columns.identity]

    def _looks(self, view: View, seen: Seen, known: KnownLooks | None) -> Appearance:
        """Albedo and light as the head is now; of a known skin, its light."""
        samples = samples_of(self._space, [view], [seen])
        if known is None:
            lighting = self._skin.light(samples)
            return Appearance(lighting.mean, lighting.weights, lighting.light)
        albedo = self._space.at(known.weights, known.mean).clamp_min(5e-3)
        albedo[self._space.skin] *= known.detail
        return Appearance(known.mean, known.weights, light_on(albedo[samples.vertex], samples))

    def _seen(self, view: View, state: Tensor, observed: Observed) -> tuple[View, Seen]:
        """The view with the state's motion and camera, and what of the face is seen in it."""
        unpacked = self._person.layout.unpack(state, observed.principal_px)
        now = replace(view, params=unpacked.params[0], camera=unpacked.camera[0])
        return now, Seen.of(shape_head(self._person.head, self._shape(state)), now)

    def _observe(self, view: View, seen: Landmarks, state: Tensor) -> Observed:
        """The landmarks in the cut-out."""
        whole = self._person.observe([seen], state)
        origin = whole.points_px.new_tensor(view.origin_px)
        return replace(
            whole,
            points_px=(whole.points_px - origin) * view.scale,
            iod_px=whole.iod_px * view.scale,
            principal_px=(whole.principal_px - origin) * view.scale,
            focal_px=whole.focal_px * view.scale,
        )

    def _picture(
        self, view: View, seen: Seen, blur: float, shape: Tensor, appearance: Appearance, detail: Tensor
    ) -> Picture:
        """The face's vertices count by their area as seen, but for those that the model cannot explain."""
        skin = self._space.skin
        visible = seen.visible[skin] & (seen.facing[skin] > SEEN_FROM)
        points = seen.points_px[skin][visible]
        spacing = float(((points.amax(0) - points.amin(0)).prod() / len(points)).sqrt()) if len(points) else 1.0
        values = _blurred_with_slopes(view, blur * spacing)
        share = self._space.area[skin] * seen.facing[skin].clamp_min(0) * visible
        posed = self.surface.pose(view.params, view.camera, shape, jacobian=False)
        found = read_colours(values, seen.points_px[skin])[:, :3]
        missed = (found - self.refiner.predict(posed, appearance, detail)).abs().amax(1)
        usual = missed[visible].median() if len(points) else missed.new_tensor(self.config.noise)
        noise = float(usual.clamp_min(self.config.noise))
        scale = self.config.robust * noise
        trust = (scale * scale / (scale * scale + missed * missed)) ** 2
        return Picture(values, share * trust, detail, (self.config.noise / noise) ** 2)

    def _landmark_error(self, state: Tensor, observed: Observed) -> float:
        found = self._person.layout.unpack(state, observed.principal_px)
        view = view_landmarks(self._person.rows, found.params, found.camera, found.identity, jacobian=False)
        return float(mean_error_iod(view.points_px, observed)[0])

    def _result(
        self,
        view: View,
        state: Tensor,
        start: Tensor,
        observed: Observed,
        appearance: Appearance,
        passes: tuple[Refined, ...],
    ) -> PhotometricFit:
        head, shape = self._person.head, self._shape(state)
        unpacked = self._person.layout.unpack(state, observed.principal_px)
        params, cut = unpacked.params[0], unpacked.camera[0]
        camera = view.restored(cut)
        points = embed(head.embedding, pose_head(shape_head(head, shape), params).vertices)
        error, start_error = (self._landmark_error(one, observed) for one in (state, start))
        now = replace(view, params=params, camera=cut)
        return PhotometricFit(
            params=params,
            camera=camera,
            shape=shape,
            fitted_px=project(camera, points),
            fitted_m=points @ camera.rotation.T + camera.translation,
            error_iod=error,
            landmark_error_iod=start_error,
            appearance=appearance,
            pixel_error=self.pixel_error(now, shape, appearance),
            passes=passes,
        )


def _blurred_with_slopes(view: View, sigma_px: float) -> Tensor:
    """[9, H, W]: shown values of 0 to 1, their slopes to the right and down."""
    shown = view.image.astype(np.float32) / 255
    if sigma_px > 0.3:
        shown = np.asarray(cv2.GaussianBlur(shown, (0, 0), sigma_px), np.float32)
    padded = np.pad(shown, ((1, 1), (1, 1), (0, 0)), mode="edge")
    right, down = (padded[1:-1, 2:] - padded[1:-1, :-2]) / 2, (padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2
    stacked = np.concatenate([shown, right, down], 2).transpose(2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(stacked))


def held(linearise: Linearise, columns: slice, start: Tensor) -> Linearise:
    """An energy that also holds some unknowns where they start."""

    def linearise_held(state: Tensor) -> Normal:
        normal = linearise(state)
        away = state[:, columns] - start[:, columns]
        hessian, gradient = normal.hessian.clone(), normal.gradient.clone()
        hessian.diagonal(dim1=1, dim2=2)[:, columns] += SHAPE_HOLD
        gradient[:, columns] += SHAPE_HOLD * away
        return Normal(hessian, gradient, {**normal.error_by_term, "held": SHAPE_HOLD * (away * away).sum(1)})

    return linearise_held
