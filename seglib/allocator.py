"""Memory that a training on a CPU keeps instead of returning it to the system after every step."""

import ctypes

# Parameters of glibc's mallopt (malloc.h) and their values.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
SETTINGS = {
    M_MMAP_MAX: 0,  # large blocks come from the heap, too, and not from a mapping of their own
    M_TRIM_THRESHOLD: 2**31 - 1,  # free memory at the heap's end stays
    M_TOP_PAD: 64 * 2**20,  # it grows by 64 MiB at a time
}


def keep_memory() -> bool:
    """Let this process keep the memory that it frees; returns whether its C library can do that.

    A training step frees hundreds of large blocks and the next one asks for the same sizes again.
    By default glibc returns them to the system each time, which hands out cleared pages one fault
    after the other. Kept, a step is 5 to 20 % faster on two cores; no result changes. Does nothing
    where the C library is another than glibc (macOS, Windows, musl).
    """
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018  (raises where it is another library)
        mallopt = library.mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return all([mallopt(parameter, value) for parameter, value in SETTINGS.items()])
