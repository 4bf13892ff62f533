"""What the PyTorch scripts here share: the network and the images."""

import json
from pathlib import Path

import torch
import torchvision
from torch import nn

torch.backends.nnpack.set_flags(False)  # it warns at every convolution on processors that it does not know
transforms = torchvision.transforms

MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def network(weights: str, classes: int) -> nn.Module:
    """torchvision's ResNet-50 with the checkpoint's backbone and a new head of 2048 → 1024 → classes."""
    from safetensors.torch import load_file

    model = torchvision.models.resnet50(weights=None)
    state = {name: value.float() for name, value in load_file(weights).items() if not name.startswith("fc.")}
    missing, unexpected = model.load_state_dict(state, strict=False)
    # Counts of batches are not in every checkpoint, and nothing here depends on them.
    missing = [name for name in missing if not name.startswith("fc.") and not name.endswith("num_batches_tracked")]
    assert not missing and not unexpected, (missing, unexpected)
    model.fc = nn.Sequential(nn.Linear(2048, 1024), nn.ReLU(), nn.Linear(1024, classes))
    return model


def crops(augment: str, size: int, resize: int) -> list:
    """The same views that the package makes, by torchvision's transforms of the same names, on Pillow's images."""
    if augment == "standard":
        return [transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip()]
    centre = [transforms.Resize(resize), transforms.CenterCrop(size)]
    return centre + [transforms.RandomHorizontalFlip()] if augment == "flip" else centre


def image_folder(path: Path, steps: list):
    return torchvision.datasets.ImageFolder(str(path), transforms.Compose(steps))


def answer(**result) -> None:
    print(json.dumps(result), flush=True)
