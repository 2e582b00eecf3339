"""The runs that the report speaks of, by name: which config each name means, and its record.

A name is a role and a run, as in `street/unet`. There are two roles: `generated` is the dataset
that the project makes itself, `street` the dataset of real photographs, CamVid unless another is
asked for. Runs are

* `fcn`, `unet`, `vit` and `swin`: the full recipe of the study's plan;
* `best`, `quickest` and `slowest`: the one of these with the highest mIoU on val, or in training;
* `sharpest`, `blurriest`, `surest`, `unsurest`, `toughest`, `frailest` and `farthest`: by what was
  measured of them besides their scores;
* `unet:fine-tuned` and the like: started from the weights of the generated dataset;
* `unet:with the sweep's frames` and the other `VARIANTS` of `parts`: beside the full runs;
* `unet:without skips` and the like: the ablations, by their names in `recipes`;
  `unet:reference` is the unchanged short run.
"""

from collections.abc import Callable
from functools import cache, cached_property

from .. import comparison, paths, recipes
from ..config import RunConfig
from ..data.datasets import DatasetSpec, dataset_spec
from ..errors import ConfigError, RecordError
from ..measurements import measurement
from ..records import Record, find_record
from ..reporting import DATASET_NAMES, MODEL_NAMES
from ..study_plan import Entry, StudyRun, load_study
from .parts import GROUPS, MODELS, ROLES, VARIANTS, lacking

ABLATIONS = {"unet": recipes.unet_ablations, "swin": recipes.swin_ablations}
VARIANT_GROUPS = {variant.name: variant.group for variant in VARIANTS.values()}
Chooser = Callable[[Record, str, str], float]  # of record, final split, dataset abroad; the highest
ARTICLES = {"fcn": "the FCN", "unet": "the U-Net", "vit": "the ViT", "swin": "the Swin network"}


class Runs:
    """Names to records, for one choice of the real dataset."""

    def __init__(self, street: str = "camvid") -> None:
        if dataset_spec(street).name == "miniscapes":
            raise ConfigError("dataset 'miniscapes' is always in the report; name a real one")
        self.datasets = {"generated": "miniscapes", "street": street}

    def dataset(self, role: str) -> DatasetSpec:
        """The dataset of a role; ConfigError lists the roles for another word."""
        if role not in self.datasets:
            raise ConfigError(f"role {role!r} is unknown; choose one of: {', '.join(ROLES)}")
        return dataset_spec(self.datasets[role])

    def dataset_name(self, role: str) -> str:
        return DATASET_NAMES[self.dataset(role).name]

    def final_split(self, role: str) -> str:
        """The split of the last word: test, or val where test has no public labels."""
        return "val" if self.dataset(role).name == "cityscapes" else "test"

    def abroad(self, role: str) -> str:
        """The other role's dataset, on which a run of this role was never trained."""
        return self.dataset(ROLES[1 - ROLES.index(role)]).name

    def config(self, name: str) -> RunConfig:
        """The config that a name means; ConfigError if there is no such run in the plan."""
        role, _, run = name.partition("/")
        dataset = self.dataset(role).name
        model, _, variant = run.partition(":")
        if run in CHOSEN:
            return self.chosen(role, run).config
        if not variant or variant in VARIANT_GROUPS:
            group = VARIANT_GROUPS[variant] if variant else "models"
            found = self._planned(role, group).get(model)
        else:
            ablations = ABLATIONS[model](dataset) if model in ABLATIONS else {}
            reference = next(iter(ablations), None)
            found = ablations.get(reference if variant == "reference" else variant)
        if found is None:
            raise ConfigError(f"{name!r} names no run of the study's plan")
        return found

    def record(self, name: str) -> Record:
        """The record of a run; `RecordError` names the run and says how to make it."""
        config = self.config(name)
        record = find_record(config)
        if record is None:
            raise RecordError(
                f"{name} needs the run {config.run_id}, which has no record in "
                f"{paths.results_dir()}; make it: seglib study --dataset {config.dataset}"
            )
        return record

    def chosen(self, role: str, by: str) -> Record:
        """The full run of the role that stands out, by a word of `CHOSEN`."""
        split, abroad = self.final_split(role), self.abroad(role)
        records = [self.record(f"{role}/{model}") for model in MODELS]
        return max(records, key=lambda record: CHOSEN[by](record, split, abroad))

    @cache  # noqa: B019  one object per report
    def group(self, role: str, name: str) -> list[Entry]:
        """The plan's entries of a group on the role's dataset; none if there is no such group."""
        dataset = self.dataset(role).name
        scale = "gpu" if dataset == "cityscapes" else "cpu"
        return [entry for entry in load_study(scale, datasets=[dataset]) if entry.group == name]

    @cache  # noqa: B019
    def lacking(self, part: str) -> list[str]:
        """What an optional part of the report (`parts.PARTS`) waits for; empty if it is told."""
        return lacking(part, self)

    def ablations(self, model: str) -> dict[str, str]:
        """Names of the reference and its ablations on the generated dataset, by label."""
        labels = list(ABLATIONS[model](self.datasets["generated"]))
        return {
            label: f"generated/{model}:{'reference' if i == 0 else label}"
            for i, label in enumerate(labels)
        }

    def label(self, name: str) -> str:
        """What a run is called in running text: "the U-Net", "the U-Net without skips"."""
        role, _, run = name.partition("/")
        model, _, variant = run.partition(":")
        if run in CHOSEN:
            model = self.chosen(role, run).config.model
        if not variant:
            return ARTICLES[model]
        if variant == "fine-tuned":
            return f"the fine-tuned {MODEL_NAMES[model]}"
        if variant == "reference":
            return "the unchanged run"
        return f"{ARTICLES[model]} {variant}" if variant.startswith("with") else f"``{variant}''"

    def all_names(self) -> list[str]:
        """Every run of the report, in the order of its appendix."""
        names = [f"{role}/{model}" for role in ROLES for model in MODELS]
        for part, (variant, role, group) in VARIANTS.items():
            if not self.lacking(part):
                planned = self._planned(role, group)
                names += [f"{role}/{model}:{variant}" for model in MODELS if model in planned]
        return names + self.recorded_ablations()

    def recorded_ablations(self) -> list[str]:
        """The names of the ablations that the report tells of, references included."""
        told = [model for model in ABLATIONS if not self.lacking(f"{model}-ablations")]
        return [name for model in told for name in self.ablations(model).values()]

    def describe(self, name: str) -> str:
        """A line for tables: "U-Net, without skips"."""
        _, _, run = name.partition("/")
        model, _, variant = run.partition(":")
        return f"{MODEL_NAMES[model]}, {variant}" if variant else MODEL_NAMES[model]

    def groups(self) -> dict[str, list[Entry]]:
        """The entries of the groups of short runs that the report tells of as a whole, by part."""
        told = {part: place for part, place in GROUPS.items() if not self.lacking(part)}
        return {part: self.group(*place) for part, place in told.items()}

    @cache  # noqa: B019
    def _planned(self, role: str, group: str) -> dict[str, RunConfig]:
        """The plan's runs of a group on a role's dataset by architecture, seed 0."""
        return {
            entry.config.model: entry.config
            for entry in self.group(role, group)
            if isinstance(entry, StudyRun) and entry.config.seed == 0
        }

    @cached_property
    def codes(self) -> dict[str, str]:
        """A short mark for each run id and group, as tables and the list of sources print it.

        R1, R2, … for runs; G1, G2, … for the groups, which have their part's name.
        """
        ids = dict.fromkeys(self.config(name).run_id for name in self.all_names())
        codes = {run_id: f"R{number}" for number, run_id in enumerate(ids, 1)}
        return codes | {part: f"G{number}" for number, part in enumerate(self.groups(), 1)}


def _of_part(part: str, value: Callable[[dict], float]) -> Chooser:
    """Chooses by a measurement's values on the split; `value` takes them."""
    return lambda record, split, abroad: value(measurement(record, part)[split])


def _kept(record: Record, split: str, abroad: str) -> float:
    kept = comparison.kept_under(measurement(record, "robustness"))
    return sum(kept.values()) / len(kept)


def _abroad(record: Record, split: str, abroad: str) -> float:
    return measurement(record, "generalisation")[abroad]["abroad"][split]["miou"]


CHOSEN: dict[str, Chooser] = {
    "best": lambda record, split, abroad: record.miou(),
    "quickest": lambda record, split, abroad: -record.environment["seconds"],
    "slowest": lambda record, split, abroad: record.environment["seconds"],
    "sharpest": _of_part("boundaries", lambda values: values["bands"][0]["miou"]),
    "blurriest": _of_part("boundaries", lambda values: -values["bands"][0]["miou"]),
    "surest": _of_part("calibration", lambda values: -values["ece"]),
    "unsurest": _of_part("calibration", lambda values: values["ece"]),
    "toughest": _kept,
    "frailest": lambda *arguments: -_kept(*arguments),
    "farthest": _abroad,
}
