"""Fine-tunes torchvision's ResNet-50, as a script that PyTorch's users write: `best` with what careful ones know, and
`tutorial` as PyTorch's transfer-learning tutorial has it.

    python torchvision_train.py DATA --weights FILE --freeze backbone|half|until-layer3|none --recipe best|tutorial

Prints one JSON line. Rates, frozen layers, crops and batch size are the package's; a frozen layer's BatchNorm is in
evaluation mode.
"""

import argparse
import os
import time
from pathlib import Path

import torch
from torch import nn

from common import DEVIATION, MEAN, answer, crops, image_folder, network, transforms

AUGMENT = {"backbone": "none", "half": "flip", "until-layer3": "flip", "none": "standard"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--freeze", choices=AUGMENT, required=True)
    parser.add_argument("--recipe", choices=["best", "tutorial"], default="best")
    parser.add_argument("--precision", choices=["bf16", "fp32"], default="bf16", help="of `best`: the faster one here")
    parser.add_argument("--compile", action="store_true", help="torch.compile; compiling is part of the time")
    parser.add_argument("--features-once", action="store_true", help="compute the frozen backbone's features once")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--resize", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True, help="where the best epoch's weights go")
    options = parser.parse_args()
    if options.features_once and options.freeze != "backbone":
        parser.error("--features-once needs --freeze backbone: other views, or layers that train, change the features.")
    return options


def convolutions(model: nn.Module) -> list[tuple[nn.Module, nn.Module]]:
    """The backbone's 53 convolutions in torchvision's order, each with its BatchNorm."""
    modules = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.BatchNorm2d))]
    pairs = list(zip(modules[::2], modules[1::2], strict=True))
    assert len(pairs) == 53 and all(isinstance(c, nn.Conv2d) and isinstance(n, nn.BatchNorm2d) for c, n in pairs)
    return pairs


def freeze(model: nn.Module, rule: str) -> list[nn.Module]:
    """Freezes, and answers the BatchNorms that must stay in evaluation mode."""
    pairs = convolutions(model)
    last_stage = {id(module) for module in model.layer4.modules()}
    count = {
        "backbone": 53,
        "half": int(0.5 * 53),
        "until-layer3": sum(id(convolution) not in last_stage for convolution, _ in pairs),
        "none": 0,
    }[rule]
    for pair in pairs[:count]:
        for module in pair:
            module.requires_grad_(False)
    return [norm for _, norm in pairs[:count]]


def parameter_groups(model: nn.Module, rule: str) -> list[dict]:
    head = list(model.fc.parameters())
    if rule == "backbone":
        return [{"params": head, "lr": 1e-3}]
    if rule != "none":
        return [{"params": [p for p in model.parameters() if p.requires_grad], "lr": 1e-5}]
    pairs = convolutions(model)
    ends = [0, int(0.25 * 53), int(0.75 * 53), 53]
    tiers = [
        {"params": [p for pair in pairs[first:last] for m in pair for p in m.parameters()], "lr": lr}
        for first, last, lr in zip(ends, ends[1:], [1e-6, 1e-5, 1e-4])
    ]
    return [*tiers, {"params": head, "lr": 1e-3}]


class Recipe:
    """How batches reach the network, and in what arithmetic it computes."""

    def __init__(self, options: argparse.Namespace):
        self.best = options.recipe == "best"
        self.autocast = self.best and options.precision == "bf16"
        self.mean = torch.tensor(MEAN).view(1, 3, 1, 1) * 255
        self.deviation = torch.tensor(DEVIATION).view(1, 3, 1, 1) * 255

    def loader(self, path: Path, augment: str, options: argparse.Namespace, shuffle: bool):
        # Bytes travel from the workers to the trainer four times faster than floats do.
        last = [transforms.PILToTensor()]
        if not self.best:
            last = [transforms.ToTensor(), transforms.Normalize(MEAN, DEVIATION)]
        dataset = image_folder(path, crops(augment, options.size, options.resize) + last)
        workers = {"num_workers": 2, "persistent_workers": True} if self.best else {"num_workers": min(4, os.cpu_count())}
        return torch.utils.data.DataLoader(dataset, batch_size=options.batch_size, shuffle=shuffle, **workers)

    def inputs(self, images: torch.Tensor) -> torch.Tensor:
        if not self.best:
            return images
        images = images.contiguous(memory_format=torch.channels_last)
        return images.float().sub_(self.mean).div_(self.deviation)

    def arithmetic(self):
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.autocast)

    def prepare(self, model: nn.Module) -> nn.Module:
        return model.to(memory_format=torch.channels_last) if self.best else model

    def optimizer(self, groups: list[dict]) -> torch.optim.Optimizer:
        return torch.optim.Adam(groups, fused=True) if self.best else torch.optim.Adam(groups)


def train_epoch(model: nn.Module, still: list[nn.Module], batches, optimizer, recipe: Recipe) -> int:
    model.train()
    for norm in still:
        norm.eval()
    images_seen = 0
    for images, labels in batches:
        optimizer.zero_grad(set_to_none=True)
        with recipe.arithmetic():
            loss = nn.functional.cross_entropy(model(recipe.inputs(images)), labels)
        loss.backward()
        optimizer.step()
        images_seen += len(labels)
    return images_seen


def evaluate(model: nn.Module, batches, recipe: Recipe) -> tuple[float, float]:
    model.eval()
    right, loss, count = 0, 0.0, 0
    with torch.inference_mode(), recipe.arithmetic():
        for images, labels in batches:
            logits = model(recipe.inputs(images)).float()
            loss += float(nn.functional.cross_entropy(logits, labels, reduction="sum"))
            right += int((logits.argmax(1) == labels).sum())
            count += len(labels)
    return right / count, loss / count


def collect_features(model: nn.Module, batches, recipe: Recipe) -> torch.utils.data.TensorDataset:
    """What the head is given for every image: with a frozen backbone and one view an image it never changes."""
    head, model.fc = model.fc, nn.Identity()
    features, labels = [], []
    model.eval()
    with torch.no_grad(), recipe.arithmetic():
        for images, targets in batches:
            features.append(model(recipe.inputs(images)).float())
            labels.append(targets)
    model.fc = head
    return torch.utils.data.TensorDataset(torch.cat(features), torch.cat(labels))


class Ready(Recipe):
    """Features need no preparation."""

    def inputs(self, images: torch.Tensor) -> torch.Tensor:
        return images


def main() -> None:
    options = arguments()
    torch.manual_seed(options.seed)
    torch.set_num_threads(os.cpu_count())
    recipe = Recipe(options)
    train = recipe.loader(options.data / "train", AUGMENT[options.freeze], options, shuffle=True)
    val = recipe.loader(options.data / "val", "none", options, shuffle=False)
    model = recipe.prepare(network(options.weights, len(train.dataset.classes)))
    still = freeze(model, options.freeze)
    optimizer = recipe.optimizer(parameter_groups(model, options.freeze))
    trained: nn.Module = model
    if options.features_once:
        sets = [(collect_features(model, batches, recipe), shuffle) for batches, shuffle in ((train, True), (val, False))]
        train, val = (
            torch.utils.data.DataLoader(data, batch_size=options.batch_size, shuffle=shuffle) for data, shuffle in sets
        )
        trained, still = model.fc, []
        recipe = Ready(options)

    if options.compile:
        trained.compile()
    best, epochs, training, images = (-1.0, 0.0), [], 0.0, 0
    for _ in range(options.epochs):
        start = time.perf_counter()
        count = train_epoch(trained, still, train, optimizer, recipe)
        seconds = time.perf_counter() - start
        training, images = training + seconds, images + count
        top1, loss = evaluate(trained, val, recipe)
        epochs.append({"top1": top1, "loss": loss, "imagesPerSecond": count / seconds})
        if (top1, -loss) > best:
            best = (top1, -loss)
            torch.save(model.state_dict(), options.out)
    answer(top1=best[0], imagesPerSecond=images / training, lastImagesPerSecond=epochs[-1]["imagesPerSecond"], epochs=epochs)


if __name__ == "__main__":
    main()
