"""What every reference script here starts from: torchvision's ResNet-50 with our head, and the exchange of files.

A script is called with one folder. `job.json` in it says what to compute; tensors come and go as safetensors files.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
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


def head(in_features: int, classes: int, hidden: list[int], dropout: float = 0.0) -> nn.Module:
    """One linear layer, or Linear, ReLU, Dropout for each hidden width and a Linear after them."""
    if not hidden:
        return nn.Linear(in_features, classes)
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(in_features, width), nn.ReLU(), nn.Dropout(dropout)]
        in_features = width
    return nn.Sequential(*layers, nn.Linear(in_features, classes))


def resnet(arch: str, classes: int, hidden: list[int] = [], dtype: torch.dtype = torch.float32) -> nn.Module:
    """A member of torchvision's family in evaluation mode, with our head in the place of `fc`."""
    model = getattr(torchvision.models, arch)(weights=None)
    model.fc = head(model.fc.in_features, classes, hidden)
    return model.to(dtype).eval()


def resnet50(classes: int, hidden: list[int] = [], dtype: torch.dtype = torch.float32) -> nn.Module:
    return resnet("resnet50", classes, hidden, dtype)


def features(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """[n, features] after the global average pool, which is what `fc` is given."""
    seen = []
    hook = model.fc.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model(images)
    hook.remove()
    return seen[0]


def randomize_batch_norm(model: nn.Module) -> None:
    """A fresh network's BatchNorm does nothing in evaluation mode; this gives every figure of it a part to play."""
    modules = dict(model.named_modules())
    ends = "bn3" if "layer1.0.bn3" in modules else "bn2"  # of a block
    for name, module in modules.items():
        if isinstance(module, nn.BatchNorm2d):
            low, high = (0.2, 0.4) if name.endswith(ends) else (0.5, 1.5)
            nn.init.uniform_(module.weight, low, high)
            nn.init.uniform_(module.bias, -0.2, 0.2)
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            module.num_batches_tracked.fill_(7)


def write_weights(path: Path, classes: int, hidden: list[int], seed: int, arch: str = "resnet50") -> nn.Module:
    """torchvision's initialisation with busy BatchNorms, as float32 safetensors."""
    torch.manual_seed(seed)
    model = resnet(arch, classes, hidden)
    randomize_batch_norm(model)
    save_file(model.state_dict(), path)
    return model


class Exchange:
    """The folder that a script was called with."""

    def __init__(self) -> None:
        self.folder = Path(sys.argv[1])
        self.job = json.loads((self.folder / "job.json").read_text())

    def path(self, name: str) -> Path:
        return self.folder / name

    def load(self, name: str) -> dict[str, torch.Tensor]:
        return load_file(self.folder / name)

    def save(self, name: str, tensors: dict[str, torch.Tensor]) -> None:
        whole = {
            key: value.detach().clone(memory_format=torch.contiguous_format) for key, value in tensors.items()
        }
        save_file(whole, self.folder / name)

    def answer(self, value: object) -> None:
        (self.folder / "answer.json").write_text(json.dumps(value))
