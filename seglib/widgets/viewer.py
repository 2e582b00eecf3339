"""The overlay viewer: photographs under their label maps, blended and explored in the browser."""

import html
import io
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import anywidget
import matplotlib.pyplot as plt
import numpy as np
import traitlets

from .. import plots
from ..data.images import checked_image, resize_image, resize_mask
from ..errors import ConfigError
from ..evaluation.metrics import confusion_matrix, iou_per_class, mean_iou
from ..files import atomic_path
from ..labels import IGNORE_INDEX, ClassSet
from . import packing
from .packing import base64_text, browser_part, pack_map, pack_photo, reduced_size, widget_bundle

SCRIPTS = "maps layers scenes picture controls steering saving overview viewer".split()
VIEWS = ("prediction", "truth", "errors", "confidence", "comparison")
SORTS = ("name", "miou", "iou", "difference", "confusion")
MAX_SIDE = 1024  # pixels: beyond it screens show nothing more and redrawing gets slow
NAMED = 6  # models that the text form names
PICTURE_SIDE = 640  # pixels of each picture in the static fallback

Predictions = Mapping[str, Mapping[str, np.ndarray | tuple]]  # by model, then by scene


class SceneView(NamedTuple):
    """A scene to look at: its name, uint8 RGB (H, W, 3), class indices uint8 (H, W) or None."""

    name: str
    image: np.ndarray
    truth: np.ndarray | None = None


class SceneViewer(anywidget.AnyWidget):
    """Scenes with truth and predictions, held in the browser once they are sent.

    The attributes `scene` (position), `model` (name), `against` (the name of a second model, or
    empty), `view`, `arrangement`, `chosen` (class index whose errors are told, or -1), `drawing`,
    `opacity` (0 to 1), `brightness`, `contrast`, `hidden` (class indices), `divider` (0 to 1),
    `numbers`, `overview` and `sort` follow what the reader does and can be set, or linked to other
    widgets; blending, classes and hovering never ask the kernel.
    """

    _esm = browser_part(*SCRIPTS)
    _css = browser_part("viewer.css")
    _ipython_display_ = None  # ipywidgets 7 would bypass the picture of `_repr_mimebundle_`
    still = None  # the handle of the picture that a saved notebook shows, once there is one

    scene = traitlets.Int(0).tag(sync=True)
    model = traitlets.Unicode("").tag(sync=True)
    against = traitlets.Unicode("").tag(sync=True)
    view = traitlets.Enum(VIEWS, VIEWS[0]).tag(sync=True)
    arrangement = traitlets.Enum(("single", "swipe", "two"), "single").tag(sync=True)
    chosen = traitlets.Int(-1).tag(sync=True)
    drawing = traitlets.Enum(("fill", "outline"), "fill").tag(sync=True)
    opacity = traitlets.Float(0.55, min=0.0, max=1.0).tag(sync=True)
    brightness = traitlets.Float(1.0, min=0.2, max=3.0).tag(sync=True)
    contrast = traitlets.Float(1.0, min=0.2, max=3.0).tag(sync=True)
    hidden = traitlets.List(traitlets.Int()).tag(sync=True)
    divider = traitlets.Float(0.5, min=0.0, max=1.0).tag(sync=True)
    numbers = traitlets.Bool(False).tag(sync=True)
    overview = traitlets.Bool(False).tag(sync=True)
    sort = traitlets.Enum(SORTS, SORTS[0]).tag(sync=True)
    pair = traitlets.List(traitlets.Int()).tag(sync=True)  # a true class and what it is taken for
    _still = traitlets.Unicode("").tag(sync=True)  # the id of the widget that is displayed
    _classes = traitlets.List().tag(sync=True)
    _models = traitlets.List().tag(sync=True)
    _scenes = traitlets.List().tag(sync=True)

    def __init__(
        self, scenes: Iterable[SceneView | Sequence[Any]], class_set: ClassSet,
        predictions: Predictions | None = None, *, max_side: int = MAX_SIDE,
    ) -> None:
        """Send scenes and predictions to the browser.

        `scenes`: `SceneView`s, or tuples (name, image, truth); truth may be missing. `predictions`:
        model → scene → class indices uint8 (H, W), alone or with their probability (`Prediction`);
        a model need not have every scene. `max_side`: pixels of the longer side as shown; scores
        are computed before. Raises ConfigError for no scene, two of one name, a map of another size
        than its image, or a class index outside the set; ImageError for other arrays than RGB.
        """
        self.class_set, self._max_side = class_set, max_side
        classes = [{"name": x.name, "color": x.color, "id": x.id} for x in class_set.labels]
        super().__init__(_classes=classes)
        self.on_msg(self._answer)
        self.show(scenes, predictions)

    def show(
        self, scenes: Iterable[SceneView | Sequence[Any]], predictions: Predictions | None = None
    ) -> None:
        """Replace what is shown; arguments and errors as for the viewer itself."""
        views = [SceneView(*scene) for scene in scenes]
        if not views:
            raise ConfigError("the viewer was given no scene")
        names = [view.name for view in views]
        if repeated := [name for name in names if names.count(name) > 1]:
            raise ConfigError(f"two scenes are called {repeated[0]!r}")
        predictions = {
            model: {name: (labels, None) if isinstance(labels, np.ndarray) else labels
                    for name, labels in by_scene.items()}
            for model, by_scene in (predictions or {}).items()
        }
        for model, by_scene in predictions.items():
            if unknown := [name for name in by_scene if name not in names]:
                raise ConfigError(f"{model!r} has a prediction for an unknown scene {unknown[0]!r}")
        packed = [self._pack(view, predictions) for view in views]
        self._kept = {  # what `picture` and `_answer` take, with predictions by model
            view.name: (view, {m: f[view.name] for m, f in predictions.items() if view.name in f})
            for view, each in zip(views, packed, strict=True) if each["reduced"] or view is views[0]
        }
        with self.hold_sync():
            self._models = list(predictions)
            self._scenes = packed
            self.scene = 0
            self.model = next(iter(predictions), "")
        if self.still is not None:
            self.still.update(packing.still(self, self.picture()), raw=True)

    def show_confusion(self, true_class: str, taken_for: str) -> None:
        """List the scenes behind a cell of the confusion matrix, those with most pixels first."""
        self.pair = [self.class_set.index(true_class), self.class_set.index(taken_for)]
        self.chosen, self.view, self.sort, self.overview = self.pair[0], "errors", SORTS[-1], True

    def _pack(self, view: SceneView, predictions: Predictions) -> dict[str, Any]:
        """A scene as the browser takes it, with the scores of its predictions."""
        name, image, truth = view
        checked_image(image, f"scene {name!r}")
        size = reduced_size(image.shape[:2], self._max_side)
        if truth is not None:
            self._check(f"truth of scene {name!r}", image, truth, IGNORE_INDEX)
        models: list[dict[str, Any] | None] = []
        for model, by_scene in predictions.items():
            if name not in by_scene:
                models.append(None)
                continue
            indices, confidence = by_scene[name]
            self._check(f"prediction of {model!r} for scene {name!r}", image, indices)
            models.append(entry := {"labels": pack_map(indices, size), "miou": None, "iou": []})
            if confidence is not None:
                _check_shape(f"confidence of {model!r} for scene {name!r}", image, confidence)
                entry["confidence"] = pack_map(confidence, size)
            if truth is not None:
                confusion = confusion_matrix(truth, indices, self.class_set.num_classes)
                scores = np.round([*iou_per_class(confusion), mean_iou(confusion)], 6).tolist()
                *entry["iou"], entry["miou"] = (None if x != x else x for x in scores)
                entry["confusion"] = zlib.compress(confusion.astype("<u4").tobytes())
        return {
            "name": name, "height": size[0], "width": size[1], "photo": pack_photo(image, size),
            "reduced": size != image.shape[:2],  # what is saved is asked for again
            "truth": None if truth is None else pack_map(truth, size), "models": models,
        }

    def _answer(self, _: Any, content: dict[str, Any], buffers: list[Any]) -> None:
        """Send a scene at its own size, with truth and models' predictions, to be saved."""
        if content["scene"] not in self._kept:  # it has been replaced
            return
        (_, image, truth), predictions = self._kept[content["scene"]]
        found = [predictions.get(model, (None, None)) for model in content["models"]]
        size, maps = image.shape[:2], [truth, *chain.from_iterable(found)]
        packed = [b"" if x is None else pack_map(x, size) for x in maps]
        answer = {"request": content["request"], "height": size[0], "width": size[1]}
        self.send(answer, [pack_photo(image, size), *packed])

    def _check(self, where: str, image: np.ndarray, labels: np.ndarray, *extra: int) -> None:
        if labels.dtype != np.uint8:
            raise ConfigError(f"{where}: expected uint8 class indices, got {labels.dtype}")
        _check_shape(where, image, labels)
        classes = self.class_set.num_classes
        if wrong := [i for i in np.unique(labels).tolist() if i >= classes and i not in extra]:
            known = f"{self.class_set.name} (0..{classes - 1})"
            raise ConfigError(f"{where}: class index {wrong[0]} is not in {known}")

    def picture(self) -> bytes:
        """A PNG of the first scene for readers without a kernel."""
        (_, image, truth), predictions = next(iter(self._kept.values()))
        size = reduced_size(image.shape[:2], PICTURE_SIDE)
        masks = {"truth": truth, "prediction": next(iter(predictions.values()), [None])[0]}
        parts = {"image": resize_image(image, size)} | {
            title: resize_mask(mask, size) for title, mask in masks.items() if mask is not None
        }
        shown = list(parts.values())
        figure = (
            plots.predictions(*([part] for part in shown), self.class_set) if len(shown) == 3
            else plots.label_pictures(shown, list(parts), self.class_set, columns=2)
        )
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=150)
        plt.close(figure)  # else the notebook would show it a second time
        return plots.encoded_picture(buffer)

    def write_page(self, path: Path, title: str) -> None:
        """Write the viewer, below a title, as one HTML file that needs no server or kernel."""
        own = self.get_state(SceneViewer.class_own_traits(sync=True))
        state = json.dumps(own, default=lambda x: {"base64": base64_text(x)})
        page = Template(browser_part("page.html")).substitute(
            title=html.escape(title), style=browser_part("viewer.css"),
            state=state.replace("<", "\\u003c"), script=browser_part(*SCRIPTS, "page"),
        )
        with atomic_path(path) as temporary:
            temporary.write_text(page, encoding="utf-8", newline="\n")

    def __repr__(self) -> str:
        count, more = len(self._scenes), " …" * (len(self._models) > NAMED)
        models = ", predictions of " * bool(self._models) + ", ".join(self._models[:NAMED]) + more
        return f"SceneViewer({count} scene{'s' * (count > 1)}, {self.class_set.name}{models})"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        _, metadata = super()._repr_mimebundle_(**kwargs)  # Colab's loader of custom widgets
        self._still = self.model_id
        return widget_bundle(self, self.picture(), metadata)


def _check_shape(where: str, image: np.ndarray, values: np.ndarray) -> None:
    if values.shape != image.shape[:2]:
        raise ConfigError(f"{where}: shape {values.shape}, the image has {image.shape[:2]}")
