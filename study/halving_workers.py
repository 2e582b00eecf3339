"""One sweep shared by several workers or machines, through an Optuna storage.

`pip install 'seglib[sweep]'`. The storage is a journal file on a disk that all workers see, or a
database address such as `postgresql://…`. A candidate is one Optuna trial, so the sweep shows up in
Optuna's dashboard. The halving stays synchronous: workers wait at the end of a rung, since what the
next one trains depends on all of this one. Optuna's own pruners decide in order of arrival.
"""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from seglib.errors import ConfigError

from .budget import Clock
from .halving import (
    Rung,
    SweepPlan,
    announce,
    begin,
    score_of,
    survivors,
    sweep_table,
    train_candidate,
)

PATIENCE = 120.0  # seconds without a sign of life after which a worker is taken for dead
ATTEMPTS = 4  # at opening a storage


def open_study(plan: SweepPlan, storage: str, patience: float = PATIENCE):
    """The sweep's Optuna study in a database (an address with `://`) or a journal file.

    Raises `ConfigError` without Optuna, or if the storage can't be used.
    """
    try:
        import optuna
        from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
    except ImportError:
        raise ConfigError("storage needs Optuna: pip install 'seglib[sweep]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def connect():
        if "://" not in storage:
            file = Path(storage).expanduser().absolute()
            file.parent.mkdir(parents=True, exist_ok=True)
            # A worker that was killed while it wrote leaves the lock behind.
            lock = JournalFileSymlinkLock(str(file), grace_period=max(3, int(patience / 4)))
            return optuna.storages.JournalStorage(JournalFileBackend(str(file), lock))
        # SQLite's writers wait for each other; the default of 5 s is short on a slow disk.
        waiting = {"connect_args": {"timeout": 60}} if storage.startswith("sqlite") else {}
        return optuna.storages.RDBStorage(storage, engine_kwargs=waiting)

    for attempt in range(ATTEMPTS):
        try:
            return optuna.create_study(
                storage=connect(), study_name=plan.id, direction="maximize", load_if_exists=True
            )
        except Exception as problem:  # every database driver has exceptions of its own
            # Two workers that start together may both try to make the tables, and one fails.
            if attempt + 1 == ATTEMPTS:
                reason = (str(problem).splitlines() or [type(problem).__name__])[0]
                raise ConfigError(f"storage {storage!r} can't be used: {reason}") from None
            time.sleep(0.2 * (attempt + 1))


def run_shared_sweep(
    plan: SweepPlan,
    storage: str,
    *,
    clock: Clock | None = None,
    patience: float = PATIENCE,
    poll: float = 1.0,
    **options: Any,
) -> pd.DataFrame:
    """Work on the sweep together with others and return its table when the last rung is complete.

    No candidate is trained by two workers. One whose worker shows no sign of life for `patience`
    seconds is given to another worker, who goes on from the checkpoint if both see the same disk.
    Workers on disks of their own leave their records there; the table then has everyone's scores.
    `poll` is the number of seconds between two looks at the storage; `options` go to
    `training.fit`. Raises `OutOfTime` when `clock` has run down.
    """
    study = open_study(plan, storage, patience)
    begin(plan)
    worker = _Worker(plan, study, clock or Clock(), patience, options)
    scores: dict[int, dict[int, float]] = {}
    remaining = list(range(plan.count))
    for rung in plan.rungs:
        runs = {plan.config(rung, candidate).run_id: candidate for candidate in remaining}
        while (found := worker.scores(runs)) is None:
            if not worker.work(rung, runs):
                time.sleep(poll)
        announce(plan, rung, found)
        scores[rung.number] = found
        remaining = survivors(found)
    own = sweep_table(plan)
    if own["score"].notna().all() and own["rung"].max() == len(plan.rungs):
        return own
    return sweep_table(plan, lambda rung, candidate: {"score": scores[rung.number][candidate]})


class _Worker:
    """One worker's view of the trials.

    Of the trials of a run that have not failed, the one with the lowest number counts. Everyone
    sees the same one, since a trial appears together with the name of its run, and only its first
    taker gets it, since the storage lets one worker turn "waiting" into "running".
    """

    def __init__(self, plan, study, clock, patience, options) -> None:
        self.plan, self.study, self.clock = plan, study, clock
        self.patience, self.options = patience, options
        self.seen: dict[int, tuple[Any, float]] = {}  # by trial: its last beat, and when we saw it

    def trials(self, runs: dict[str, int]) -> dict[str, Any]:
        """The trial that counts, by run."""
        live: dict[str, Any] = {}
        for trial in sorted(self.study.get_trials(deepcopy=False), key=lambda t: t.number):
            run = trial.user_attrs.get("run")
            if run in runs and trial.state.name != "FAIL":
                live.setdefault(run, trial)
        return live

    def scores(self, runs: dict[str, int]) -> dict[int, float] | None:
        """The scores of all these runs by candidate, or None while one is missing."""
        done = {
            runs[run]: trial.value
            for run, trial in self.trials(runs).items()
            if trial.state.name == "COMPLETE"
        }
        return dict(sorted(done.items())) if len(done) == len(runs) else None

    def work(self, rung: Rung, runs: dict[str, int]) -> bool:
        """Do one thing for the rung; False if there is nothing to do but to wait."""
        live = self.trials(runs)
        if any(trial.state.name == "WAITING" for trial in live.values()):
            return self.claim(rung, runs)
        if missing := [run for run in runs if run not in live]:
            self.offer(missing[0], runs[missing[0]])
            return True
        return any([self.give_up_on(trial) for trial in live.values()])

    def offer(self, run: str, candidate: int) -> None:
        """Add a waiting trial for a run that has none."""
        from optuna.distributions import CategoricalDistribution
        from optuna.trial import TrialState, create_trial

        values = {
            name: value if isinstance(value, (bool, int, float, str)) else str(value)
            for name, value in self.plan.candidates[candidate].items()
        }
        choices = {
            name: CategoricalDistribution(
                [v if isinstance(v, (bool, int, float, str)) else str(v) for v in row]
            )
            for name, row in self.plan.grid.items()
        }
        self.study.add_trial(
            create_trial(
                state=TrialState.WAITING,
                params=values,
                distributions=choices,
                user_attrs={"run": run, "candidate": candidate + 1},
            )
        )

    def claim(self, rung: Rung, runs: dict[str, int]) -> bool:
        """Take the first waiting trial and train its run; a trial that does not count is failed."""
        from optuna.trial import TrialState

        trial = self.study.ask()
        run = trial.user_attrs.get("run")
        counting = self.trials(runs).get(run)
        if counting is None or counting.number != trial.number:
            self.finish(trial.number, state=TrialState.FAIL)
            return True
        try:
            with self.beating(trial):
                record = train_candidate(
                    self.plan.config(rung, runs[run]), self.plan.folder, self.clock, **self.options
                )
        except BaseException:
            self.finish(trial.number, state=TrialState.FAIL)  # so that others need not wait
            raise
        self.finish(trial.number, values=score_of(record, self.plan.score))
        return True

    def finish(self, number: int, **outcome: Any) -> None:
        """End a trial unless someone else has."""
        from optuna.exceptions import UpdateFinishedTrialError

        with contextlib.suppress(UpdateFinishedTrialError):
            self.study.tell(number, skip_if_finished=True, **outcome)

    def give_up_on(self, trial) -> bool:
        """Fail a running trial whose worker has not been heard of for too long.

        The time is taken by this worker's clock alone, so clocks need not agree.
        """
        from optuna.trial import TrialState

        if trial.state.name != "RUNNING":
            return False
        beat, now = trial.user_attrs.get("beat"), time.monotonic()
        last, since = self.seen.get(trial.number, (None, now))
        if trial.number not in self.seen or beat != last:
            self.seen[trial.number] = (beat, now)
            return False
        if now - since < self.patience:
            return False
        print(f"{trial.user_attrs['run']}: its worker has gone; the run is given to another")
        self.finish(trial.number, state=TrialState.FAIL)
        return True

    @contextlib.contextmanager
    def beating(self, trial) -> Iterator[None]:
        """Show signs of life in the storage while a trial's run trains."""
        stop = threading.Event()

        def beat() -> None:
            count = 0
            while not stop.wait(self.patience / 4):
                count += 1
                try:
                    trial.set_user_attr("beat", count)
                except Exception:  # given to another worker, or the storage is away for a moment
                    continue

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
