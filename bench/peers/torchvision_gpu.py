"""Trains torchvision's ResNet-50 on a GPU with the settings that are known to be best: channels-last, autocast, fused SGD,
cuDNN's search, gradients set to none, pinned memory and workers that stay.

    python torchvision_gpu.py DATA --precision bf16|fp16 --batch-size N --epochs N [--compile] [--resident] [--device cpu]

Prints one JSON line: images a second, over the epochs after the first. With --resident every step takes the same batch,
which lies on the device: what is left without loading. On the CPU it shows that the script runs, and nothing else.
"""

import argparse
import os
import time
from pathlib import Path

import torch
from torch import nn

from common import DEVIATION, MEAN, answer, crops, image_folder, torchvision, transforms


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--precision", choices=["bf16", "fp16"], required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--resize", type=int, default=256)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--resident", action="store_true")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    return parser.parse_args()


class Trainer:
    def __init__(self, options: argparse.Namespace, classes: int):
        self.device = options.device
        self.dtype = torch.bfloat16 if options.precision == "bf16" else torch.float16
        self.model = torchvision.models.resnet50(weights=None, num_classes=classes).to(self.device)
        self.model.to(memory_format=torch.channels_last).train()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4, fused=True)
        self.scaler = torch.amp.GradScaler(self.device, enabled=options.precision == "fp16")
        self.forward = torch.compile(self.model) if options.compile else self.model
        self.mean = torch.tensor(MEAN, device=self.device).view(1, 3, 1, 1) * 255
        self.deviation = torch.tensor(DEVIATION, device=self.device).view(1, 3, 1, 1) * 255

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        images = images.to(self.device, non_blocking=True).to(memory_format=torch.channels_last)
        images = images.float().sub_(self.mean).div_(self.deviation)
        labels = labels.to(self.device, non_blocking=True)
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device, dtype=self.dtype):
            loss = nn.functional.cross_entropy(self.forward(images), labels)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()


def loader(options: argparse.Namespace) -> torch.utils.data.DataLoader:
    # Bytes travel to the trainer and to the device four times faster than floats do.
    dataset = image_folder(options.data / "train", crops("flip", options.size, options.resize) + [transforms.PILToTensor()])
    return torch.utils.data.DataLoader(
        dataset,
        batch_size=options.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=min(16, os.cpu_count()),
        pin_memory=options.device == "cuda",
        persistent_workers=True,
        prefetch_factor=4,
    )


def main() -> None:
    options = arguments()
    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")
    batches = loader(options)
    trainer = Trainer(options, len(batches.dataset.classes))
    resident = None
    if options.resident:
        shape = (options.batch_size, 3, options.size, options.size)
        images = torch.randint(0, 256, shape, dtype=torch.uint8, device=options.device)
        labels = torch.randint(0, 2, (options.batch_size,), device=options.device)
        resident = [(images, labels)] * len(batches)
    wait = torch.cuda.synchronize if options.device == "cuda" else lambda: None
    images, seconds = 0, 0.0
    for epoch in range(options.epochs + 1):
        wait()
        start = time.perf_counter()
        for batch in resident or batches:
            trainer.step(*batch)
        wait()
        if epoch > 0:  # the first one searches and compiles
            images += len(batches) * options.batch_size
            seconds += time.perf_counter() - start
    name = torch.cuda.get_device_name() if options.device == "cuda" else "cpu"
    answer(imagesPerSecond=images / seconds, device=name, torch=torch.__version__)


if __name__ == "__main__":
    main()
