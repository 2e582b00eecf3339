"""The command line: `seglib COMMAND`, one function here for each command.

A mistake of the user's gets one line on stderr and exit code 2; nothing half-written stays behind.
Commands import what they need when they run, so that `seglib --help` needs no PyTorch.
"""

import contextlib
import errno
import io
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from functools import partial, wraps
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.conf import OmitArgPrefixes, Positional, arg
from tyro.extras import subcommand_cli_from_dict

from . import __version__
from .errors import ConfigError, SeglibError, choose

ADVICE = {errno.ENOSPC: "; free some space and rerun", errno.EACCES: "; choose another folder"}


def data(
    name: Positional[str] = "miniscapes", /,
    source: Annotated[Path | None, arg(name="from")] = None, download: bool = False,
    check: bool = False, force: bool = False,
) -> None:
    """Make a dataset ready and say what it holds.

    Args:
        name: miniscapes (generated), camvid or cityscapes.
        source: Folder with the published CamVid files, or with your copy of Cityscapes.
        download: Download CamVid (its licence allows research).
        check: Also decode every file and check it against its mask.
        force: Make the dataset anew even if it is there.
    """
    from .data import describe, prepare

    root = prepare(name, source=source, download=download, force=force)
    parts = describe(root, deep=check, progress=check)
    print(f"{name}: ready in {root}")
    for part in parts:
        cities, sizes = ", ".join(part["cities"]), ", ".join(part["sizes"])
        print(f"  {part['split']:11} {part['mode']:6} {part['scenes']:5} scenes {sizes}  {cities}")


def train(
    config: OmitArgPrefixes[
        Annotated[Any, arg(constructor_factory=lambda: import_module("seglib.config").RunConfig)]
    ],
    *,
    data_from: Path | None = None,
    device: str | None = None,
    tracker: str = "none",
    retrain: bool = False,
    compact: bool = False,
    workers: int | None = None,
    compile: bool = False,
) -> None:
    """Train one run and record it: loads the record if there is one, resumes what was interrupted.

    Options that are not given have the value of the recipe for the chosen dataset and model.

    Args:
        config: The run.
        data_from: Folder to make the dataset from, as in `seglib data NAME --from`.
        device: cuda, mps or cpu (default: the first of these that is there).
        tracker: none, or wandb (offline unless WANDB_MODE says otherwise).
        retrain: Train even if the run is recorded.
        compact: Leave the weights out of the record.
        workers: Processes that load data (default: none on a CPU, up to 8 for a GPU).
        compile: Compile the network first; pays on a GPU.
    """
    from .data import prepare
    from .devices import choose_device, keep_memory
    from .text import percent
    from .training import fit

    choose_device(device)
    config = config.resolved()  # before any data is made
    prepare(config.dataset, source=data_from)
    keep_memory()
    record = fit(
        config, device=device, tracker=tracker, retrain=retrain or None,
        keep_weights=not compact, workers=workers, compile_model=compile,
    )
    split = record.config.scored_split
    print(f"{record.id}: {split} mIoU {percent(record.miou())} in {record.path}")


def evaluate(
    run: Positional[str | None] = None, /, split: str = "val", export: Path | None = None,
    device: str | None = None,
) -> None:
    """Score a recorded run at the labels' own resolution and print the table.

    The scores of a split are computed once and kept in the record.

    Args:
        run: Id of the run (default: the one that finished last).
        split: train, val or test.
        export: Also write every prediction as label ids, for the official evaluator.
        device: cuda, mps or cpu.
    """
    from .evaluation.evaluate import score_split
    from .records import load_record
    from .text import score_table

    record = load_record(run)
    scores = score_split(record, split, device=device, export=export)
    print(f"{record.id} on {split}")
    print(score_table(scores))
    if export is not None:
        print(f"{len(scores['images']['names'])} predictions in {export}")


def predict(
    photos: Positional[tuple[Path, ...]], /, output: Path, run: str | None = None,
    device: str | None = None,
) -> None:
    """Segment street photographs of any size: label ids, colours and an overlay of each.

    Args:
        photos: Pictures, or folders of them.
        output: Folder for the results; made if it is missing.
        run: Id of the run whose weights are used (default: the best recorded one on CamVid).
        device: cuda, mps or cpu.
    """
    from .evaluation.predict import predict_files
    from .evaluation.predictor import Predictor
    from .records import best_record, load_record

    record = load_record(run) if run else best_record("camvid")
    written = predict_files(Predictor.from_record(record, device), photos, output)
    print(f"{record.id}: {len(written)} files in {output}")


def runs() -> None:
    """List the recorded runs."""
    from .records import list_records

    for record in list_records():
        scores = "  ".join(f"{split} {100 * record.miou(split):5.1f}" for split in record.scores)
        note = "" if record.is_current else "  (of another results version)"
        print(f"{record.id:32} {scores}{note}")


def verify(run: Positional[str], /, epochs: int = 1) -> None:
    """Train the first epochs of a recorded run again and compare with its history.

    Every digit must be equal on the same processor and libraries; elsewhere they must be close.

    Args:
        run: Id of the run.
        epochs: Epochs to repeat; more are added up to the first validated one.
    """
    from .records import load_record
    from .training.verify import repeat

    print(repeat(load_record(run), epochs))


def commands() -> dict[str, Callable[..., None]]:
    """Ours, and those that packages add under the entry point group `seglib.commands`."""
    own = {command.__name__: command for command in (data, train, evaluate, predict, runs, verify)}
    return own | {point.name: point.load() for point in entry_points(group="seglib.commands")}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its `exit_code`."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return exit_code(lambda: (parse(given) or (lambda: None))())


def exit_code(call: Callable[[], Any]) -> int:
    """Make a call; returns 0, 1 if it is interrupted, 2 for a user's mistake, told in one line."""
    try:
        call()
        return 0
    except KeyboardInterrupt:
        print("\nseglib: interrupted; the same command goes on from here", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    except SeglibError as problem:
        message = str(problem)
    except OSError as problem:
        if problem.errno is None:
            raise
        where = f"{problem.filename}: " if problem.filename else ""
        message = f"{where}{problem.strerror}{ADVICE.get(problem.errno, '')}"
    print("seglib: error: " + " ".join(message.split()), file=sys.stderr)
    return 2


def parse(arguments: list[str]) -> Callable[[], Any] | None:
    """The call that the arguments ask for; None after `--help`. Raises `ConfigError`."""
    known, name, rest = commands(), (arguments or ["--help"])[0], arguments[1:]
    if name == "--version":
        print(f"seglib {__version__}")
        return None
    # tyro draws frames that the encoding has
    output, errors = io.TextIOWrapper(io.BytesIO(), sys.stdout.encoding), io.StringIO()
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            if name in ("-h", "--help"):
                title = "Semantic segmentation of street scenes"
                subcommand_cli_from_dict(known, prog="seglib", description=title, args=[name])
            command = known[choose("command", name, known)]
            # has the options of the command, and returns it with their values
            deferred = wraps(command)(lambda *given, **options: partial(command, *given, **options))
            if name == "train":
                config, _ = tyro.cli(_recipe, args=rest, return_unknown_args=True, add_help=False)
                deferred = partial(deferred, config=config)
            return tyro.cli(deferred, args=rest, prog=f"seglib {name}", description=None)
    except SystemExit as stop:
        if stop.code:
            problem = _first_paragraph(errors.getvalue())
            raise ConfigError(f"{problem} (see: seglib {name} --help)") from None
    output.seek(0)
    width = shutil.get_terminal_size().columns  # to which tyro wraps only what is in frames
    print("\n".join(textwrap.fill(line, width) for line in output.read().splitlines()))
    return None


def _recipe(dataset: str = "miniscapes", model: str = "unet") -> Any:
    """What the other options of `train` start from."""
    return import_module("seglib.recipes").recipe(dataset, model)


def _first_paragraph(box: str) -> str:
    """The first paragraph of tyro's framed message, on one line."""
    lines = [line.strip(" │╭╮╰╯─") for line in box.splitlines()[1:]]
    end = lines.index("") if "" in lines else len(lines)  # an empty line, or one that was ruled
    return " ".join(lines[:end]).removeprefix("Error parsing config: ")
