"""The runs that the report speaks of, by name: which config each name means, and its record.

A name is a role and a run, as in `street/unet`. There are two roles: `generated` is the dataset
that the project makes itself, `street` the dataset of real photographs, CamVid unless another is
asked for. Runs are

* `fcn`, `unet`, `vit` and `swin`: the full recipe of the study's plan;
* `best`, `quickest` and `slowest`: the one of these with the highest mIoU on val, or in training;
* `unet:fine-tuned` and the like: started from the weights of the generated dataset;
* `unet:without skips` and the like: the ablations, by their names in `recipes`;
  `unet:reference` is the unchanged short run.
"""

from collections.abc import Callable
from functools import cache, cached_property

from .. import paths, recipes
from ..config import RunConfig
from ..data.datasets import DatasetSpec, dataset_spec
from ..errors import ConfigError, RecordError
from ..records import Record, find_record
from ..reporting import DATASET_NAMES, MODEL_NAMES
from ..study_plan import StudyRun, load_study

CHOSEN: dict[str, Callable[[Record], float]] = {
    "best": lambda record: record.miou(),
    "quickest": lambda record: -record.environment["seconds"],
    "slowest": lambda record: record.environment["seconds"],
}
ROLES = ("generated", "street")
MODELS = ("fcn", "unet", "vit", "swin")  # in the order in which the report tells of them
ABLATIONS = {"unet": recipes.unet_ablations, "swin": recipes.swin_ablations}
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

    def config(self, name: str) -> RunConfig:
        """The config that a name means; ConfigError if there is no such run in the plan."""
        role, _, run = name.partition("/")
        dataset = self.dataset(role).name
        model, _, variant = run.partition(":")
        if run in CHOSEN:
            return self.chosen(role, run).config
        if variant in ("", "fine-tuned"):
            group = "fine-tuned" if variant else "models"
            found = self._planned(dataset, group).get(model)
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
        return max((self.record(f"{role}/{model}") for model in MODELS), key=CHOSEN[by])

    def planned(self, group: str) -> bool:
        """Whether the plan has a group, as in `street/fine-tuned`, on the role's dataset."""
        role, _, name = group.partition("/")
        return bool(self._planned(self.dataset(role).name, name))

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
        if self.planned("street/fine-tuned"):
            tuned = self._planned(self.datasets["street"], "fine-tuned")
            names += [f"street/{model}:fine-tuned" for model in MODELS if model in tuned]
        return names + [name for model in ABLATIONS for name in self.ablations(model).values()]

    def describe(self, name: str) -> str:
        """A line for tables: "U-Net, without skips"."""
        _, _, run = name.partition("/")
        model, _, variant = run.partition(":")
        return f"{MODEL_NAMES[model]}, {variant}" if variant else MODEL_NAMES[model]

    @cache  # noqa: B019  one object per report
    def _planned(self, dataset: str, group: str) -> dict[str, RunConfig]:
        """The plan's runs of a group on a dataset by architecture, seed 0."""
        scale = "gpu" if dataset == "cityscapes" else "cpu"
        known = {entry.group for entry in load_study(scale)}
        entries = load_study(scale, datasets=[dataset], groups=[group]) if group in known else []
        return {
            entry.config.model: entry.config
            for entry in entries
            if isinstance(entry, StudyRun) and entry.config.seed == 0
        }

    @cached_property
    def codes(self) -> dict[str, str]:
        """A short mark for each run id, as tables and the list of sources print it: R1, R2, …"""
        ids = dict.fromkeys(self.config(name).run_id for name in self.all_names())
        return {run_id: f"R{number}" for number, run_id in enumerate(ids, 1)}
