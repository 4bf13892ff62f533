"""How the tensors of a fresh model of ours are distributed, against what torchvision and PyTorch say they draw from.

Kaiming normal with fan out for convolutions (torchvision.models.resnet), uniform within 1/√in for linear layers
(nn.Linear), 1 and 0 for BatchNorm. Moments of n draws differ from the distribution's by a known standard error: the
answer for a tensor is the largest of its differences in those units, and the same for torchvision's own draw.
"""

import math

import torch

from reference import Exchange, resnet50


def deviations(values: torch.Tensor, deviation: float, kurtosis: float) -> float:
    """Mean, standard deviation and fourth moment, each in standard errors, the largest."""
    values = values.double().flatten()
    n = values.numel()
    fourth = kurtosis * deviation**4
    eighth = 105.0 if kurtosis == 3 else 9.0  # E[x⁸]/σ⁸ of the normal and of the uniform distribution
    mean = abs(float(values.mean())) / (deviation / math.sqrt(n))
    spread = abs(float((values**2).mean()) - deviation**2) / (deviation**2 * math.sqrt((kurtosis - 1) / n))
    tails = abs(float((values**4).mean()) - fourth) / (deviation**4 * math.sqrt((eighth - kurtosis**2) / n))
    return max(mean, spread, tails)


def distance(name: str, value: torch.Tensor) -> float:
    if value.dim() == 4:
        out, _, height, width = value.shape
        return deviations(value, math.sqrt(2.0 / (out * height * width)), kurtosis=3)
    if name.startswith("fc."):
        bound = 1.0 / math.sqrt(value.shape[1] if value.dim() == 2 else FAN_IN[name])
        if float(value.abs().max()) > bound * (1 + 1e-6):
            return math.inf
        return deviations(value, bound / math.sqrt(3.0), kurtosis=1.8)
    expected = 1.0 if name.endswith(("weight", "running_var")) else 0.0
    return 0.0 if bool((value == expected).all()) else math.inf


FAN_IN: dict[str, int] = {}


def main() -> None:
    exchange = Exchange()
    ours = exchange.load("ours.safetensors")
    torch.manual_seed(0)
    reference = resnet50(exchange.job["classes"], exchange.job["hidden"]).state_dict()
    assert ours.keys() == reference.keys() and all(ours[name].shape == reference[name].shape for name in ours)
    for name, value in reference.items():
        if name.startswith("fc.") and value.dim() == 2:
            FAN_IN[name.replace("weight", "bias")] = value.shape[1]
    exchange.answer({name: [distance(name, ours[name]), distance(name, reference[name])] for name in reference})


if __name__ == "__main__":
    main()
