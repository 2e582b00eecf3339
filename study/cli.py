"""The study's own commands: `seglib measure`, `seglib sweep`, `seglib study`.

They join the command line through the entry point group `seglib.commands` in pyproject.toml.
"""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from seglib.cli import Device, option
from seglib.errors import ConfigError

# What help calls the values of options.
Budget = Annotated[str | None, option(metavar="TIME")]
Names = Annotated[tuple[str, ...] | None, option(metavar="NAME ...")]
PlanFile = Annotated[Path | None, option(metavar="FILE")]
Scale = Annotated[str, arg(metavar="{cpu,gpu}")]


def measure(
    runs: Positional[Annotated[tuple[str, ...], option(metavar="[RUN ...]")]] = (), /,
    part: Names = None, device: Device = None,
) -> None:
    """Measure recorded runs beyond their scores, and keep it in their records.

    What is there and still holds is not made again.

    Args:
        runs: Ids of the runs (default: all that keep their weights and trained on train alone).
        part: Only these parts, and anew: calibration, boundaries, cost, robustness.
    """
    from seglib.records import list_records, load_record
    from study.beyond_scores import measure as measure_record
    records = [load_record(run) for run in runs] if runs else list_records()
    if not runs:
        records = [r for r in records if r.weights_path.exists() and r.config.scored_split == "val"]
        if not records:
            print("no recorded run keeps its weights, which measuring needs")
    for record in records:
        made = measure_record(record, part, device=device)
        print(f"{record.id}: {'measured ' + ', '.join(made) if made else 'all is measured'}")


def sweep(
    scale: Scale = "cpu", budget: Budget = None, plan: PlanFile = None,
    device: Device = None, list: bool = False,
) -> None:
    """Search settings by successive halving, as the study's plan or another says.

    Goes on where it was interrupted; a sweep that is complete is printed at once. Workers that
    share a SEGLIB_HOME share the sweep: start the same command in each.

    Args:
        scale: Whose sweep.
        budget: Stop after this time, as in 45m or 2h.
        plan: Another plan with sweeps, a file like study/plan.toml.
        list: Only print what is recorded.
    """
    from study.plan import StudySweep, load_study
    from study.run import deadline_of, run_study, sweep_listing
    _check_list(list, budget, device)
    deadline = deadline_of(budget)
    sweeps = [each for each in load_study(scale, plan=plan) if isinstance(each, StudySweep)]
    if not list:
        from seglib.data import prepare
        from seglib.devices import choose_device, keep_memory
        choose_device(device)
        for each in sweeps:
            prepare(each.config.dataset)
        keep_memory()
        run_study(sweeps, deadline=deadline, device=device)
    print("\n".join(sweep_listing(each.plan) for each in sweeps) or "the plan has no sweep")


def study(
    scale: Scale = "cpu", dataset: Names = None, group: Names = None,
    budget: Budget = None, plan: PlanFile = None, device: Device = None, list: bool = False,
) -> None:
    """Train every run that the notebooks and the report need and that is not recorded yet.

    Goes through study/plan.toml in order and resumes what was interrupted; stop it at any moment.

    Args:
        scale: cpu (what results/ holds) or gpu (the full-size study).
        dataset: Only runs on these datasets: miniscapes, miniscapes2560, camvid, cityscapes.
        group: Only these groups of the plan, as --list names them.
        budget: Stop after this time, as in 45m or 2h; a run that does not fit is left half done.
        plan: Another plan of runs, a file like study/plan.toml.
        list: Only show each run's state.
    """
    from study.plan import load_study
    from study.run import deadline_of, listing, run_study
    _check_list(list, budget, device)
    deadline = deadline_of(budget)
    entries = load_study(scale, datasets=dataset or (), groups=group or (), plan=plan)
    if not entries:
        other = "gpu" if scale == "cpu" else "cpu"
        raise ConfigError(f"the plan has no such run at scale {scale}; try --scale {other}")
    if list:
        print(listing(entries))
        return
    from seglib.devices import keep_memory
    keep_memory()
    left = run_study(entries, deadline=deadline, device=device)
    print(f"{left} left to do; the same command goes on" if left else "every run is recorded")


def _check_list(only_list: bool, budget: str | None, device: str | None) -> None:
    """`ConfigError` for options that are about training, where nothing is trained."""
    if only_list and (budget, device) != (None, None):
        raise ConfigError("--list trains nothing: leave --budget and --device out")
