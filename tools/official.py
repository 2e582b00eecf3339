"""The official Cityscapes evaluator with a numpy that is newer than it.

    CITYSCAPES_DATASET=TREE CITYSCAPES_RESULTS=PREDICTIONS python -m tools.official

scores the label ids in PREDICTIONS, as `seglib predict` or `seglib evaluate --export` wrote them,
against the val split of TREE. It is csEvalPixelLevelSemanticLabeling of cityscapesscripts, which
up to version 2.3.0 calls a function that numpy 2.4 has dropped.
"""

import importlib
import sys

import numpy as np

EVALUATOR = "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling"

if __name__ == "__main__":
    np.in1d = np.isin
    sys.exit(importlib.import_module(EVALUATOR).main())
