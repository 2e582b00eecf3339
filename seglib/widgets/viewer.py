"""The overlay viewer: photographs under their label maps, blended and explored in the browser."""

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import anywidget
import matplotlib.pyplot as plt
import numpy as np
import traitlets

from .. import plots
from ..data.cache import resize_image, resize_mask
from ..errors import ConfigError, choose
from ..evaluation.metrics import confusion_matrix, iou_per_class, mean_iou
from ..evaluation.predictor import Prediction
from ..labels import IGNORE_INDEX, ClassSet
from .packing import browser_part, json_numbers, pack_map, pack_photo, reduced_size, widget_bundle

SCRIPTS = (
    "maps.js", "scenes.js", "picture.js", "controls.js", "steering.js", "saving.js", "viewer.js",
)
MAX_SIDE = 1024  # pixels: beyond it screens show nothing more and redrawing gets slow
NAMED = 6  # models that the text form names
PICTURE_SIDE = 640  # pixels of each picture in the static fallback

Labels = np.ndarray | Prediction | tuple[np.ndarray, np.ndarray | None]
Predictions = Mapping[str, Mapping[str, Labels]]  # by model, then by scene


class SceneView(NamedTuple):
    """A scene to look at: its name, uint8 RGB (H, W, 3), class indices uint8 (H, W) or None."""

    name: str
    image: np.ndarray
    truth: np.ndarray | None = None


class SceneViewer(anywidget.AnyWidget):
    """Scenes with truth and predictions, held in the browser once they are sent.

    The attributes `scene` (position), `model` (name), `view`, `drawing`, `opacity` (0 to 1),
    `hidden` (class indices), `divider` (0 to 1) and `numbers` follow what the reader does and can
    be set, or linked to other widgets; blending, classes and hovering never ask the kernel.
    """

    _esm = browser_part(*SCRIPTS)
    _css = browser_part("viewer.css")
    _ipython_display_ = None  # ipywidgets 7 would bypass the picture of `_repr_mimebundle_`

    scene = traitlets.Int(0).tag(sync=True)
    model = traitlets.Unicode("").tag(sync=True)
    view = traitlets.Enum(("prediction", "truth", "swipe", "errors"), "prediction").tag(sync=True)
    drawing = traitlets.Enum(("fill", "outline"), "fill").tag(sync=True)
    opacity = traitlets.Float(0.55, min=0.0, max=1.0).tag(sync=True)
    hidden = traitlets.List(traitlets.Int()).tag(sync=True)
    divider = traitlets.Float(0.5, min=0.0, max=1.0).tag(sync=True)
    numbers = traitlets.Bool(False).tag(sync=True)
    _still = traitlets.Unicode("").tag(sync=True)  # the id of the widget that is displayed
    _classes = traitlets.List().tag(sync=True)
    _models = traitlets.List().tag(sync=True)
    _scenes = traitlets.List().tag(sync=True)

    def __init__(
        self, scenes: Iterable[SceneView | Sequence[Any]], class_set: ClassSet,
        predictions: Predictions | None = None, *, max_side: int = MAX_SIDE,
        photo_format: str = "jpeg", **traits: Any,
    ) -> None:
        """Send scenes and predictions to the browser.

        `scenes`: `SceneView`s, or tuples (name, image, truth); truth may be missing. `predictions`:
        model → scene → class indices uint8 (H, W), or a `Prediction`; a model need not have every
        scene. `max_side`: pixels of the longer side as shown; scores are computed before.
        `photo_format`: "jpeg", or "png" for photographs that must not change by a bit. `traits`:
        first values of the attributes, as `opacity=0.3`. Raises ConfigError for no scene, two of
        one name, a map of another size than its image, or a class index outside the set.
        """
        choose("photo format", photo_format, ("jpeg", "png"))
        self.class_set = class_set
        self._options = (max_side, photo_format)
        classes = [{"name": x.name, "color": x.color, "id": x.id} for x in class_set.labels]
        super().__init__(_classes=classes)
        self.on_msg(self._answer)
        self.show(scenes, predictions)
        for name, value in traits.items():
            if name not in self.trait_names(sync=True):
                raise ConfigError(f"the viewer has no attribute {name!r}")
            setattr(self, name, value)

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
            model: {name: _prediction(labels) for name, labels in by_scene.items()}
            for model, by_scene in (predictions or {}).items()
        }
        for model, by_scene in predictions.items():
            if unknown := [name for name in by_scene if name not in names]:
                raise ConfigError(f"{model!r} has a prediction for an unknown scene {unknown[0]!r}")
        packed = [self._pack(view, predictions) for view in views]
        self._views, self._predictions = views, predictions
        self._picture: bytes | None = None
        with self.hold_sync():
            self._models = list(predictions)
            self._scenes = packed
            self.scene = 0
            self.model = next(iter(predictions), "")

    def _pack(self, view: SceneView, predictions: Predictions) -> dict[str, Any]:
        """A scene as the browser takes it, with the scores of its predictions."""
        max_side, photo_format = self._options
        name, image, truth = view
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            got = f"{image.dtype} {image.shape}"
            raise ConfigError(f"scene {name!r}: expected uint8 RGB (H, W, 3), got {got}")
        size = reduced_size(image.shape[:2], max_side)
        if truth is not None:
            self._check(truth, image, f"truth of scene {name!r}", IGNORE_INDEX)
        models: list[dict[str, Any] | None] = [None] * len(predictions)
        for place, (model, by_scene) in enumerate(predictions.items()):
            if name not in by_scene:
                continue
            indices, confidence = by_scene[name]
            where = f"prediction of {model!r} for scene {name!r}"
            self._check(indices, image, where)
            models[place] = entry = {"labels": pack_map(indices, size), "miou": None, "iou": []}
            if confidence is not None:
                if confidence.shape != indices.shape:
                    shapes = f"confidence has shape {confidence.shape}, labels {indices.shape}"
                    raise ConfigError(f"{where}: {shapes}")
                entry["confidence"] = pack_map(confidence, size)
            if truth is not None:
                confusion = confusion_matrix(truth, indices, self.class_set.num_classes)
                scores = [*iou_per_class(confusion), mean_iou(confusion)]
                *entry["iou"], entry["miou"] = json_numbers(scores)
        photo = {"photo": pack_photo(image, size, photo_format), "kind": f"image/{photo_format}"}
        truth = None if truth is None else pack_map(truth, size)
        where = {"name": name, "height": size[0], "width": size[1]}
        where["reduced"] = size != image.shape[:2]  # what is saved is asked for again
        return {**where, **photo, "truth": truth, "models": models}

    def _answer(self, _: Any, content: dict[str, Any], buffers: list[Any]) -> None:
        """Send a scene at its own size, with truth and one model's prediction, to be saved."""
        name, image, truth = self._views[content["scene"]]
        guess = self._predictions.get(content["model"], {}).get(name, Prediction(None))
        size = image.shape[:2]
        maps = [b"" if x is None else pack_map(x, size) for x in (truth, guess.indices)]
        answer = {"request": content["request"], "height": size[0], "width": size[1]}
        self.send(answer, [pack_photo(image, size, self._options[1]), *maps])

    def _check(self, labels: np.ndarray, image: np.ndarray, where: str, *extra: int) -> None:
        if labels.dtype != np.uint8:
            raise ConfigError(f"{where}: expected uint8 class indices, got {labels.dtype}")
        if labels.shape != image.shape[:2]:
            raise ConfigError(f"{where}: shape {labels.shape}, the image has {image.shape[:2]}")
        classes = self.class_set.num_classes
        if wrong := [i for i in np.unique(labels).tolist() if i >= classes and i not in extra]:
            known = f"{self.class_set.name} (0..{classes - 1})"
            raise ConfigError(f"{where}: class index {wrong[0]} is not in {known}")

    def picture(self) -> bytes:
        """A PNG of the first scene for readers without a kernel; drawn once."""
        if self._picture is None:
            name, image, truth = self._views[0]
            guesses = [found[name].indices for found in self._predictions.values() if name in found]
            size = reduced_size(image.shape[:2], PICTURE_SIDE)
            masks = {"truth": truth, "prediction": next(iter(guesses), None)}
            parts = {"image": resize_image(image, size)} | {
                title: resize_mask(mask, size) for title, mask in masks.items() if mask is not None
            }
            shown = list(parts.values())
            if len(shown) == 3:
                figure = plots.predictions(*([part] for part in shown), self.class_set)
            else:
                figure = plots.label_pictures(shown, list(parts), self.class_set, columns=2)
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", dpi=150, metadata={"Software": "seglib"})
            plt.close(figure)  # else the notebook would show it a second time
            self._picture = buffer.getvalue()
        return self._picture

    def __repr__(self) -> str:
        count = f"{len(self._views)} scene{'s' if len(self._views) > 1 else ''}"
        named, more = ", ".join(self._models[:NAMED]), len(self._models) - NAMED
        models = f", predictions of {named}" if named else ""
        models += f" and {more} more" if more > 0 else ""
        return f"SceneViewer({count}, {self.class_set.name}{models})"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        _, metadata = super()._repr_mimebundle_(**kwargs)  # Colab's loader of custom widgets
        self._still = self.model_id
        return widget_bundle(self, self.picture(), metadata)


def _prediction(labels: Labels) -> Prediction:
    return Prediction(labels) if isinstance(labels, np.ndarray) else Prediction(*labels)
