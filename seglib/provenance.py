"""What a result came from: code, library versions, processor."""

import ast
import functools
import hashlib
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from .errors import ConfigError

# The modules that decide what a training run's numbers are; the model's own file is added.
RESULT_MODULES = (
    "data/cache.py",
    "data/transforms.py",
    "losses.py",
    "metrics.py",
    "models/blocks.py",
    "training.py",
)

# Further files that an architecture takes parts from.
BUILT_FROM = {
    "swin": ("models/unet.py", "models/pretrained.py"),
    "vit": ("models/unet.py", "models/pretrained.py"),
}


@functools.cache  # what counts is the code as it was loaded, not as an editor leaves it later
def code_fingerprint(model: str) -> str:
    """16 hexadecimal digits over the code that determines results of this architecture.

    Comments, docstrings and formatting don't count: the hash is taken over the syntax tree. It is
    the same under every version of Python. Raises `ConfigError` for an architecture without a file.
    """
    return files_fingerprint((*RESULT_MODULES, *model_files(model)))


def model_files(model: str) -> tuple[str, ...]:
    """The files of an architecture within the package; `ConfigError` if there is no such one."""
    name = f"models/{model}.py"
    if not (Path(__file__).parent / name).is_file():
        raise ConfigError(f"model {model!r} is unknown: this version has no {name}")
    return (name, *BUILT_FROM.get(model, ()))


@functools.cache
def files_fingerprint(names: tuple[str, ...]) -> str:
    """16 hexadecimal digits over the code of files of the package, as `code_fingerprint` has it."""
    digest = hashlib.sha256()
    for name in names:
        source = (Path(__file__).parent / name).read_text(encoding="utf-8")
        digest.update(f"{name}\n{syntax(source)}\n".encode())
    return digest.hexdigest()[:16]


def syntax(source: str) -> str:
    """The syntax tree of Python source as text, without docstrings.

    `ast.dump` will not do: newer versions of Python add fields to nodes and leave empty ones out.
    """
    return _node_text(ast.parse(source))


def _node_text(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ",".join(_node_text(item) for item in value) + "]"
    if not isinstance(value, ast.AST):
        return ascii(value)  # which characters repr() escapes depends on the version
    fields = []
    for name, child in ast.iter_fields(value):
        if name == "body" and isinstance(child, list) and child:
            child = child[_is_docstring(child[0]) :]
        if isinstance(value, ast.JoinedStr):  # Python 3.12.1 ends nested ones with an empty string
            child = [part for part in child if not _is_string(part) or part.value]
        if child is not None and child != []:
            fields.append(f"{name}={_node_text(child)}")
    return f"{type(value).__name__}({','.join(fields)})"


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and _is_string(node.value)


def _is_string(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries whose arithmetic enters a result."""
    libraries = ("torch", "torchvision", "accelerate", "numpy", "pillow")
    return {"python": platform.python_version()} | {
        library: metadata.version(library) for library in libraries
    }


def describe_machine(device) -> dict[str, Any]:
    """Device, processor and number of threads, without anything that names the machine."""
    import torch

    if device.type == "cuda":
        processor = torch.cuda.get_device_name(device)
    else:
        processor = platform.processor() or platform.machine()
        cpuinfo = Path("/proc/cpuinfo")
        if cpuinfo.exists():
            models = [line for line in cpuinfo.read_text().splitlines() if "model name" in line]
            processor = models[0].partition(":")[2].strip() if models else processor
    return {
        "device": device.type,
        "processor": processor,
        "threads": torch.get_num_threads(),
        "system": platform.system(),
    }
