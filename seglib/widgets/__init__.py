"""Interactive views in notebooks: label maps over photographs, and photographs of your own."""

from .recorded import view_records
from .upload import PhotoPanel
from .viewer import SceneView, SceneViewer
