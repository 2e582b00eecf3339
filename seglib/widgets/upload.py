"""A panel for photographs of your own: choose, drop or paste them, see them segmented."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import numpy as np
import traitlets
from IPython.display import DisplayHandle

from ..data.images import checked_image, read_photo
from ..data.tree import list_scenes
from ..errors import ImageError, SeglibError
from ..evaluation.predictor import Prediction, Predictor
from ..records import Record, best_record
from ..text import DATASET_NAMES, network_name
from .packing import browser_part, reduced_size, still, widget_bundle
from .viewer import SceneView, SceneViewer

SHOWN_SIDE = 1600  # pixels of the longer side as shown; all pixels are segmented
Photo = Path | str | bytes | np.ndarray


class PhotoInput(anywidget.AnyWidget):
    """Where photographs come in, each in a message of at most the 10 MiB that Jupyter takes."""

    _esm = browser_part("controls", "steering", "upload")
    _css = browser_part("viewer.css")

    told = traitlets.Dict({"line": ""}).tag(sync=True)  # and whether it is "wrong", or "busy"
    example = traitlets.Unicode("").tag(sync=True)  # the name of a scene to start from
    _still = traitlets.Unicode("").tag(sync=True)


class PhotoPanel(ipywidgets.VBox):
    """A place for photographs, one line that says what happened, and the viewer over them."""

    _ipython_display_ = None  # ipywidgets 7 would bypass the picture of `_repr_mimebundle_`

    def __init__(
        self, source: Record | Predictor | None = None, photo: Photo | None = None, *,
        max_side: int = SHOWN_SIDE,
    ) -> None:
        """Make the panel; a recorded run's network is loaded when the first photograph comes.

        `source`: None is the best recorded network, of real photographs where there is one, or
        RecordError. `photo`: shown at first and in the static picture: a file, its bytes, or uint8
        RGB (H, W, 3); `ImageError` where it can't be read. `max_side`: pixels of the longer side.
        """
        self._source, self._max_side = source or best_record(), max_side
        self._name, self._example = "network", None
        if isinstance(self._source, Record):
            config = self._source.config
            self._name = f"{network_name(config)}, {DATASET_NAMES[config.dataset]}"
            with suppress(SeglibError):  # a scene of its dataset, if that is here
                self._example = list_scenes(self._source.dataset.root(), "val")[0]
        self._shown: dict[str, tuple[np.ndarray, Prediction]] = {}  # of the last choice
        self.viewer: SceneViewer | None = None
        self.still: DisplayHandle | None = None  # of the picture that a saved notebook shows
        self.input = PhotoInput(example=self._example.name if self._example else "")
        self.input.on_msg(self._receive)
        super().__init__([self.input])
        self.add_class("seglib-photos")
        if photo is not None:
            self.segment(photo)

    def segment(self, photo: Photo, name: str | None = None) -> None:
        """Segment and show a photograph of any size, as for the panel itself, under this name."""
        name = name or (Path(photo).name if isinstance(photo, Path | str) else "photograph")
        self._shown = {}
        line = self._segment(photo, name)
        self._show()
        self._say(line)

    def _segment(self, photo: Photo, name: str, note: str = "") -> str:
        """Add a photograph to those to be shown, and tell of it, with a `note`."""
        read = read_photo if isinstance(photo, Path | str | bytes) else checked_image
        image = read(photo, name)
        height, width = image.shape[:2]
        begin = time.perf_counter()
        if isinstance(self._source, Record):
            self._source = Predictor.from_record(self._source)
        prediction = self._source(image, confidence=True)
        line = f"{name}: {width}×{height} pixels segmented in {time.perf_counter() - begin:.1f} s"
        shown = reduced_size((height, width), self._max_side)
        line += note + ("" if shown == (height, width) else f", shown at {shown[1]}×{shown[0]}")
        while name in self._shown:  # as pasted pictures are, all called image.png
            name += " (again)"
        self._shown[name] = image, prediction
        return line

    def _show(self) -> None:
        scenes = [SceneView(name, image) for name, (image, _) in self._shown.items()]
        predictions = {self._name: {name: found for name, (_, found) in self._shown.items()}}
        if self.viewer:
            self.viewer.show(scenes, predictions)
        else:
            classes, side = self._source.class_set, self._max_side
            self.viewer = SceneViewer(scenes, classes, predictions, max_side=side)
            self.children = (*self.children, self.viewer)
        if self.still is not None:
            self.still.update(still(self, self.viewer.picture()), raw=True)

    def _receive(self, _: Any, content: dict[str, Any], buffers: list[Any]) -> None:
        """Segment one photograph, of a choice of several, or without bytes the example."""
        name, ticket, position, count = map(content.get, ("name", "ticket", "position", "count"))
        place = f"{position + 1} of {count}: " if count > 1 else ""
        self.input.send({"ticket": ticket, "state": "heard"})
        if position == 0:
            self._shown, self._failed = {}, []
        try:
            if reason := content.get("failed"):  # already in the browser
                raise ImageError(f"{name}: {reason}")
            photo = bytes(buffers[0]) if buffers else self._example.image
            self._say(f"Segmenting {place}{name} …", busy=True)
            line = self._segment(photo, name, content.get("note", ""))
            if len(self._shown) == 1:
                self._show()
        except Exception as problem:  # a callback's traceback would vanish in the browser's log
            reason = " ".join(str(problem).split())[:160] or type(problem).__name__
            known = isinstance(problem, SeglibError)
            self._failed.append(reason if known else f"{name}: cannot be segmented ({reason})")
        if position == count - 1:
            if len(self._shown) > 1:
                self._show()
                line = f"{len(self._shown)} photographs segmented"
            if self._failed:
                more = f"; {len(self._failed) - 1} more failed" if self._failed[1:] else ""
                line = self._failed[0] + more
            self._say(line, wrong=bool(self._failed))
        self.input.send({"ticket": ticket, "state": "done"})

    def _say(self, line: str, wrong: bool = False, busy: bool = False) -> None:
        self.input.told = {"line": line, "wrong": wrong, "busy": busy}

    def __repr__(self) -> str:
        return f"PhotoPanel({self._name})"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        self.input._still = self.model_id
        _, metadata = self.input._repr_mimebundle_(**kwargs)
        return widget_bundle(self, self.viewer and self.viewer.picture(), metadata)
