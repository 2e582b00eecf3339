"""Memory during training, in processes of their own."""

from .loops import WAYS, prepare_fit, prepare_smp, same_encoder
from .measuring import Comparison, peak_megabytes
from .peers import SAME_ENCODERS


def measure(repetitions: int) -> list[Comparison]:
    """MiB on top of the imported libraries while one epoch is trained, at equal multiply-adds."""
    rows = []
    for encoder in SAME_ENCODERS:
        way = f"our U-Net on the same encoder, fit in {same_encoder(encoder).precision}"
        ours = [peak_megabytes(prepare_fit, encoder) for _ in range(repetitions)]
        for peer in WAYS:
            rows.append(
                Comparison(
                    f"Memory of training at the multiply-adds of smp's {encoder}, "
                    f"Lightning in {peer}",
                    *("MiB", "lower", ours, way),
                    [peak_megabytes(prepare_smp, encoder, peer) for _ in ours],
                    f"smp.Unet({encoder}), our batches and loss, by Lightning",
                    why="Equal multiply-adds are not equal maps: the decoders differ.",
                )
            )
    return rows
