"""How far a network looks: not beyond what its layers allow."""

import numpy as np
import torch

from seglib.models import build_model
from seglib.models.inspection import receptive_field
from study.receptive_field import effective_receptive_field


def test_effective_receptive_field():
    torch.manual_seed(0)
    model = build_model("fcn", 3, width=4)
    field = effective_receptive_field(model, (32, 48), inputs=4)
    assert field.shape == (32, 48)
    assert field.max() == 1
    rows, columns = np.nonzero(field)
    assert rows.max() - rows.min() < receptive_field(model)
    assert columns.min() > 0 and columns.max() < 47  # it ends before the border
    np.testing.assert_array_equal(field, effective_receptive_field(model, (32, 48), inputs=4))
