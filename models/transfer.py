"""Motion of the built-in head carried over to any mesh it has been fitted to.

Every vertex of the mesh is bound to a place on the fitted built-in head. What moves that place moves the vertex, turned
and scaled as the fit turned and scaled the skin there: deformation transfer (Sumner and Popovic 2004) with similarities
in the place of whole gradients. Where a vertex has no place of its own (a mouth's lining, the back of a lip), the
mesh's own surface fills in, smoothly. Eyeballs and teeth go rigidly with their joints.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import SuperLU, splu
from scipy.spatial import cKDTree

from models.embedding.closest import SurfaceIndex
from models.embedding.fit import Fit
from models.embedding.mesh import Floats, Ids, Mask, edges, stiffness, vertex_areas, vertex_normals, weld
from models.known_landmarks import IRISES
from models.types import JAW, LEFT_EYE, NECK, RIGHT_EYE

TRUST_M = 0.006  # a place this far away counts half
SPREAD_M = 0.0015  # a carried field is smoothed over about this length: the built-in's triangles must not show
FAINT = 1e-4  # of the trust in vertices without any place, so that every part has some answer
PIN = 30.0  # how much a landmark counts beside one vertex of full trust
LINK_ROUNDS = 3  # of averaging over neighbours before the fit's local turn is taken
RIGID_REACH_M = 0.035  # from the fitted teeth: hidden parts within are teeth, gums or tongue
EYE_REACH = 1.25  # radii from the middle of a fitted eyeball: parts within are of that eye
ONE_TOOTH_M = 0.03  # a part no larger than this is of one jaw as a whole
SOFTENING_ROUNDS = 20
ONE_JAW = 0.3  # so is one whose mean share of the jaw is nearer to 0 or 1 than this


@dataclass(frozen=True)
class Transfer:
    """A mesh bound to a fitted built-in head."""

    fit: Fit
    vertices: Floats  # [V, 3]
    triangles: Ids  # [F, 3]

    def carry(self, field: Floats) -> Floats:
        """Displacements of the built-in's vertices [Vb, 3, K] to those of the mesh's [V, 3, K]."""
        if not field.shape[2]:
            return np.zeros((len(self.vertices), 3, 0))
        return self._spread(np.einsum("vab,vbk->vak", self._turns, field))

    def carry_weights(self) -> Floats:
        """Skinning weights [V, J], each row summing to 1; eyeballs and teeth are rigid."""
        own = self.fit.template.head.skinning_weights.numpy().copy()
        # Without eyeballs of its own the mesh has nothing that turns with the eyes.
        own[:, NECK] += own[:, LEFT_EYE] + own[:, RIGHT_EYE]
        own[:, [LEFT_EYE, RIGHT_EYE]] = 0
        weights = np.clip(self._spread(own[:, None])[:, 0], 0, None)
        weights /= np.maximum(weights.sum(1, keepdims=True), 1e-9)
        for joint, ids in self.rigid.items():
            weights[ids] = 0
            weights[ids, joint] = 1
        hard, share = self._jaw_share_of_teeth
        weights[hard, JAW], weights[hard, NECK] = share, 1 - share
        return np.asarray(weights)

    @cached_property
    def rigid(self) -> dict[int, Ids]:
        """Vertices that move with one joint alone: eyeballs, and teeth of either jaw (the upper with the neck)."""
        eyes = self.fit.parts.eyes
        if eyes is not None:
            found = {LEFT_EYE: eyes[0].vertices, RIGHT_EYE: eyes[1].vertices}
        else:
            found = {joint: self._eye_patch(joint) for joint in (LEFT_EYE, RIGHT_EYE)}
            found = {joint: ids for joint, ids in found.items() if len(ids)}
        hard, share = self._jaw_share_of_teeth
        found[JAW], found[NECK] = hard[share >= 0.5], hard[share < 0.5]
        return found

    def _eye_patch(self, joint: int) -> Ids:
        """Vertices of parts on the fitted built-in's eyeball: what a scan has of an eye."""
        own = self.fit.template.eyeballs[joint - LEFT_EYE]
        centre = self.fit.joints[joint]
        radius = float(np.median(np.linalg.norm(self.fit.vertices[own] - centre, axis=1)))
        near = np.linalg.norm(self.vertices - centre, axis=1) < EYE_REACH * radius
        return self._hidden_parts(near)

    def _hidden_parts(self, near: Mask) -> Ids:
        """Vertices of parts without outer skin of their own that lie near altogether."""
        parts = self.fit.parts
        count = int(parts.part.max()) + 1
        inside = np.bincount(parts.part, near, count) == np.bincount(parts.part, minlength=count)
        inside[parts.skin_parts] = False
        return np.flatnonzero(inside[parts.part])

    @cached_property
    def mouth_parts(self) -> Ids:
        """Vertices of parts without outer skin near the fitted teeth."""
        parts, (teeth, _) = self.fit.parts, self.teeth
        near = np.zeros(len(self.vertices), bool)
        if len(teeth):
            reach = RIGID_REACH_M * self.fit.similarity.scale
            near |= cKDTree(self.fit.vertices[teeth]).query(self.vertices)[0] < reach
        if parts.eyes is not None:
            near[np.concatenate([eye.vertices for eye in parts.eyes])] = False
        return self._hidden_parts(near)

    @cached_property
    def followers(self) -> Mask:
        """[V] vertices of parts that lie on the skin and go with it: lashes, brows, hair."""
        free = np.ones(len(self.vertices), bool)
        free[np.isin(self.fit.parts.part, self.fit.parts.skin_parts)] = False
        for ids in self.rigid.values():
            free[ids] = False
        return free

    @cached_property
    def spots(self) -> tuple[Ids, Floats]:
        """The skin's 468 landmarks on the mesh: vertices and weights."""
        embedding = self.fit.embedding
        return embedding.vertices.numpy()[: IRISES.start], embedding.weights.numpy()[: IRISES.start]

    def at_landmarks(self, field: Floats) -> Floats:
        """A field [V, ...] at the skin's landmarks [468, ...]."""
        corners, weights = self.spots
        return np.asarray(np.einsum("lk,lk...->l...", weights, field[corners]))

    def nudge(self, landmarks: Ids, wanted: Floats, length_m: float) -> Floats:
        """The smoothest displacement [V, 3] that is as wanted [n, 3] at some landmarks and fades around them."""
        corners, weights = self.spots
        pick = self._picking(corners[landmarks], weights[landmarks])
        mass = self._areas / self._areas.mean()
        bend = (length_m * self.fit.similarity.scale) ** 2 / self._areas.mean()
        system = sparse.diags_array(mass * 0.05) + 0.05 * bend * self._stiffness + 1e3 * pick.T @ pick
        return np.asarray(splu(sparse.csc_array(system)).solve(1e3 * (pick.T @ wanted))[self._welded])

    # The parts of `carry`.

    @cached_property
    def _turns(self) -> Floats:
        """[Vb, 3, 3] what the fit did to the skin around each built-in vertex: turn and scale."""
        template = self.fit.template
        rest, moved = template.rest, self.fit.vertices
        pairs = edges(template.triangles)
        pairs = np.concatenate([pairs, pairs[:, ::-1]])
        before, after = rest[pairs[:, 1]] - rest[pairs[:, 0]], moved[pairs[:, 1]] - moved[pairs[:, 0]]
        count = len(rest)
        covariance, spread = np.zeros((count, 3, 3)), np.zeros(count)
        np.add.at(covariance, pairs[:, 0], after[:, :, None] * before[:, None])
        np.add.at(spread, pairs[:, 0], (before**2).sum(1))
        links = sparse.csr_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (count, count))
        links = links + sparse.eye_array(count)
        for _ in range(LINK_ROUNDS):
            covariance = np.asarray(links @ covariance.reshape(count, 9)).reshape(-1, 3, 3)
            spread = np.asarray(links @ spread)
        u, d, vt = np.linalg.svd(covariance)
        sign = np.sign(np.linalg.det(u) * np.linalg.det(vt))
        d[:, 2] *= sign
        u[:, :, 2] *= sign[:, None]
        return np.asarray((d.sum(1) / np.maximum(spread, 1e-20))[:, None, None] * (u @ vt))

    def _spread(self, field: Floats) -> Floats:
        """A field on the built-in [Vb, C, K], as it is seen from the mesh's vertices, smoothed: [V, C, K]."""
        corners, weights, trust = self.places
        seen = np.einsum("vk,vkcn->vcn", weights, field[corners])
        flat = seen.reshape(len(seen), -1) * (trust * self._mass)[:, None]
        gathered = np.zeros((len(self._stiffness_rows), flat.shape[1]))
        np.add.at(gathered, self._welded, flat)
        pick = self._picking(*self.spots)
        landmark_corners, landmark_weights = self.fit.template.landmark_corners
        at_landmarks = np.einsum("lk,lkcn->lcn", landmark_weights, field[landmark_corners])[: IRISES.start]
        gathered += PIN * (pick.T @ at_landmarks.reshape(len(at_landmarks), -1))
        spread = self._solver.solve(gathered)[self._welded].reshape(seen.shape)
        spread[self.followers] = self._follow(spread)
        for ids in self.rigid.values():
            spread[ids] = 0
        return np.asarray(spread)

    def _follow(self, field: Floats) -> Floats:
        """What lies on the skin takes the motion of the skin nearest to it."""
        skin = np.flatnonzero(self.fit.parts.skin)
        if not self.followers.any():
            return field[self.followers]
        hits = SurfaceIndex(self.vertices, self.triangles, skin).closest(self.vertices[self.followers])
        return np.asarray(np.einsum("vk,vkcn->vcn", hits.weights, field[self.triangles[hits.triangles]]))

    @cached_property
    def places(self) -> tuple[Ids, Floats, Floats]:
        """Each vertex's place on the fitted built-in head: corners [V, 3], weights [V, 3], and the trust in it [V]."""
        template, scale = self.fit.template, self.fit.similarity.scale
        normals = vertex_normals(self.vertices, self.triangles)
        outer = np.zeros(len(self.vertices), bool)
        outer[self.triangles[self.fit.parts.skin]] = True
        skin = template.skin[template.triangles].all(1)
        hard = np.isin(template.triangles, np.concatenate([*template.eyeballs, self.teeth[0]])).any(1)
        corners, weights = np.zeros((len(outer), 3), np.int64), np.zeros((len(outer), 3))
        trust = np.zeros(len(outer))
        for mine, theirs in ((outer, skin), (~outer, ~skin & ~hard)):
            if not mine.any() or not theirs.any():
                continue
            index = SurfaceIndex(self.fit.vertices, template.triangles, np.flatnonzero(theirs))
            hits = index.closest(self.vertices[mine], normals[mine], k=12)
            corners[mine], weights[mine] = template.triangles[hits.triangles], hits.weights
            trust[mine] = np.where(np.isfinite(hits.distance), 1 / (1 + (hits.distance / (TRUST_M * scale)) ** 4), 0)
        trust[np.concatenate([np.flatnonzero(self.followers), *self.rigid.values()])] = 0
        return corners, weights, np.maximum(trust, FAINT * FAINT)

    @cached_property
    def _solver(self) -> SuperLU:
        trust = self.places[2]
        held = np.bincount(self._welded, trust * self._mass, len(self._stiffness_rows))
        bend = (SPREAD_M * self.fit.similarity.scale) ** 2 / self._areas.mean()
        pick = self._picking(*self.spots)
        return splu(sparse.csc_array(sparse.diags_array(held) + bend * self._stiffness + PIN * pick.T @ pick))

    # The mesh without its texture's seams.

    @cached_property
    def _welded(self) -> Ids:
        return weld(self.vertices)

    @cached_property
    def _stiffness(self) -> sparse.csc_array:
        points = np.zeros((int(self._welded.max()) + 1, 3))
        points[self._welded] = self.vertices
        return stiffness(points, self._welded[self.triangles])

    @property
    def _stiffness_rows(self) -> range:
        return range(self._stiffness.shape[0])

    @cached_property
    def _areas(self) -> Floats:
        points = np.zeros((len(self._stiffness_rows), 3))
        points[self._welded] = self.vertices
        areas = vertex_areas(points, self._welded[self.triangles])
        return np.maximum(areas, 1e-3 * areas.mean())

    @cached_property
    def _mass(self) -> Floats:
        """[V] the area each vertex stands for, 1 on average; vertices at one place share it."""
        shared = np.bincount(self._welded, minlength=len(self._areas))
        return np.asarray((self._areas / self._areas.mean() / shared)[self._welded])

    def _picking(self, corners: Ids, weights: Floats) -> sparse.csr_array:
        rows = np.repeat(np.arange(len(corners)), 3)
        return sparse.csr_array(
            (weights.ravel(), (rows, self._welded[corners].ravel())), (len(corners), len(self._stiffness_rows))
        )

    # Teeth.

    @cached_property
    def teeth(self) -> tuple[Ids, Floats]:
        """The built-in's teeth, gums and tongue, and the jaw's share in each."""
        regions = self.fit.template.head.regions
        names = [name for name in ("teeth_upper", "teeth_lower", "gums", "tongue") if name in regions]
        ids = np.unique(np.concatenate([regions[name].numpy() for name in names])) if names else np.zeros(0, np.int64)
        return ids, self.fit.template.head.skinning_weights.numpy()[ids, JAW]

    @cached_property
    def _jaw_share_of_teeth(self) -> tuple[Ids, Floats]:
        """Teeth, gums and tongue of the mesh, and the jaw's share in each vertex; all of a tooth is of one jaw."""
        hard = self.mouth_parts
        if not len(hard):
            return hard, np.zeros(0)
        teeth, shares = self.teeth
        near = cKDTree(self.fit.vertices[teeth]).query(self.vertices[hard], k=min(12, len(teeth)))[1]
        share = shares[near.reshape(len(hard), -1)].mean(1)
        part = np.unique(self.fit.parts.part[hard], return_inverse=True)[1].reshape(-1)
        mean = np.bincount(part, share) / np.bincount(part)
        size = np.array([np.ptp(self.vertices[hard[part == number]], axis=0).max() for number in range(len(mean))])
        of_one = (np.abs(mean - 0.5) > 0.5 - ONE_JAW) | (size < ONE_TOOTH_M * self.fit.similarity.scale)
        return hard, np.where(of_one[part], (mean >= 0.5)[part].astype(np.float64), self._softened(hard, share))

    def _softened(self, hard: Ids, share: Floats) -> Floats:
        """A share that changes gently along the surface: a throat between two jaws stretches evenly."""
        rows = np.full(len(self.vertices), -1)
        rows[hard] = np.arange(len(hard))
        pairs = rows[edges(self.triangles)]
        pairs = pairs[(pairs >= 0).all(1)]
        links = sparse.csr_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (len(hard), len(hard)))
        links = links + links.T + sparse.eye_array(len(hard))
        degree = np.asarray(links.sum(1)).ravel()
        for _ in range(SOFTENING_ROUNDS):
            share = np.asarray(links @ share) / degree
        return share
