"""torchvision's loading: ImageFolder, a random-resized crop to a batch of bytes, on one core and without processes to
hand batches over. Prints images a second, the first pass (which warms the page cache) left out."""

import argparse
import time
from pathlib import Path

import torch

from common import answer, crops, image_folder, transforms


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--passes", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    parts = [
        image_folder(options.data / part, [*crops("standard", options.size, 0), transforms.PILToTensor()])
        for part in ("train", "val")
    ]
    batches = torch.utils.data.DataLoader(torch.utils.data.ConcatDataset(parts), batch_size=32, shuffle=True)
    count = 0
    for current in range(options.passes + 1):
        if current == 1:
            start = time.perf_counter()
        for images, _ in batches:
            assert images.dtype == torch.uint8
            count += len(images) if current > 0 else 0
    answer(imagesPerSecond=count / (time.perf_counter() - start))


if __name__ == "__main__":
    main()
