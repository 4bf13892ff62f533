"""This machine's rate of matrix products, in floating-point operations a second: the highest of several sizes, each the
median of a few products. It is the bound that the plots draw. Called with the number of threads."""

import json
import statistics
import sys
import time

import torch


def rate(dtype: torch.dtype, size: int) -> float:
    a, b = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    seconds = []
    for _ in range(7):
        start = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / statistics.median(seconds[2:])


def main() -> None:
    torch.set_num_threads(int(sys.argv[1]))
    sizes = (1024, 2048, 4096)
    rates = {
        name: max(rate(dtype, size) for size in sizes)
        for name, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32))
    }
    print(json.dumps(rates))


if __name__ == "__main__":
    main()
