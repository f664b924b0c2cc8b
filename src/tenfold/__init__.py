"""Tenfold trains and measures classifiers of handwritten digits.

    import tenfold
    run = tenfold.train("classic", seed=0)
    run.accuracy, run.figures, run.report

Each name is imported when it is first used, so `import tenfold` is fast.
"""

import os
from importlib import import_module

from tenfold._version import __version__ as __version__

TYPE_CHECKING = False  # importing it from typing would take longer than all the rest
# ONNX Runtime from 1.29 on stores an identifier of this machine in the home folder and sends usage
# data over the network. It reads this variable when it is imported, so it is set here.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

if TYPE_CHECKING:
    from tenfold.auditing.results import Audit as Audit
    from tenfold.data.mnist import load_mnist as load_mnist
    from tenfold.errors import TenfoldError as TenfoldError
    from tenfold.reading.reader import Reader as Reader
    from tenfold.reading.result import Reading as Reading
    from tenfold.reading.result import Status as Status
    from tenfold.recipes.catalogue import RECIPES as RECIPES
    from tenfold.recipes.configs import AugmentationConfig as AugmentationConfig
    from tenfold.recipes.configs import ConvolutionalConfig as ConvolutionalConfig
    from tenfold.recipes.configs import OptimizerConfig as OptimizerConfig
    from tenfold.recipes.configs import PerceptronConfig as PerceptronConfig
    from tenfold.recipes.configs import SeparableConfig as SeparableConfig
    from tenfold.recipes.own_model import ModuleConfig as ModuleConfig
    from tenfold.recipes.recipe import Recipe as Recipe
    from tenfold.recipes.upright import UprightConfig as UprightConfig
    from tenfold.runs.folder import Run as Run
    from tenfold.runs.folder import load_run as load_run
    from tenfold.studies.study import Study as Study
    from tenfold.studies.study import load_study as load_study
    from tenfold.workflow.audit import audit as audit
    from tenfold.workflow.audit import audit_labels as audit_labels
    from tenfold.workflow.compare import average_study as average_study
    from tenfold.workflow.compare import compare as compare
    from tenfold.workflow.evaluate import evaluate as evaluate
    from tenfold.workflow.export import export_run as export_run
    from tenfold.workflow.export_c import export_c as export_c
    from tenfold.workflow.export_int8 import export_int8 as export_int8
    from tenfold.workflow.hub import export_hub as export_hub
    from tenfold.workflow.hub import load_hub as load_hub
    from tenfold.workflow.study import study as study
    from tenfold.workflow.train import resume as resume
    from tenfold.workflow.train import train as train

_HOMES = {
    "Audit": "tenfold.auditing.results",
    "AugmentationConfig": "tenfold.recipes.configs",
    "ConvolutionalConfig": "tenfold.recipes.configs",
    "ModuleConfig": "tenfold.recipes.own_model",
    "OptimizerConfig": "tenfold.recipes.configs",
    "PerceptronConfig": "tenfold.recipes.configs",
    "RECIPES": "tenfold.recipes.catalogue",
    "Reader": "tenfold.reading.reader",
    "Reading": "tenfold.reading.result",
    "Recipe": "tenfold.recipes.recipe",
    "Run": "tenfold.runs.folder",
    "SeparableConfig": "tenfold.recipes.configs",
    "Status": "tenfold.reading.result",
    "Study": "tenfold.studies.study",
    "TenfoldError": "tenfold.errors",
    "UprightConfig": "tenfold.recipes.upright",
    "audit": "tenfold.workflow.audit",
    "audit_labels": "tenfold.workflow.audit",
    "average_study": "tenfold.workflow.compare",
    "compare": "tenfold.workflow.compare",
    "evaluate": "tenfold.workflow.evaluate",
    "export_c": "tenfold.workflow.export_c",
    "export_hub": "tenfold.workflow.hub",
    "export_int8": "tenfold.workflow.export_int8",
    "export_run": "tenfold.workflow.export",
    "load_hub": "tenfold.workflow.hub",
    "load_mnist": "tenfold.data.mnist",
    "load_run": "tenfold.runs.folder",
    "load_study": "tenfold.studies.study",
    "resume": "tenfold.workflow.train",
    "study": "tenfold.workflow.study",
    "train": "tenfold.workflow.train",
}
__all__ = [
    "RECIPES",
    "Audit",
    "AugmentationConfig",
    "ConvolutionalConfig",
    "ModuleConfig",
    "OptimizerConfig",
    "PerceptronConfig",
    "Reader",
    "Reading",
    "Recipe",
    "Run",
    "SeparableConfig",
    "Status",
    "Study",
    "TenfoldError",
    "UprightConfig",
    "audit",
    "audit_labels",
    "average_study",
    "compare",
    "evaluate",
    "export_c",
    "export_hub",
    "export_int8",
    "export_run",
    "load_hub",
    "load_mnist",
    "load_run",
    "load_study",
    "resume",
    "study",
    "train",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'tenfold' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
