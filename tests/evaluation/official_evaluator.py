"""Runs the real Cityscapes pixel-level evaluator (cityscapesscripts) as an oracle for scores."""

import copy
import importlib
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

MODULE = "cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling"


def official_scores(truth: Path, predictions: Path) -> dict[str, Any]:
    """Score the label-id PNG files in `predictions` against every `*_labelIds.png` below `truth`.

    Files are paired by the evaluator's own rule (`{city}_{sequence}_{frame}*.png`), and instance
    masks are read from beside the truth. Returns its result: "confMatrix" (34 label ids),
    "classScores", "classInstScores", "categoryScores", "categoryInstScores" by name and
    "averageScoreClasses", "averageScoreInstClasses", "averageScoreCategories",
    "averageScoreInstCategories". Its complaints end in SystemExit, as they do for users.
    """
    evaluator = importlib.import_module(MODULE)
    args = copy.copy(evaluator.args)
    args.quiet, args.JSONOutput, args.evalInstLevelScore = True, False, True
    args.predictionPath, args.predictionWalk = str(predictions), None
    truth_files = sorted(str(path) for path in Path(truth).rglob("*_labelIds.png"))
    # The evaluator (2.3.0) still calls a function that numpy dropped.
    with mock.patch.object(np, "in1d", np.isin, create=True):
        prediction_files = [evaluator.getPrediction(args, file) for file in truth_files]
        return evaluator.evaluateImgLists(prediction_files, truth_files, args)
