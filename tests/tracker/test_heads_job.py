"""`mien heads`, as a user sees it: the command's words in, lines and exit codes out."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mien
from models import download as downloads
from models.head_file import read_head, save_head
from models.library import home, models_folder
from tests.models.flame_writer import flame_like, old_pickle, write_companions
from tests.models.toy_head import toy_head
from tracker.jobs import heads

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("list")` is `mien heads list`, with an empty library: exit code, output, errors."""
    monkeypatch.setenv("MIEN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def words(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["mien", "heads", *map(str, arguments)])
        code = mien.main()
        said = capsys.readouterr()
        return code, said.out, said.err

    return words


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    return flame_like()


def put_flame(values: dict[str, Any]) -> Path:
    models_folder().mkdir(parents=True)
    path = models_folder() / "generic_model.pkl"
    path.write_bytes(old_pickle(values))
    return path


def test_list_of_an_empty_library(run: Run) -> None:
    code, out, _ = run("list")
    assert code == 0
    assert out.startswith("builtin  built-in head")
    assert f"Models live in {home() / 'models'} (set MIEN_HOME" in out
    assert "mien heads get ict" in out


def test_list_with_models(run: Run, values: dict[str, Any]) -> None:
    path = put_flame(values)
    save_head(toy_head(), models_folder() / "mine.npz")
    _, out, _ = run("list")
    rows = [line.split() for line in out.splitlines()[:3]]
    assert [row[0] for row in rows] == ["builtin", "generic_model", "mine"]
    assert rows[1][1:] == ["FLAME", str(path)]


def rows_of(out: str) -> dict[str, str]:
    return {label: text.strip() for label, _, text in (line.partition(" ") for line in out.splitlines())}


def test_info_of_the_built_in_head(run: Run) -> None:
    code, out, _ = run("info", "builtin")
    rows = rows_of(out)
    assert code == 0
    assert rows["kind"] == "built-in head"
    assert rows["name"].startswith("Mien")
    assert "vertices" in rows["mesh"]
    assert "browDownLeft" in out or "eyeBlinkLeft" in out
    assert len(rows["sha256"]) == 64


def test_info_of_flame_says_what_is_missing_and_where_it_is(run: Run, values: dict[str, Any]) -> None:
    path = put_flame(values)
    code, out, _ = run("info", "generic_model")
    rows = rows_of(out)
    assert code == 0
    assert rows["name"] == "FLAME 2020"
    assert rows["mesh"] == "5023 vertices, 9976 triangles"
    assert "non-commercial" in rows["licence"]
    assert out.count("missing") == 6
    assert "mediapipe_landmark_embedding.npz: 105 landmarks" in out
    assert "flame.is.tue.mpg.de" in out
    assert "hardly close the eyes" in rows["note"]
    write_companions(path.parent, values)
    _, out, _ = run("info", path)
    assert rows_of(out)["missing"] == "nothing"
    assert "hardly close" not in out
    assert rows_of(out)["expression"] == "100 modes, eyelidLeft, eyelidRight"


def test_info_of_ict_says_what_is_missing(run: Run, shared_dir: Path) -> None:
    sample = shared_dir / "ict_facekit_sample"
    if not sample.is_dir():
        pytest.skip("needs the sample of ICT-FaceKit beside the checkout")
    code, out, _ = run("info", sample)
    rows = rows_of(out)
    assert code == 0
    assert rows["identity"] == "5 modes of 100"
    assert rows["licence"].startswith("MIT")
    assert rows["missing"].startswith("139 files: ")
    assert rows["missing"].endswith("; `mien heads get ict`")


def test_info_of_a_mesh_says_what_to_do(run: Run, tmp_path: Path) -> None:
    (tmp_path / "scan.obj").write_text("v 0 0 0\nv 20 0 0\nv 0 30 10\nf 1 2 3\n")
    _, out, _ = run("info", "scan.obj")
    rows = rows_of(out)
    assert rows["mesh"] == "3 vertices, 1 triangles"
    assert rows["size"].startswith("20 x 30 x 10")
    assert "`mien heads import scan.obj -o head.npz`" in rows["missing"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("info", "nothing"), "expected a head's file or one of builtin; got 'nothing'"),
        (("info", "text.txt"), "expected a head"),
        (("get", "flume"), "expected ict, face-landmarker or flame, got 'flume'"),
        (("import", "builtin", "-o", "head.pkl"), "expected a name that ends in .npz"),
        (("import", "builtin", "-o", "none/head.npz"), "expected an existing folder"),
        (("import", "none.obj", "-o", "head.npz"), "got 'none.obj'"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(run: Run, tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    (tmp_path / "text.txt").write_text("hello")
    code, out, err = run(*words)
    assert code == 2
    assert out == ""
    assert err.startswith("mien: ")
    assert says in err
    assert err.count("\n") == 1


def test_import_writes_a_head_of_our_own(run: Run, values: dict[str, Any], tmp_path: Path) -> None:
    write_companions(put_flame(values).parent, values, landmarks=478)
    code, out, _ = run("import", "generic_model", "-o", "head.npz")
    assert code == 0
    assert out == "head.npz: FLAME 2020, 300 modes of identity, 102 of expression\n"
    head = read_head(tmp_path / "head.npz")
    assert head.name == "FLAME 2020"
    assert np.abs(head.template.numpy() - values["v_template"]).max() < 1e-7
    assert rows_of(run("info", "head.npz")[1])["kind"] == "head saved by Mien"


def test_get_flame_says_the_steps(run: Run) -> None:
    code, out, _ = run("get", "flame")
    assert code == 0
    assert "https://flame.is.tue.mpg.de" in out
    assert str(models_folder()) in out
    assert "do not transfer" in out


def test_get_offline_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(downloads, "PAUSE_S", 0.01)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(heads.get_landmarker, "__defaults__", ("http://127.0.0.1:9",))  # nobody listens there
    code, out, err = run("get", "face-landmarker")
    assert code == 2
    assert out == ""
    lines = [line for line in err.splitlines() if not line.startswith("downloading")]
    assert len(lines) == 1
    assert lines[0].startswith("mien: cannot reach 127.0.0.1:9 (")


def test_an_answer_does_not_wait_for_the_detector() -> None:
    """Listing heads must not import what takes seconds and is not needed."""
    program = "import sys, tracker.jobs.heads; print([n for n in ('mediapipe', 'numba', 'cv2') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
