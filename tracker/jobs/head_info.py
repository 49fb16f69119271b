"""What a head's file is, in rows of label and text, without laying landmarks on it."""

from collections.abc import Sequence

from models.flame import licence_of
from models.flame_companions import EYELIDS, companion_files, missing_companions
from models.flame_files import EXPRESSIONS, IDENTITY, TRIANGLES, UNKNOWN, VERTICES, read_flame_arrays
from models.head import Head
from models.head_file import file_sha256, read_head
from models.ict import LICENCE, NAME
from models.ict_files import IDENTITY_MODES, missing_shapes, model_folder
from models.ict_parts import VERTICES as ICT_VERTICES
from models.library import Kind, Source
from models.obj import read_obj

Rows = list[tuple[str, str]]


def describe(source: Source) -> Rows:
    rows = [("file", str(source.path)), ("kind", source.kind.value)]
    if source.kind is Kind.FLAME:
        return rows + _flame(source)
    if source.kind is Kind.ICT:
        return rows + _ict(source)
    if source.kind is Kind.MESH:
        return rows + _mesh(source)
    return rows + _head(read_head(source.path))


def _head(head: Head) -> Rows:
    return [
        ("name", head.name),
        ("mesh", f"{head.vertex_count} vertices, {len(head.triangles)} triangles"),
        ("identity", f"{head.identity_size} modes"),
        ("expression", f"{head.expression_size}: {_some(head.expression_names)}"),
        ("joints", "neck, jaw, two eyes" + ("" if head.pose_basis.shape[2] else "; no pose correctives")),
        ("regions", _some(sorted(head.regions))),
        ("licence", head.licence),
        ("sha256", head.sha256),
        ("missing", "nothing"),
    ]


def _flame(source: Source) -> Rows:
    arrays = read_flame_arrays(source.path)
    missing = missing_companions(source.path)
    there = [path.name for path in companion_files(source.path)]
    rows = [
        ("name", arrays.version),
        ("mesh", f"{VERTICES} vertices, {TRIANGLES} triangles"),
        ("identity", f"{IDENTITY} modes"),
        ("expression", f"{EXPRESSIONS} modes" + ("" if _lacks_eyelids(missing) else ", eyelidLeft, eyelidRight")),
        ("joints", "neck, jaw, two eyes"),
        ("licence", licence_of(arrays.version)),
        ("sha256", arrays.sha256),
        ("beside it", ", ".join(there) or "nothing"),
    ]
    rows += [("missing", text) for text in missing] or [("missing", "nothing")]
    if _lacks_eyelids(missing):
        rows.append(("note", f"FLAME's own expressions hardly close the eyes; {' and '.join(EYELIDS)} mend that"))
    if arrays.version == UNKNOWN:
        rows.append(("note", "codes of different FLAME versions do not transfer, and this one's is not known"))
    return rows


def _lacks_eyelids(missing: Sequence[str]) -> bool:
    return any(text.startswith(EYELIDS) for text in missing)


def _ict(source: Source) -> Rows:
    missing = missing_shapes(source.path)
    modes = IDENTITY_MODES - sum(name.startswith("identity") for name in missing)
    neutral = (model_folder(source.path) or source.path) / "generic_neutral_mesh.obj"
    return [
        ("name", NAME),
        ("mesh", f"{ICT_VERTICES} vertices of its 26719 (eyelashes, tear film and shadow shells are left out)"),
        ("identity", f"{modes} modes of {IDENTITY_MODES}"),
        ("expression", "Apple's 40 shapes, halves of browInnerUp and cheekPuff added up"),
        ("joints", "jaw and eyes, fitted to the kit's jaw and gaze shapes; neck"),
        ("licence", LICENCE),
        ("sha256", f"{file_sha256(neutral)} (of the neutral mesh)"),
        ("missing", f"{len(missing)} files: {_some(missing)}; `mien heads get ict`" if missing else "nothing"),
    ]


def _mesh(source: Source) -> Rows:
    mesh = read_obj(source.path)
    size = mesh.vertices.max(0) - mesh.vertices.min(0)
    return [
        ("mesh", f"{len(mesh.vertices)} vertices, {len(mesh.triangles)} triangles"),
        ("size", " x ".join(f"{length:.4g}" for length in size) + " in the file's own unit"),
        ("texture", f"{len(mesh.uvs)} coordinates" if len(mesh.uv_triangles) else "no coordinates"),
        ("sha256", file_sha256(source.path)),
        ("missing", f"a pose, landmarks and expressions: `mien heads import {source.path} -o head.npz`"),
    ]


def _some(names: Sequence[str], most: int = 6) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown}, ... ({len(names)})"
