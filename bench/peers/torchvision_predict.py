"""Images a second of torchvision's ResNet-50 from normalised pixels to logits, channels-last, as a careful user writes it:
eager, or with `torch.compile`. Prints one JSON line; the first three calls are not counted."""

import argparse
import os
import statistics
import time

import torch

from common import answer, network


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("weights")
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--precision", choices=["bf16", "fp32"], required=True)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(os.cpu_count())
    model = network(options.weights, 2).eval().to(memory_format=torch.channels_last)
    images = torch.randn(options.batch, 3, options.size, options.size).contiguous(memory_format=torch.channels_last)
    if options.precision == "bf16":  # without autocast, which would cast the weights at every call
        model, images = model.bfloat16(), images.bfloat16()
    call = torch.compile(model) if options.compile else model
    times = []
    with torch.inference_mode():
        for _ in range(3):
            call(images)
        start = time.perf_counter()
        while time.perf_counter() - start < options.seconds or len(times) < 3:
            before = time.perf_counter()
            call(images)
            times.append(time.perf_counter() - before)
    answer(imagesPerSecond=options.batch / statistics.median(times))


if __name__ == "__main__":
    main()
