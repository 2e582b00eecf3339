"""The study's own commands: `seglib measure`, `seglib sweep`, `seglib study`.

They join the command line through the entry point group `seglib.commands` in pyproject.toml.
"""

from pathlib import Path

from tyro.conf import Positional


def measure(
    runs: Positional[tuple[str, ...]] = (), /,
    part: tuple[str, ...] = (), device: str | None = None,
) -> None:
    """Measure recorded runs beyond their scores, and keep it in their records.

    What is there and still holds is not made again.

    Args:
        runs: Ids of the runs (default: every one that keeps its weights).
        part: Only these parts, and anew: calibration, boundaries, cost, robustness, generalisation.
        device: cuda, mps or cpu; the cost is always that of the CPU.
    """
    from seglib.records import list_records, load_record
    from study.beyond_scores import measure as measure_record

    with_weights = [record for record in list_records() if record.weights_path.exists()]
    for record in map(load_record, runs) if runs else with_weights:
        made = measure_record(record, part or None, device=device)
        print(f"{record.id}: {'measured ' + ', '.join(made) if made else 'all is measured'}")


def sweep(
    dataset: str = "camvid", model: str = "unet",
    scale: str = "cpu", budget: str | None = None, plan: Path | None = None,
    device: str | None = None, list: bool = False,
) -> None:
    """Search settings by successive halving, as the study's plan or another says.

    Goes on where it was interrupted; a sweep that is complete is printed at once. Workers that
    share a SEGLIB_HOME share the sweep: start the same command in each.

    Args:
        dataset: Dataset to search on.
        model: Architecture to search for.
        scale: Whose sweep, cpu or gpu.
        budget: Stop after this time, as in 45m or 2h.
        plan: Another plan with sweeps, a file like study/plan.toml.
        device: cuda, mps or cpu.
        list: Only print what is recorded.
    """
    from seglib.data import prepare
    from seglib.devices import choose_device, keep_memory
    from study.plan import find_sweep, load_study
    from study.run import deadline_of, run_study, sweep_listing

    chosen = find_sweep(load_study(scale, plan=plan), dataset, model)
    deadline = deadline_of(budget)
    if not list:
        choose_device(device)
        prepare(dataset)
        keep_memory()
        run_study([chosen], deadline=deadline, device=device)
    print(sweep_listing(chosen.plan))


def study(
    scale: str = "cpu", dataset: tuple[str, ...] = (), group: tuple[str, ...] = (),
    budget: str | None = None, plan: Path | None = None,
    device: str | None = None, list: bool = False,
) -> None:
    """Train every run that the notebooks and the report need and that is not recorded yet.

    Goes through study/plan.toml in order and resumes what was interrupted; stop it at any moment.

    Args:
        scale: cpu (what results/ holds) or gpu (the full-size study).
        dataset: Only runs on these datasets.
        group: Only these groups of the plan.
        budget: Stop after this time, as in 45m or 2h; a run that does not fit is left half done.
        plan: Another plan of runs, a file like study/plan.toml.
        device: cuda, mps or cpu.
        list: Only show each run's state.
    """
    from seglib.devices import keep_memory
    from study.plan import load_study
    from study.run import deadline_of, listing, run_study

    deadline = deadline_of(budget)
    entries = load_study(scale, datasets=dataset, groups=group, plan=plan)
    if list:
        print(listing(entries))
        return
    keep_memory()
    left = run_study(entries, deadline=deadline, device=device)
    print(f"{left} left to do; the same command goes on" if left else "every run is recorded")
