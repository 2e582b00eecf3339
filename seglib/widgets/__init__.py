"""Interactive views in notebooks: label maps over photographs, and photographs of your own.

A name is loaded when it is first used, so that importing this package costs nothing.
"""

from importlib import import_module


def __getattr__(name: str) -> object:
    if name.startswith("__"):  # such as `__path__`: asked for by the import system
        raise AttributeError(name)
    home = {"view_records": "recorded", "PhotoPanel": "upload"}.get(name, "viewer")
    return getattr(import_module(f".{home}", __name__), name)
