"""`mien heads import MESH.obj`: a `Head` of any head mesh, in any pose and unit, that moves as the built-in head does.

Its face is found by drawing it from many sides and asking the detector (`face_on_mesh.py`), the built-in head is drawn
onto it (`models/embedding`), and motion is carried over (`models/transfer.py`, `models/borrow.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from models.borrow import Surface, borrow_head
from models.cylinder_uvs import cylinder_uvs
from models.embedding import BUILTIN, Fit, fit_builtin
from models.embedding.mesh import Floats, Ids, triangle_vectors
from models.embedding.outer import outward
from models.embedding.parts import find_eyeballs, shells_over_eyes
from models.embedding.similarity import Similarity
from models.head import Head, embed
from models.head_file import file_sha256, read_head
from models.obj import ObjMesh, read_obj
from models.transfer import Transfer
from models.types import Embedding, MienError
from tracker.jobs.face_on_mesh import FaceOnMesh, find_face
from tracker.jobs.progress import progress_bar
from tracker.landmarks import open_detector

FEWEST_TRIANGLES, MOST_TRIANGLES = 400, 1_000_000
FARTHEST = 1e9  # from the origin, in any unit: no head is measured so, and farther off areas overflow
UNITS = {"metres": 1.0, "centimetres": 0.01, "millimetres": 0.001, "inches": 0.0254}
EYES_M = (0.07, 0.115)  # between the outer eye corners of anybody
USUAL_EYES_M = 0.09
OUTER_CORNERS = (33, 263)

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Placing:
    """How the file's mesh was brought into the head frame."""

    to_head: Similarity  # from the file's frame to the head frame in metres
    unit: str  # what the file's unit was taken for


def import_mesh(path: Path, tell: Tell = print, builtin: Head | None = None) -> Head:
    """The head in an OBJ file. `tell` hears, line by line, what was found and guessed."""
    builtin = read_head(BUILTIN) if builtin is None else builtin
    mesh = read_obj(path)
    whole = _turned_outward(_checked(path, mesh))
    usual = embed(builtin.embedding, builtin.template).double().numpy()
    face = _find_face(path, whole, usual)
    placing = _place(face, usual)
    tell(f"face found in {face.views} views; unit taken for {placing.unit}")
    head_mesh, hidden = _without_shells(replace(whole, vertices=placing.to_head(whole.vertices)))
    if hidden:
        tell(f"left out {hidden} triangles that wrap the eyeballs and would hide them")
    fit = _fit(path, head_mesh, placing.to_head(face.points), builtin)
    # The frame of the head is the built-in's, as exactly as the fit knows it; the size is the mesh's own.
    upright = Similarity(1.0, fit.similarity.rotation, fit.similarity.translation).inverse()
    fit, vertices = _moved(fit, upright), upright(head_mesh.vertices)
    uvs, uv_triangles = _uvs(head_mesh)
    surface = Surface(uvs, uv_triangles, f"imported {path.stem}", "as its file's", file_sha256(path))
    head = borrow_head(Transfer(fit, vertices, head_mesh.triangles), surface)
    tell(_summary(fit, head))
    return head


def _checked(path: Path, mesh: ObjMesh) -> ObjMesh:
    """Only used vertices, and triangles that have an area."""
    if len(mesh.triangles) > MOST_TRIANGLES:
        raise MienError(
            f"{path}: expected at most {MOST_TRIANGLES} triangles, got {len(mesh.triangles)}; simplify the mesh first"
        )
    if not (np.abs(mesh.vertices) <= FARTHEST).all():
        raise MienError(
            f"{path}: expected coordinates between -{FARTHEST:.0e} and {FARTHEST:.0e}, got larger ones; "
            "scale the mesh down, and move it to the origin"
        )
    size = np.linalg.norm(triangle_vectors(mesh.vertices, mesh.triangles), axis=1)
    extent = float(np.ptp(mesh.vertices[mesh.triangles.ravel()], axis=0).max()) if len(mesh.triangles) else 0.0
    kept = np.flatnonzero(size > 1e-12 * extent**2)
    if len(kept) < FEWEST_TRIANGLES:
        raise MienError(
            f"{path}: expected a head of at least {FEWEST_TRIANGLES} triangles, got {len(kept)}; "
            "take a finer mesh, or subdivide this one"
        )
    return _subset(mesh, kept)


def _subset(mesh: ObjMesh, kept: Ids) -> ObjMesh:
    """Some of the triangles and the vertices they use."""
    used, compact = np.unique(mesh.triangles[kept], return_inverse=True)
    uv_triangles = mesh.uv_triangles[kept] if len(mesh.uv_triangles) else mesh.uv_triangles
    return ObjMesh(mesh.vertices[used], compact.reshape(-1, 3).astype(np.int64), mesh.uvs, uv_triangles)


def _turned_outward(mesh: ObjMesh) -> ObjMesh:
    facing = outward(mesh.vertices, mesh.triangles)
    turned = (facing != mesh.triangles).any(1)
    uv_triangles = mesh.uv_triangles
    if len(uv_triangles):
        uv_triangles = np.where(turned[:, None], uv_triangles[:, ::-1], uv_triangles)
    return replace(mesh, triangles=facing, uv_triangles=uv_triangles)


def _without_shells(mesh: ObjMesh) -> tuple[ObjMesh, int]:
    """The mesh without what wraps its eyeballs, and how many triangles that was."""
    eyes = find_eyeballs(mesh.vertices, mesh.triangles)
    if eyes is None:
        return mesh, 0
    hidden = shells_over_eyes(mesh.vertices, mesh.triangles, eyes)
    return _subset(mesh, np.flatnonzero(~hidden)), int(hidden.sum())


def _find_face(path: Path, mesh: ObjMesh, usual: Floats) -> FaceOnMesh:
    detector = open_detector("mesh", still=True, upright=True)  # it is shown the mesh turned every way already
    try:
        with progress_bar("looking for the face", "views") as tell:
            face = find_face(mesh.vertices, mesh.triangles, usual, detector, tell)
    finally:
        detector.close()
    if face is None:
        raise MienError(
            f"{path}: expected a mesh of a human head, but no face was seen on it from any side; "
            "check that it is a whole face with eyes, nose and mouth, not covered by hair or glasses, and not in pieces"
        )
    return face


def _place(face: FaceOnMesh, usual: Floats) -> Placing:
    """Axes from the face's pose, metres from its size."""
    a, b = OUTER_CORNERS
    eyes = face.similarity.scale * float(np.linalg.norm(usual[a] - usual[b]))
    fitting = [name for name, metres in UNITS.items() if EYES_M[0] < eyes * metres < EYES_M[1]]
    if fitting:
        metres, unit = UNITS[fitting[0]], fitting[0]
    else:
        metres = USUAL_EYES_M / eyes
        unit = f"{metres:.3g} m, which makes the eyes' outer corners {USUAL_EYES_M * 1000:.0f} mm apart"
    rotation = face.similarity.rotation.T
    return Placing(Similarity(metres, rotation, -metres * rotation @ face.similarity.translation), unit)


def _fit(path: Path, mesh: ObjMesh, known: Floats, builtin: Head) -> Fit:
    try:
        return fit_builtin(mesh.vertices, mesh.triangles, known, head=builtin)
    except MienError as error:
        raise MienError(f"{path}: {error}") from None
    except (np.linalg.LinAlgError, RuntimeError) as error:
        raise MienError(
            f"{path}: expected a mesh whose surface hangs together, but the fit broke down ({error}); "
            "merge double vertices, remove loose parts and try again"
        ) from error


def _moved(fit: Fit, rigid: Similarity) -> Fit:
    """The same fit after a rigid motion of the mesh."""
    similarity = Similarity(
        fit.similarity.scale, rigid.rotation @ fit.similarity.rotation, rigid(fit.similarity.translation[None])[0]
    )
    eyes = fit.parts.eyes
    if eyes is not None:
        left, right = (replace(eye, centre=rigid(eye.centre[None])[0]) for eye in eyes)
        eyes = left, right
    return replace(
        fit,
        similarity=similarity,
        vertices=rigid(fit.vertices),
        landmarks=rigid(fit.landmarks),
        joints=rigid(fit.joints),
        parts=replace(fit.parts, eyes=eyes),
        embedding=Embedding(fit.embedding.vertices, fit.embedding.weights),
    )


def _uvs(mesh: ObjMesh) -> tuple[Floats, Ids]:
    """The file's own texture coordinates, from the top left; without, a cylinder's."""
    if not len(mesh.uv_triangles):
        return cylinder_uvs(mesh.vertices, mesh.triangles)
    return np.stack([mesh.uvs[:, 0], 1 - mesh.uvs[:, 1]], 1), mesh.uv_triangles


def _summary(fit: Fit, head: Head) -> str:
    eyes = "own eyeballs" if fit.parts.eyes is not None else "no eyeballs of its own: gaze will not show"
    return (
        f"{head.vertex_count} vertices, {eyes}; the built-in's shapes come within {fit.face_error_m * 1000:.1f} mm; "
        f"{head.expression_size} borrowed shapes, {head.identity_size} borrowed identity modes (0 is this mesh)"
    )
