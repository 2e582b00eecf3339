"""Run the study's notebooks: on copies for `make`, in place for `make refresh`, and check them.

    python -m tools.notebooks execute [--html] [NOTEBOOK ...]    copies into build/notebooks
    python -m tools.notebooks refresh [NOTEBOOK ...]             in place
    python -m tools.notebooks check [NOTEBOOK ...]               against the notebook contract

Without names, all of notebooks/ is meant. Two run at a time where two processors are free.
A cell that fails, or a broken rule, ends in exit code 1.
"""

import argparse
import asyncio
import copy
import html
import math
import os
import re
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from seglib.cli import exit_code
from seglib.errors import SeglibError, printable
from seglib.files import atomic_path
from seglib.paths import build_dir, home
from tools.contract import KERNELSPEC, METADATA, check

SILENCE = 1800  # seconds without a word from the kernel, after which a notebook counts as hung
JOBS = 2  # notebooks at a time at most: each kernel takes up to 2 GB

_PROGRESS = re.compile(r"\d+%\|.*\[\d\d:\d\d<")


class _Client(NotebookClient):
    """Remembers when the kernel was last heard of: printing, a progress bar, the end of a cell."""

    heard = math.inf  # until then it starts, which has a limit of its own

    def process_message(self, *args: Any, **kwargs: Any) -> Any:
        self.heard = time.perf_counter()
        return super().process_message(*args, **kwargs)

    async def run(self, environment: dict[str, str], silence: float) -> None:
        """Execute all cells; `TimeoutError` after `silence` seconds without a message."""
        loop = asyncio.get_running_loop()
        # nbclient's own handlers of signals end in tracebacks
        loop.add_signal_handler = loop.remove_signal_handler = lambda *given: None
        running = asyncio.ensure_future(self.async_execute(env=environment))
        try:
            while not (await asyncio.wait({running}, timeout=1))[0]:
                if time.perf_counter() - self.heard > silence:
                    raise TimeoutError
        finally:
            if not running.done():
                self.shutdown_kernel = "immediate"
                running.cancel()
                with suppress(asyncio.CancelledError, DeadKernelError):
                    await running
        running.result()


def free_processors(seconds: float = 0.5) -> int:
    """How many processors other programs leave free now, at least 1; all where none can tell."""

    def ticks() -> tuple[int, int]:
        counts = [int(part) for part in stat.read_text().split()[1:9]]
        return sum(counts), counts[3] + counts[4]  # idle, or waiting for a disk

    stat, processors = Path("/proc/stat"), processors_of_ours()
    if not stat.exists() or len(re.findall(r"^cpu\d", stat.read_text(), re.M)) != processors:
        return processors  # no Linux, or a share of a larger machine
    before = ticks()
    time.sleep(seconds)
    total, idle = (after - then for after, then in zip(ticks(), before, strict=True))
    return max(1, round(processors * idle / total)) if total else processors


def processors_of_ours() -> int:
    """The processors that this program may use."""
    allowed = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    return len(allowed(0)) if allowed else os.cpu_count() or 1


async def execute(
    path: Path, silence: float = SILENCE, threads: int | None = None
) -> tuple[nbformat.NotebookNode, float]:
    """Run a notebook from a fresh kernel, in the folder it lies in, and return it with the seconds.

    The file itself stays as it is. The kernel ignores the user's IPython profile and matplotlib
    backend, so that a cell prints and shows the same for everyone. It may take as long as a busy
    machine needs, but not be silent for longer than `silence` seconds. `threads`: PyTorch's, None
    for its own choice.

    Raises:
        SeglibError: a cell failed, the kernel died, or was silent for too long.
    """
    path = Path(path).absolute()
    notebook = read_notebook(path)
    client = _Client(
        notebook,
        timeout=None, startup_timeout=SILENCE,
        kernel_name=KERNELSPEC["name"],
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,  # timestamps would change the file with every run
        store_widget_state=False,  # so would the widgets' random ids
        coalesce_streams=True,
    )
    environment = {key: value for key, value in os.environ.items() if key != "MPLBACKEND"}
    for name in ("SEGLIB_HOME", "SEGLIB_RESULTS", "SEGLIB_FIGURES", "CITYSCAPES_DATASET"):
        if environment.get(name):  # a kernel starts in its notebook's folder
            environment[name] = os.path.abspath(os.path.expanduser(environment[name]))
    profile = build_dir() / "ipython"
    profile.mkdir(parents=True, exist_ok=True)
    environment["IPYTHONDIR"] = str(profile)
    environment["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    if threads:
        environment["OMP_NUM_THREADS"] = str(threads)
    start = time.perf_counter()
    try:
        await client.run(environment, silence)
    except TimeoutError:
        raise SeglibError(f"{path.name}: not a word from it for {silence:g} s") from None
    except RuntimeError as problem:  # DeadKernelError, and that of one that has not started in time
        raise SeglibError(f"{path.name}: its kernel died (out of memory?): {problem}") from None
    except CellExecutionError as problem:
        print(problem.traceback, file=sys.stderr)
        raise SeglibError(f"{path.name}: {problem.ename}: {problem.evalue}") from None
    return notebook, time.perf_counter() - start


def normalise(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop, in place, what changes from run to run without telling a reader anything.

    Removed are timings, stderr (progress bars) and widget views (they need a living kernel); cells
    keep their ids, and the notebook's metadata become those of the contract, with the kernel's
    description of its language, without which JupyterLab would add it to a notebook just opened.
    """
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata = nbformat.from_dict(
        {**METADATA, "kernelspec": KERNELSPEC,
         "language_info": notebook.metadata.get("language_info", {})}
    )
    for number, cell in enumerate(notebook.cells, 1):
        cell.setdefault("id", f"cell-{number:02d}")
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if cell.cell_type != "code":
            continue
        cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
        for output in cell.outputs:
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
        cell.outputs = [output for output in cell.outputs if not _is_progress_or_empty(output)]
    return notebook


def _is_progress_or_empty(output: nbformat.NotebookNode) -> bool:
    """Whether nothing is left of an output but the text of a progress bar at its start."""
    data = output.get("data")
    if data is None:
        return False
    return not data or (set(data) == {"text/plain"} and bool(_PROGRESS.search(data["text/plain"])))


def write_html(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write a notebook with its outputs as one HTML page, pictures included."""
    from nbconvert import HTMLExporter  # only here, since it is slow to import

    notebook = copy.deepcopy(notebook)
    for output in (each for cell in notebook.cells for each in cell.get("outputs", ())):
        for kind, about in output.get("metadata", {}).items():
            if "alt" in about:  # which the exporter's template leaves out
                source, words = output.data[kind].replace("\n", ""), html.escape(about["alt"])
                output.data["text/html"] = (f'<img alt="{words}" width="{about["width"]}" '
                                            f'src="data:{kind};base64,{source}">')
    resources = {"metadata": {"name": Path(path).stem}}
    page, _ = HTMLExporter().from_notebook_node(notebook, resources=resources)
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def read_notebook(path: Path) -> nbformat.NotebookNode:
    """Read a notebook file; raises `SeglibError` with one line if it is none."""
    try:
        return nbformat.read(path, as_version=4)
    except (OSError, ValueError, nbformat.ValidationError) as problem:
        reason = str(problem).splitlines()[0]
        raise SeglibError(f"{path}: not a notebook that can be read ({reason})") from None


def write_notebook(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write a notebook atomically; read and written again, its bytes are the same."""
    with atomic_path(path) as temporary:
        nbformat.write(notebook, temporary)


def _check(path: Path) -> None:
    """Print which rules of the contract a notebook breaks; `SeglibError` if it breaks one."""
    problems = check(path)
    for problem in problems:
        print(f"{path.name}: {problem}")
    if problems:
        raise SeglibError(f"{path.name}: breaks the notebook contract")


async def _run(command: str, paths: list[Path], html: bool) -> bool:
    """Execute or refresh notebooks, several at a time; returns whether all of them ran."""
    free = free_processors()
    jobs = min(free, len(paths), JOBS)
    threads = None if "OMP_NUM_THREADS" in os.environ else max(1, free // jobs)
    if free < processors_of_ours():
        # Threads wait for each other: one that shares a processor with a program holds up all.
        given = f", with {threads} of PyTorch's threads each" if threads else ""
        print(f"machine busy: {jobs} at a time{given}", flush=True)
    turn = asyncio.Semaphore(jobs)

    async def run(path: Path) -> bool:
        async with turn:
            try:
                notebook, seconds = await execute(path, threads=threads)
            except SeglibError as problem:
                print(f"seglib: error: {printable(str(problem))}", file=sys.stderr)
                return False
            if command == "refresh":
                write_notebook(normalise(notebook), path)
            else:
                copy = build_dir() / "notebooks" / path.name
                write_notebook(notebook, copy)
                if html:
                    write_html(notebook, copy.with_suffix(".html"))
            print(f"{path.name:40} {seconds:6.1f} s", flush=True)
            return True

    ended = await asyncio.gather(*map(run, paths), return_exceptions=True)  # of all, if one fails
    for problem in (end for end in ended if isinstance(end, BaseException)):
        raise problem
    return all(ended)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    summary, usage = __doc__.split("\n\n", 1)
    parser = argparse.ArgumentParser(
        prog="python -m tools.notebooks",
        description=summary,
        epilog=usage,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=["execute", "refresh", "check"])
    parser.add_argument("notebooks", nargs="*", type=Path, metavar="NOTEBOOK")
    parser.add_argument("--html", action="store_true", help="with execute: an HTML page beside")
    options = parser.parse_intermixed_args(arguments)
    if options.html and options.command != "execute":
        parser.error(f"--html goes with execute, not with {options.command}")
    other = os.environ.get("SEGLIB_DATASET", "miniscapes") != "miniscapes"
    if options.command == "refresh" and other:
        parser.error("committed notebooks show miniscapes; unset SEGLIB_DATASET, or use execute")
    folder = home() / "notebooks"
    if not (given := options.notebooks or sorted(folder.glob("*.ipynb"))):
        parser.error(f"{folder}: no notebook there; name some")
    paths = [Path(os.path.expanduser(path)) for path in given]
    if options.command == "check":
        return int(any([exit_code(partial(_check, path)) for path in paths]))
    ended: list[bool] = []
    exit_code(lambda: ended.append(asyncio.run(_run(options.command, paths, options.html))))
    return int(ended != [True])


if __name__ == "__main__":
    sys.exit(main())
