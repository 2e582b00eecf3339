"""MiniScapes: a seeded generator of street scenes with the labels of Cityscapes.

A scene is laid out in metres, seen through a pinhole camera, and becomes a list of labelled
polygons from back to front. The masks are those polygons, and the picture is painted inside them.
"""

from .generate import COUNTS, VERSION, generate
from .render import RenderedScene, render_scene
from .styles import cities

__all__ = ["COUNTS", "VERSION", "RenderedScene", "cities", "generate", "render_scene"]
