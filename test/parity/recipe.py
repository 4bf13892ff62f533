"""Weights and images that Python and TypeScript (recipe.ts) can both compute, to the bit: an integer hash, scaled.

`mix` is the 32-bit finaliser "lowbias32" of Chris Wellons' hash prospector; all sums and products wrap at 2^32.
"""

import math

import numpy as np
import torch


def mix(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.uint32)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x


def hashes(count: int, stream: int) -> np.ndarray:
    """Hash i of a stream is mix(i + mix(stream + 1))."""
    start = mix(np.array([stream + 1], dtype=np.uint32))
    return mix(np.arange(count, dtype=np.uint32) + start)


def uniform(count: int, stream: int, low: float, high: float) -> np.ndarray:
    """float64 in [low, high)."""
    return low + hashes(count, stream).astype(np.float64) / 4294967296.0 * (high - low)


def weight_range(name: str, shape: list[int]) -> tuple[float, float]:
    """By the shape and name of a tensor: He's bound for convolutions, PyTorch's for linear layers, busy BatchNorms.

    BatchNorms that end a bottleneck are small, so that sixteen of them do not let evaluation mode explode.
    """
    if name.endswith("num_batches_tracked"):
        return 0.0, 0.0
    if len(shape) == 4:
        bound = math.sqrt(6.0 / (shape[1] * shape[2] * shape[3]))
        return -bound, bound
    if name.startswith("fc."):
        bound = 1.0 / math.sqrt(shape[-1])
        return -bound, bound
    if name.endswith("running_var") or name.endswith("weight"):
        return (0.2, 0.4) if name.endswith("bn3.weight") else (0.5, 1.5)
    return -0.2, 0.2


def weights(shapes: dict[str, list[int]]) -> dict[str, torch.Tensor]:
    """Stream k for the k-th tensor of the state dict, in float64."""
    out = {}
    for stream, (name, shape) in enumerate(shapes.items()):
        low, high = weight_range(name, shape)
        out[name] = torch.from_numpy(uniform(math.prod(shape), stream, low, high)).reshape(shape)
    return out


PICTURE = (36, 44)  # height, width
BLOCK = 12


def picture(stream: int) -> np.ndarray:
    """Squares of one colour each, as bytes [height, width, 3]."""
    rows, columns = (math.ceil(side / BLOCK) for side in PICTURE)
    colours = np.floor(uniform(rows * columns * 3, 5000 + stream, 0, 256)).astype(np.uint8).reshape(rows, columns, 3)
    return colours.repeat(BLOCK, 0).repeat(BLOCK, 1)[: PICTURE[0], : PICTURE[1]]


def images(shape: list[int], stream: int) -> torch.Tensor:
    """Normalised pixels, roughly: uniform in [−2, 2), float64."""
    return torch.from_numpy(uniform(math.prod(shape), 1000 + stream, -2.0, 2.0)).reshape(shape)


def labels(count: int, classes: int, stream: int) -> torch.Tensor:
    return torch.from_numpy((hashes(count, 2000 + stream) % np.uint32(classes)).astype(np.int64))


PROJECTIONS = 8


def digest(tensor: torch.Tensor) -> torch.Tensor:
    """The L2 norm, then sums under 8 patterns of random signs.

    The root mean square of the differences of such sums estimates the L2 norm of the difference of two tensors, so a
    tensor of millions is compared through nine numbers. Bit k of hash i of stream 3000 is the sign of entry i in sum k.
    """
    flat = tensor.detach().to(torch.float64).reshape(-1).numpy()
    bits = hashes(flat.size, 3000)
    sums = [flat @ (1.0 - 2.0 * ((bits >> np.uint32(k)) & np.uint32(1)).astype(np.float64)) for k in range(PROJECTIONS)]
    return torch.tensor([math.sqrt(float(flat @ flat)), *sums], dtype=torch.float64)
