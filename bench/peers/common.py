"""What the PyTorch scripts here share: torchvision beside a torch that it was not built with, the network, the images."""

import json
import sys
from pathlib import Path

import torch
from torch import nn


def import_torchvision():
    """torchvision's own C++ operators do not load beside another release of torch. None of them is used here, but its
    import registers shapes for two of them, so they are declared where they are missing."""
    try:
        import torchvision
    except RuntimeError:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision

        torchvision.declared_operators = library  # they vanish with the library object
    return torchvision


torchvision = import_torchvision()
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
