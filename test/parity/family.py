"""A member of torchvision's family: logits and features, and one step of torch.optim.SGD over autograd in float64.

The weights after the step come as digests, and so do the gradients: those of the largest member take a gigabyte.
"""

import torch
from torch import nn

import recipe
from reference import Exchange, features, resnet, write_weights


def forward(exchange: Exchange, arch: str, classes: int) -> dict[str, torch.Tensor]:
    model = resnet(arch, classes)
    model.load_state_dict(exchange.load("weights.safetensors"))
    answers = {}
    with torch.no_grad():
        for name, case in exchange.job["inputs"].items():
            images = recipe.images(case["shape"], case["stream"]).float()
            answers[f"{name}/logits"] = model(images)
            answers[f"{name}/features"] = features(model, images)
    return answers


def step(exchange: Exchange, arch: str, classes: int) -> dict[str, torch.Tensor]:
    """BatchNorm in training mode; digests in the order of parameters, and of the state dict."""
    case = exchange.job["training"]
    model = resnet(arch, classes, dtype=torch.float64)
    model.load_state_dict(exchange.load("weights.safetensors"))
    optimizer = torch.optim.SGD(model.parameters(), lr=case["lr"], momentum=0.9, foreach=False, fused=False)
    images, labels = recipe.images(case["shape"], case["stream"]), recipe.labels(case["shape"][0], classes, case["stream"])
    model.train()
    answers = {}
    for number in range(case["steps"]):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        if number == 0:
            answers["gradients"] = torch.stack([recipe.digest(p.grad) for p in model.parameters()])
        optimizer.step()
    answers["state"] = torch.stack([recipe.digest(value) for value in model.state_dict().values()])
    return answers


def main() -> None:
    exchange = Exchange()
    arch, classes = exchange.job["arch"], exchange.job["classes"]
    write_weights(exchange.path("weights.safetensors"), classes, [], seed=1, arch=arch)
    exchange.save("answers.safetensors", forward(exchange, arch, classes) | step(exchange, arch, classes))


if __name__ == "__main__":
    main()
