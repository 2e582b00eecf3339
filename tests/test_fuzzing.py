"""Damaged and hostile files of every kind we read: a result or one line, never a traceback.

Each file starts as a good one, of which bytes are then changed, cut out or put in, so that damage
reaches beyond the first check. What is found once stays as an `@example`.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from edits import edited
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from photographs import encoded, noise
from PIL import Image
from safetensors.torch import save

from seglib.config import RunConfig
from seglib.data.images import read_instance_ids, read_label_ids, read_photo
from seglib.errors import SeglibError
from seglib.evaluation.predictor import Predictor
from seglib.labels import CAMVID_11
from seglib.records import Record, save_record
from seglib.training.checkpoints import KEYS, checkpoint_folder, load_checkpoint, save_checkpoint
from seglib.widgets import PhotoPanel
from study.plan import load_study

pytestmark = pytest.mark.filterwarnings("ignore")  # of damaged pictures, by the libraries
EXAMPLES = settings(deadline=None, max_examples=80, suppress_health_check=[
    HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

# Where, as a share of the file; how many bytes go; what comes instead.
CHANGES = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 8), st.binary(max_size=8)), min_size=1, max_size=4
)


def damaged(content: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    for place, length, instead in changes:
        start = int(place * len(content))
        content = content[:start] + instead + content[start + length :]
    return content


def works_or_is_one_line(read: Callable[[], object], name: str) -> None:
    """`read` returns, or raises an error of ours with one short line that names the file."""
    try:
        read()
    except SeglibError as problem:
        assert len(str(problem).splitlines()) == 1, str(problem)
        assert name in str(problem) and len(str(problem)) < 1000


# --- masks and photographs of a dataset ----------------------------------------------------------


RANDOM = np.random.default_rng(0)
MASKS = {
    "labelIds": encoded(RANDOM.integers(0, 34, (24, 40), np.uint8)),
    "stored": encoded(RANDOM.integers(0, 34, (24, 40), np.uint8), compress_level=0),
    "instanceIds": encoded(RANDOM.integers(0, 33999, (24, 40), np.uint16)),
    "color": encoded(RANDOM.integers(0, 256, (24, 40, 4), np.uint8)),
}


@pytest.mark.parametrize("read", [read_label_ids, read_instance_ids, read_photo])
@EXAMPLES
@given(kind=st.sampled_from(sorted(MASKS)), changes=CHANGES)
def test_any_mask_file(tmp_path: Path, read, kind: str, changes) -> None:
    path = tmp_path / "scene_mask.png"
    path.write_bytes(damaged(MASKS[kind], changes))
    works_or_is_one_line(lambda: read(path), path.name)


# --- uploads -------------------------------------------------------------------------------------


TURNED = Image.Exif()
TURNED[0x0112] = 6  # by the camera
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
PHOTOS = {format: encoded(noise(20, 24), format, exif=TURNED) for format in FORMATS}


class Plain(torch.nn.Module):
    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return batch.repeat(1, 4, 1, 1)[:, : CAMVID_11.num_classes]


@EXAMPLES
@given(
    name=st.text(min_size=1, max_size=80),
    content=st.binary(max_size=40)
    | st.builds(damaged, st.sampled_from(sorted(PHOTOS.values())), CHANGES),
)
@example("<img src=x onerror=alert(1)>.jpg", b"")
@example("a\nb\r.jpg", b"PK\x03\x04")
def test_any_upload(name: str, content: bytes) -> None:
    made = PhotoPanel(Predictor(Plain(), CAMVID_11))
    made._receive(None, {"name": name, "ticket": 1, "position": 0, "count": 1}, [content])
    told = made.input.told
    assert told["line"] and not told["busy"]
    assert "cannot be segmented" not in told["line"]  # as an error is told that nobody foresaw
    assert told["wrong"] == (made.viewer is None)


# --- configs, plans, weights, checkpoints --------------------------------------------------------


@pytest.fixture
def record(seglib_home: Path) -> Record:
    config = RunConfig(model="fcn", width=4, image_size=(32, 64))
    return save_record(config, history=[], scores={}, environment={}, state=None, predictions={})


PLAN = (Path(load_study.__code__.co_filename).parent / "plan.toml").read_bytes()


@EXAMPLES
@given(changes=CHANGES)
def test_any_plan(tmp_path: Path, seglib_home: Path, changes) -> None:
    path = tmp_path / "plan.toml"
    path.write_bytes(damaged(PLAN, changes))
    works_or_is_one_line(lambda: load_study(plan=path), path.name)


@EXAMPLES
@given(changes=CHANGES)
@example([(0.0, 8, b"\xff\xff\xff\xff\xff\xff\xff\x7f")])
def test_any_weights_file(record: Record, changes) -> None:
    content = damaged(save({"weight": torch.arange(6.0)}), changes)
    works_or_is_one_line(edited(record, "weights.safetensors", content).weights, record.id)


@EXAMPLES
@given(changes=CHANGES)
def test_any_checkpoint_file(seglib_home: Path, changes) -> None:
    for epoch in (1, 2):
        save_checkpoint("run", dict.fromkeys(KEYS, torch.arange(6.0)) | {"next_epoch": epoch})
    path = checkpoint_folder("run") / "last.ckpt"
    content = path.read_bytes()
    path.write_bytes(damaged(content, changes))
    state, passed_over = load_checkpoint("run")
    whole = path.read_bytes() == content
    assert state["next_epoch"] == (2 if whole else 1)
    assert len(passed_over) == (not whole)
    assert all(" is passed over: it is damaged: " in line for line in passed_over)
