"""A panel for photographs of your own: choose a file, see it segmented."""

import html
import time
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np

from ..data.images import SUFFIXES, read_photo
from ..errors import SeglibError
from ..evaluation.predictor import Predictor, checked_image
from ..records import Record
from .packing import reduced_size, widget_bundle
from .viewer import SceneView, SceneViewer

SHOWN_SIDE = 1600  # pixels of the longer side as shown; all pixels are segmented
NAME_LENGTH = 60  # characters of a file name that a message shows
# Jupyter's server closes the connection when a message is larger than 10 MiB.
HINT = "JPEG, PNG, WebP, TIFF or BMP, upright or not, up to 10 MB"


class PhotoPanel(ipywidgets.VBox):
    """An upload button, one line that says what happened, and the viewer of the segmented photo."""

    _ipython_display_ = None  # ipywidgets 7 would bypass the picture of `_repr_mimebundle_`

    def __init__(
        self, source: Record | Predictor, photo: Path | str | bytes | np.ndarray | None = None, *,
        name: str | None = None, max_side: int = SHOWN_SIDE,
    ) -> None:
        """Make the panel; a recorded run's network is loaded when the first photograph comes.

        `photo`: shown at first and in the static picture: a file, its bytes, or uint8 RGB
        (H, W, 3); `ImageError` where it can't be read. `name`: what messages call the network;
        None is the run's id. `max_side`: pixels of the longer side as shown.
        """
        self._source, self._max_side = source, max_side
        self._name = name or (source.id if isinstance(source, Record) else "network")
        self.viewer: SceneViewer | None = None
        self.upload = ipywidgets.FileUpload(
            accept=",".join(sorted(SUFFIXES)), multiple=False, description="Choose a photograph",
            layout=ipywidgets.Layout(width="auto"),
        )
        self.upload.observe(self._receive, "value")
        self.status = ipywidgets.HTML()
        self._say(HINT)
        centred = ipywidgets.Layout(align_items="center")
        super().__init__([ipywidgets.HBox([self.upload, self.status], layout=centred)])
        if photo is not None:
            self.segment(photo)

    def segment(self, photo: Path | str | bytes | np.ndarray, name: str | None = None) -> None:
        """Segment and show a photograph of any size, as for the panel itself, under this name."""
        name = name or (Path(photo).name if isinstance(photo, Path | str) else "photograph")
        is_file = isinstance(photo, (Path, str, bytes))
        image = read_photo(photo, name) if is_file else checked_image(photo, name)
        height, width = image.shape[:2]
        self._say(f"Segmenting {_short(name)} ({width}×{height}) …")
        begin = time.perf_counter()
        if isinstance(self._source, Record):
            self._source = Predictor.from_record(self._source)
        prediction = self._source(image, confidence=True)
        seconds = time.perf_counter() - begin
        scenes, predictions = [SceneView(name, image)], {self._name: {name: prediction}}
        if self.viewer is None:
            classes = self._source.class_set
            self.viewer = SceneViewer(scenes, classes, predictions, max_side=self._max_side)
            self.children = (*self.children, self.viewer)
        else:
            self.viewer.show(scenes, predictions)
        shown = reduced_size((height, width), self._max_side)
        reduced = "" if shown == (height, width) else f", shown at {shown[1]}×{shown[0]}"
        self._say(f"{_short(name)}: {width}×{height} pixels segmented in {seconds:.1f} s{reduced}")

    def _receive(self, change: dict[str, Any]) -> None:
        files = uploaded_files(change["new"])
        if not files:
            return  # our own clearing
        name, content = files[-1]
        self.upload.disabled = True
        try:
            self.segment(content, name)
        except SeglibError as problem:
            self._say(str(problem), wrong=True)
        except Exception as problem:  # a callback's traceback would vanish in the browser's log
            reason = " ".join(str(problem).split())[:160] or type(problem).__name__
            self._say(f"{_short(name)}: cannot be segmented ({reason})", wrong=True)
        finally:
            self.upload.disabled = False
            self._clear()

    def _clear(self) -> None:
        """Forget the uploaded bytes, so that the same file can be chosen again."""
        if isinstance(self.upload.value, dict):  # ipywidgets 7
            self.upload.metadata, self.upload.data = [], []
            self.upload._counter = 0
        else:
            self.upload.value = ()

    def _say(self, line: str, wrong: bool = False) -> None:
        color, role, mark = "inherit", "status", ""
        if wrong:
            color, role, mark = "var(--jp-error-color1, #c62828)", "alert", "⚠ "
        # The text is escaped because file names may hold markup.
        self.status.value = (
            f'<span role="{role}" style="color: {color}; margin-left: 8px">'
            f"{mark}{html.escape(line)}</span>"
        )

    def __repr__(self) -> str:
        return f"PhotoPanel({self._name})"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        if self.viewer is None:
            return widget_bundle(self, None)
        _, metadata = self.viewer._repr_mimebundle_(**kwargs)
        return widget_bundle(self, self.viewer.picture(), metadata)


def uploaded_files(value: Any) -> list[tuple[str, bytes]]:
    """Names and contents in a `FileUpload`'s value: a dict in ipywidgets 7, a tuple from 8 on."""
    if isinstance(value, dict):
        return [(name, bytes(entry["content"])) for name, entry in value.items()]
    return [(entry["name"], bytes(entry["content"])) for entry in value]


def _short(name: str) -> str:
    return name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…"
