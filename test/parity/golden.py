"""Writes test/fixtures/golden: what PyTorch computes from the weights and images of recipe.py.

    node scripts/parity.mjs --golden
"""

import hashlib
import json
import sys
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

import recipe
import reference
from reference import features, resnet, resnet50
from rules import make_optimizer
from schedules import schedules
from training import parameter_groups, set_rates, train


CLASSES = 7
# One model in each dtype serves every case, so that the tests build two: filling 25 million weights takes the longest.
HIDDEN = {torch.float32: [], torch.float64: [64]}
SHAPES = [[2, 3, 64, 64], [1, 3, 97, 33]]


def recipe_model(dtype: torch.dtype) -> nn.Module:
    model = resnet50(CLASSES, HIDDEN[dtype], dtype)
    model.load_state_dict(recipe.weights({name: list(value.shape) for name, value in model.state_dict().items()}))
    return model


def forward_cases() -> tuple[list[dict], dict[str, torch.Tensor]]:
    cases, out = [], {}
    for dtype in (torch.float32, torch.float64):
        model = recipe_model(dtype)
        for stream, shape in enumerate(SHAPES):
            name, kind = f"{shape[3]}x{shape[2]}", str(dtype).split(".")[1]
            case = {"name": name, "dtype": kind, "shape": shape, "stream": stream}
            images = recipe.images(shape, stream).to(dtype)
            with torch.no_grad():
                out[f"{case['name']}/{case['dtype']}/logits"] = model(images)
                out[f"{case['name']}/{case['dtype']}/features"] = features(model, images)
            cases.append(case)
    return cases, out


SGD = {"kind": "sgd", "momentum": 0.9, "dampening": 0.0, "nesterov": False}
NESTEROV = {"kind": "sgd", "momentum": 0.9, "dampening": 0.0, "nesterov": True}
DAMPENED = {"kind": "sgd", "momentum": 0.8, "dampening": 0.3, "nesterov": False}
ADAM = {"kind": "adam", "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
ADAMW = {"kind": "adamw", "beta1": 0.8, "beta2": 0.99, "eps": 1e-6}
RMSPROP = {"kind": "rmsprop", "alpha": 0.99, "eps": 1e-8, "momentum": 0.0, "centered": False}
CENTERED = {"kind": "rmsprop", "alpha": 0.9, "eps": 1e-4, "momentum": 0.8, "centered": True}
NADAM = {"kind": "nadam", "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "momentumDecay": 4e-3, "decoupledWeightDecay": False}
DECOUPLED = {"kind": "nadam", "beta1": 0.8, "beta2": 0.99, "eps": 1e-6, "momentumDecay": 0.1, "decoupledWeightDecay": True}
LION = {"kind": "lion", "beta1": 0.9, "beta2": 0.99}

RECORDED_KINDS = {
    "sgd": SGD,
    "nesterov": NESTEROV,
    "dampened": DAMPENED,
    "adam": ADAM,
    "adamw": ADAMW,
    "rmsprop": RMSPROP,
    "rmsprop-centered": CENTERED,
    "nadam": NADAM,
    "nadam-decoupled": DECOUPLED,
    "lion": LION,
}


def three_groups(names: list[str], boundaries: tuple[str, str], decay: float) -> list[dict]:
    """The parameters from the first boundary on, from the second, and the head; what comes before them is frozen."""
    first, second = (next(i for i, name in enumerate(names) if name.startswith(boundary)) for boundary in boundaries)
    head = next(i for i, name in enumerate(names) if name.startswith("fc."))
    return [
        {"name": "lower", "parameters": names[first:second], "weightDecay": decay},
        {"name": "upper", "parameters": names[second:head], "weightDecay": 0.0},
        {"name": "head", "parameters": names[head:], "weightDecay": decay / 2},
    ]


def training_cases() -> tuple[list[dict], dict[str, torch.Tensor]]:
    """The whole network for two steps; its end for ten."""
    names = [name for name, _ in resnet50(CLASSES, HIDDEN[torch.float64]).named_parameters()]
    norms = [name for name, module in resnet50(CLASSES).named_modules() if isinstance(module, nn.BatchNorm2d)]
    last = [name for name in norms if name.startswith("layer4")]
    rows = [[scale * rate for rate in (1e-3, 3e-3, 1e-2)] for scale in (0.5, 1, 1, 1, 0.9, 0.8, 0.6, 0.4, 0.2, 0.1)]
    small = [[rate / 10 for rate in row] for row in rows]
    every = three_groups(names, ("conv1", "layer3"), 1e-3)
    end = three_groups(names, ("layer4.2.conv2", "layer4.2.bn3"), 1e-3)
    decaying = three_groups(names, ("layer4.2.conv2", "layer4.2.bn3"), 0.05)
    cases = [
        {"name": "sgd-all", "optimizer": NESTEROV, "groups": every, "rates": rows[:2], "batchNormTraining": norms},
        {"name": "sgd", "optimizer": SGD, "groups": end, "rates": rows, "batchNormTraining": last},
        {"name": "adam", "optimizer": ADAM, "groups": end, "rates": small, "batchNormTraining": last},
        {"name": "adamw", "optimizer": ADAMW, "groups": decaying, "rates": small, "batchNormTraining": last},
    ]
    out = {}
    for case in cases:
        case |= {"shape": [6, 3, 32, 32], "stream": 10}
        model = recipe_model(torch.float64)
        images, labels = recipe.images(case["shape"], 10), recipe.labels(6, CLASSES, 10)
        result = train(model, case, images[None], labels[None])
        trainable = [name for group in case["groups"] for name in group["parameters"]]
        buffers = ("running_mean", "running_var", "num_batches_tracked")
        statistics = [f"{norm}.{buffer}" for norm in case["batchNormTraining"] for buffer in buffers]
        state = model.state_dict()
        out[f"{case['name']}/losses"] = torch.tensor(result["losses"], dtype=torch.float64)
        out[f"{case['name']}/gradients"] = torch.stack([recipe.digest(result["gradients"][name]) for name in trainable])
        out[f"{case['name']}/weights"] = torch.stack([recipe.digest(state[name]) for name in trainable + statistics])
    return cases, out


RECORDED = ["bn1.bias", "layer1.0.conv1.weight", "fc.bias"]
RECORDED_STEPS = 20


def optimizer_cases() -> tuple[list[dict], dict[str, torch.Tensor]]:
    """Float32, three groups of a tensor each, twenty recorded gradients whose size halves at every second step; the
    second tensor has none at every fifth step."""
    cases, out = [], {}
    for name, spec in RECORDED_KINDS.items():
        model = recipe_model(torch.float32)
        decays = [0.0, 1e-2, 1e-3]
        groups = [
            {"name": parameter, "parameters": [parameter], "weightDecay": decay}
            for parameter, decay in zip(RECORDED, decays, strict=True)
        ]
        case = {"name": name, "optimizer": spec, "groups": groups}
        case["rates"] = [[1e-2 / (1 + step), 1e-3, 3e-3] for step in range(RECORDED_STEPS)]
        optimizer = make_optimizer(spec, parameter_groups(model, groups))
        for step, rates in enumerate(case["rates"]):
            for position, parameter in enumerate(RECORDED):
                tensor = model.get_parameter(parameter)
                size = 0.5 ** (step // 2)
                values = recipe.uniform(tensor.numel(), 4000 + 10 * step + position, -size, size)
                tensor.grad = torch.from_numpy(values).to(torch.float32).reshape(tensor.shape)
                if position == 1 and step % 5 == 4:
                    tensor.grad = None
            set_rates(optimizer, rates)
            optimizer.step()
        cases.append(case)
        out |= {f"{name}/{parameter}": model.get_parameter(parameter).detach().clone() for parameter in RECORDED}
    return cases, out


PICTURES = 4
CROP = 32


def predictions() -> dict:
    """What the float32 model sees in pictures that need no resizing: torchvision's centre crop and normalisation, logits,
    softmax, and a digest of the features."""
    transforms = reference.torchvision.transforms
    view = transforms.Compose(
        [
            transforms.CenterCrop(CROP),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    model = recipe_model(torch.float32)
    images = torch.stack([view(Image.fromarray(recipe.picture(stream))) for stream in range(PICTURES)])
    with torch.no_grad():
        rows, seen = model(images), features(model, images)
    return {
        "crop": CROP,
        "probabilities": rows.softmax(1).tolist(),
        "features": [recipe.digest(row.double()).tolist() for row in seen],
    }


FAMILY = [
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"),
]


def family() -> tuple[dict, dict[str, torch.Tensor]]:
    """Names and shapes of every member's state dict, as a hash; logits, features and gradients of one with basic blocks
    and of one with groups, BatchNorm in training mode."""
    computed, shape, stream = ["resnet18", "resnext50_32x4d"], [4, 3, 40, 36], 20
    states, out = {}, {}
    for arch in FAMILY:
        lines = [f"{name} {'x'.join(map(str, value.shape))}\n" for name, value in resnet(arch, 1000).state_dict().items()]
        states[arch] = {"tensors": len(lines), "sha256": hashlib.sha256("".join(lines).encode()).hexdigest()}
    for arch in computed:
        model = resnet(arch, CLASSES, dtype=torch.float64)
        model.load_state_dict(recipe.weights({name: list(value.shape) for name, value in model.state_dict().items()}))
        images = recipe.images(shape, stream)
        with torch.no_grad():
            out[f"{arch}/logits"], out[f"{arch}/features"] = model(images), features(model, images)
        loss = nn.functional.cross_entropy(model.train()(images), recipe.labels(shape[0], CLASSES, stream))
        loss.backward()
        out[f"{arch}/gradients"] = torch.stack([recipe.digest(p.grad) for p in model.parameters()])
    return {"classes": CLASSES, "shape": shape, "states": states, "computed": computed}, out


def write_family(folder: Path) -> None:
    cases, tensors = family()
    (folder / "family.json").write_text(json.dumps(cases, indent=1) + "\n")
    save_file(tensors, folder / "family.safetensors", {"torch": torch.__version__})
    (folder / "family.safetensors").chmod(0o644)


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    cases = {"classes": CLASSES, "hidden": {"float32": HIDDEN[torch.float32], "float64": HIDDEN[torch.float64]}}
    for name, compute in {"forward": forward_cases, "training": training_cases, "optimizers": optimizer_cases}.items():
        cases[name], tensors = compute()
        save_file(tensors, folder / f"{name}.safetensors", {"torch": torch.__version__})
        (folder / f"{name}.safetensors").chmod(0o644)
    (folder / "cases.json").write_text(json.dumps(cases, indent=1) + "\n")
    (folder / "schedules.json").write_text(json.dumps(schedules(), indent=1) + "\n")
    write_family(folder)
    (folder / "predictions.json").write_text(json.dumps(predictions(), indent=1) + "\n")


if __name__ == "__main__":
    main()
