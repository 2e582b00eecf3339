"""Memory during training, in processes of their own."""

from .loops import prepare_fit, prepare_smp
from .measuring import Comparison, peak_megabytes
from .peers import WIDTHS


def measure(repetitions: int) -> list[Comparison]:
    """MB on top of the imported libraries while one epoch is trained, at equal multiply-adds."""
    rows = []
    for encoder, width in WIDTHS.items():
        ours = [peak_megabytes(prepare_fit, width) for _ in range(repetitions)]
        for precision in ("32-true", "bf16-mixed"):
            rows.append(
                Comparison(
                    f"Memory of training at the multiply-adds of smp's {encoder}, "
                    f"Lightning in {precision}",
                    *("MB", "lower", ours, f"U-Net of width {width}, fit"),
                    [peak_megabytes(prepare_smp, width, encoder, precision) for _ in ours],
                    f"smp.Unet({encoder}), Lightning",
                    why="A plain U-Net keeps full-resolution activations that an encoder with a "
                    "stem of stride 2 never makes.",
                )
            )
    return rows
