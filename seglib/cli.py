"""The command line: `seglib COMMAND`, one function here for each command.

A mistake of the user's gets one line on stderr and exit code 2; nothing half-written stays behind.
Commands import what they need when they run, so that `seglib --help` needs no PyTorch.
"""

import contextlib
import errno
import inspect
import io
import os
import re
import shutil
import signal
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

from . import __version__
from .errors import ConfigError, SeglibError, choose, printable

ADVICE = {errno.ENOSPC: "; free some space and rerun", errno.EACCES: "; choose another folder"}
# What several commands have, and what help calls the values; its defaults are told in words.
option = partial(arg, help_behavior_hint="")
WHERE = "Where to compute (default: the first of these that is there)."
Dataset = Annotated[str | None, option(metavar="[DATASET]")]
Device = Annotated[str | None, option(metavar="{cuda,mps,cpu}", help=WHERE)]
Folder = Annotated[Path | None, option(metavar="FOLDER")]
Run = Annotated[str | None, option(metavar="RUN")]


def data(
    name: Positional[Dataset] = "miniscapes", /,
    source: Annotated[Path | None, option(name="from", metavar="FOLDER")] = None,
    download: bool = False, check: bool = False, force: bool = False,
) -> None:
    """Make a dataset ready and say what it holds.

    Args:
        name: miniscapes (generated; the default), miniscapes2560, camvid or cityscapes.
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
    *, device: Device = None, tracker: Annotated[str, arg(metavar="{none,wandb}")] = "none",
    retrain: bool = False, workers: Annotated[int | None, option()] = None, compile: bool = False,
) -> None:
    """Train one run and record it: loads the record if there is one, resumes what was interrupted.

    Options that are not given have the value of the recipe for the chosen dataset and model.

    Args:
        config: The run.
        tracker: none, or wandb (offline unless WANDB_MODE says otherwise).
        retrain: Train even if the run is recorded.
        workers: Processes that load data (default: up to 8 for an NVIDIA GPU, else none).
        compile: Compile the network first; pays on a GPU.
    """
    from .devices import keep_memory
    from .text import score_note
    from .training import fit
    if workers is not None and workers < 0:
        raise ConfigError(f"workers {workers} must be 0 or more")
    keep_memory()
    record = fit(config, device=device, tracker=tracker, retrain=retrain or None, workers=workers,
                 compile_model=compile)
    print(f"{record.id}: {score_note(record)} in {record.path}")


def evaluate(
    run: Positional[Annotated[str | None, option(metavar="[RUN]")]] = None, /,
    split: Annotated[str, arg(metavar="{train,val,test}")] = "val",
    export: Folder = None, device: Device = None,
) -> None:
    """Score a recorded run at the labels' own resolution and print the table.

    The scores of a split are computed once and kept in the record.

    Args:
        run: Id of the run (default: the one that finished last).
        split: train, val or test; of a run that holds cities of train out, also held_out. With
            +flip after it, logits are averaged with those of the mirrored image.
        export: Also write every prediction as label ids, for the official evaluator.
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
    photos: Positional[Annotated[tuple[Path, ...], option(metavar="PHOTO ...")]], /,
    output: Path = Path("predicted"), run: Run = None, device: Device = None,
) -> None:
    """Segment street photographs of any size: label ids, colours and an overlay of each.

    Folders in folders are kept. Label ids of Cityscapes' scenes are named as its evaluator wants.

    Args:
        photos: Pictures, or folders of them.
        output: Folder for the results; made if it is missing.
        run: Id of the run whose weights are used (default: the best recorded one on photographs).
    """
    from .evaluation.predict import predict_files
    from .evaluation.predictor import Predictor
    from .records import best_record, load_record
    record = best_record() if run is None else load_record(run)
    written = predict_files(Predictor.from_record(record, device), photos, output)
    print(f"{record.id}: {len(written)} files in {output}")


def runs(dataset: Positional[Dataset] = None, /) -> None:
    """List the recorded runs: their scores (mIoU in %), and where they differ from a recipe.

    Args:
        dataset: Only runs on this one: miniscapes, miniscapes2560, camvid or cityscapes.
    """
    from .data.datasets import DATASETS
    from .paths import results_dir
    from .recipes import command
    from .records import list_records
    if not (records := list_records(dataset and choose("dataset", dataset, DATASETS))):
        what = f"no run{f' on {dataset}' if dataset else ''} is recorded; start with: seglib train"
        print(f"{results_dir()}: {what}{f' --dataset {dataset}' if dataset else ''}")
        return
    splits = list(dict.fromkeys(split for record in records for split in record.packed_scores))
    print(f"{'run':26}epochs seed", *(f"{split:>5}" for split in splits), " model, options")
    for record in records:
        known = {split: f"{100 * record.miou(split):.1f}" for split in record.packed_scores}
        scores = " ".join(f"{known.get(split, ''):>{max(5, len(split))}}" for split in splits)
        line = f"{record.id:26}{record.config.epochs:6}{record.config.seed:5} {scores}  "
        options = re.sub(r" --(epochs|seed) \S+", "", command(record.config))
        line += options.partition(" --model ")[2]
        line += "" if record.is_current else "  (of another results version)"
        print(textwrap.fill(line, 100, subsequent_indent=" " * 28, break_on_hyphens=False))


def models(dataset: Positional[Dataset] = "miniscapes", /) -> None:
    """List the architectures, what they cost and which of them have ImageNet weights.

    Args:
        dataset: By whose recipes and size, such as camvid (default: miniscapes).
    """
    import torch

    from .models import MODELS, swin, vit
    from .models.inspection import count_parameters, multiply_adds
    from .models.pretrained import published_file
    from .recipes import recipe
    from .text import network_name, setting_value
    print(f"{'network':>24} parameters    input multiply-adds  ImageNet weights")
    for name in MODELS:
        config = recipe(dataset, name)
        with torch.device("meta"):
            model = config.build_model(download=False)
        encoder = config.model_options().get("encoder")
        sizes = {"vit": vit.PUBLISHED, "swin": swin.PUBLISHED}.get(name, {encoder: encoder})
        weights = [
            f"{size} ({'here' if published_file(theirs)[0].exists() else 'not here'})"
            for size, theirs in sizes.items() if theirs
        ]
        cost = count_parameters(model) / 1e6, multiply_adds(model, config.image_size) / 1e9
        size = setting_value(config.image_size)
        print(f"{name:4} {network_name(config):>19} {cost[0]:8.2f} M  {size} {cost[1]:11.2f} G  "
              + (", ".join(weights) or "none"))
    print(f"by the recipes of {dataset}; timm takes any convolutional encoder of that library: "
          "seglib train --model timm --encoder resnet34")


def verify(run: Positional[Annotated[str, arg(metavar="RUN")]], /) -> None:
    """Train a recorded run up to its first validated epoch again and compare with its history.

    Every digit must be equal on the same processor and libraries; elsewhere they must be close.

    Args:
        run: Id of the run.
    """
    from .records import load_record
    from .training.verify import repeat
    print(repeat(load_record(run)))


def commands() -> dict[str, Callable[..., None]]:
    """Ours, and those that packages add under the entry point group."""
    ours = (data, models, train, evaluate, predict, runs, verify)
    own = {command.__name__: command for command in ours}
    return own | {point.name: point.load() for point in entry_points(group="seglib.commands")}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its `exit_code`."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    return exit_code(lambda: (call := parse(given)) and call())


def exit_code(call: Callable[[], Any]) -> int:
    """Make a call; returns 0, 1 if it is interrupted, 2 for a user's mistake, told in one line.

    Of the processes that torchrun starts only the first prints, but for errors of their own.
    """
    for stream in (sys.stdout, sys.stderr):  # names of files need not fit the encoding
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, _interrupt)
    silent = os.environ.get("RANK", "0") != "0"
    try:
        with open(os.devnull, "w") as nowhere:
            with contextlib.redirect_stdout(nowhere if silent else sys.stdout):
                call()
            sys.stdout.flush()
        return 0
    except KeyboardInterrupt:
        if not silent:
            print("\nseglib: interrupted; a training goes on when it is run again", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        return 1
    except SeglibError as problem:
        if silent and isinstance(problem, ConfigError):
            return 2  # every process has the same options
        message = str(problem)
    except (MemoryError, RuntimeError) as problem:
        if not re.search("out of memory|MemoryError|allocate memory", repr(problem)):
            raise
        message = "out of memory; smaller batches (train: --accumulation 2) or images need less"
    except OSError as problem:
        if problem.errno is None:
            raise
        where = f"{problem.filename}: " if problem.filename else ""
        message = f"{where}{problem.strerror}{ADVICE.get(problem.errno, '')}"
    print("seglib: error: " + printable(" ".join(message.split())), file=sys.stderr)
    return 2


def _interrupt(number: int, frame: Any) -> None:
    """Do what Ctrl-C does, also where that is ignored, as for a job in the background."""
    handler = signal.getsignal(signal.SIGINT)
    (handler if callable(handler) else signal.default_int_handler)(number, frame)


def parse(arguments: list[str]) -> Callable[[], Any] | None:
    """The call that the arguments ask for; None after help. Raises `ConfigError`."""
    known, (name, *rest) = commands(), arguments or ["help"]
    if name in ("-V", "--version"):
        print(f"seglib {__version__}")
        return None
    if name in ("-h", "--help", "help"):
        if not rest:
            print(_overview(known))
            return None
        name, rest = rest[0], ["--help"]
    command = known[choose("command", name, known)]
    if "" in rest:  # as a path, the current folder
        raise ConfigError(f"an argument is empty (see: seglib {name} --help)")
    # as the shell does at the start of a word
    home = partial(re.sub, "(?<==)~.*", lambda match: os.path.expanduser(match[0]), count=1)
    rest = [home(word) if word.startswith("--") else os.path.expanduser(word) for word in rest]

    @wraps(command)  # has its options, and returns it with their values
    def deferred(*given: Any, **options: Any) -> Callable[[], Any]:
        for key, values in options.items():
            if values == ():
                raise ConfigError(f"--{key} needs a value (see: seglib {name} --help)")
        return partial(command, *given, **options)

    output, errors = io.StringIO(), io.StringIO()  # without an encoding, tyro draws no frames
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            if name == "train":
                config, _ = tyro.cli(_recipe, args=rest, return_unknown_args=True, add_help=False)
                deferred = partial(deferred, config=config)
            return tyro.cli(deferred, args=rest, prog=f"seglib {name}", description=None)
    except SystemExit as stop:
        if stop.code:
            problem = _problem(errors.getvalue())
            raise ConfigError(f"{problem} (see: seglib {name} --help)") from None
    width = shutil.get_terminal_size().columns  # to which tyro wraps only what is in tables
    lines = _without_none(output.getvalue()).splitlines()
    print("\n".join(textwrap.fill(line.rstrip(), width) for line in lines))
    return None


def _overview(known: dict[str, Callable[..., None]]) -> str:
    """The commands, each with the first line of its docstring."""
    lines = ["usage: seglib COMMAND [OPTIONS]", "", "Semantic segmentation of street scenes", ""]
    for name, command in known.items():
        text = f"  {name:10}{inspect.getdoc(command).splitlines()[0]}"
        lines.append(textwrap.fill(text, 80, subsequent_indent=" " * 12))
    return "\n".join([*lines, "", "seglib COMMAND --help shows the options of a command."])


def _recipe(dataset: str = "miniscapes", model: str = "unet") -> Any:
    """What the other options of `train` start from."""
    return import_module("seglib.recipes").recipe(dataset, model)


def _without_none(text: str) -> str:
    """tyro's help, the word None not named for every option; the columns of its table stay."""
    named = r"\{None\}\|(?:\{(.*?)\}|(\S+))|(\{)None,(True,False\})"
    return re.sub(named, lambda m: "".join(filter(None, m.groups())).ljust(len(m[0])), text)


def _problem(text: str) -> str:
    """The first paragraph of tyro's message, below its title and a rule, on one line."""
    lines = "\n".join(line.strip() for line in text.strip().splitlines()[2:])
    first = re.split(r"\n-*\n", lines)[0].replace("\n", " ")
    wrong = re.search(r"^Error parsing --.*?('.*')", first)
    if wrong and (wanted := re.search(r"helptext:\n(.*)", lines)):
        return f"expected {_without_none(wanted[1]).strip()}, found {wrong[1]}"
    meant = re.search(r"Perhaps you meant:\n(--\S+)", lines)
    hint = f"; did you mean {meant[1]}?" if meant else ""
    return first.removeprefix("Error parsing config: ") + hint
