"""What this machine allows, whoever asks for it. Its rate of arithmetic, in floating-point operations a second: the highest
of matrix products of several sizes and of a 3×3 convolution as ResNet-50 has it, each the median of a few. It is the bound that the tables
and plots hold everything against. And what a fresh page of memory costs. Called with the number of threads."""

import json
import mmap
import statistics
import sys
import time

import torch

torch.backends.nnpack.set_flags(False)  # it warns at every convolution on processors that it does not know


def seconds_of(call) -> float:
    taken = []
    for _ in range(7):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
        if taken[-1] > 1:  # arithmetic that the processor has to imitate
            return taken[-1]
    return statistics.median(taken[2:])


def products(dtype: torch.dtype) -> float:
    best = 0.0
    for size in (512, 1024, 2048, 4096):
        a, b = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
        seconds = seconds_of(lambda: torch.mm(a, b))
        best = max(best, 2 * size**3 / seconds)
        if seconds > 0.25:  # the next size takes eight times as long
            break
    return best


def convolution(dtype: torch.dtype) -> float:
    batch, channels, side = 8, 256, 14
    layer = torch.nn.Conv2d(channels, channels, 3, padding=1, bias=False).to(dtype, memory_format=torch.channels_last)
    images = torch.randn(batch, channels, side, side).to(dtype).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        return 2 * batch * side * side * channels * channels * 9 / seconds_of(lambda: layer(images))


def fresh_page() -> float:
    """Microseconds to write to a page for the first time, in pages of 4 KiB."""
    size, page = 256 << 20, 4096
    taken = []
    for _ in range(5):
        with mmap.mmap(-1, size) as memory:
            if hasattr(mmap, "MADV_NOHUGEPAGE"):
                memory.madvise(mmap.MADV_NOHUGEPAGE)
            pages = torch.frombuffer(memory, dtype=torch.uint8)[::page]
            start = time.perf_counter()
            pages.fill_(1)
            taken.append(time.perf_counter() - start)
            del pages
    return 1e6 * statistics.median(taken) / (size // page)


def main() -> None:
    torch.set_num_threads(int(sys.argv[1]))
    rates = {
        name: max(products(dtype), convolution(dtype))
        for name, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32))
    }
    print(json.dumps({**rates, "freshPageMicroseconds": fresh_page()}))


if __name__ == "__main__":
    main()
