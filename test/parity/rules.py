"""The optimizers, a row each: torch.optim's and timm's own, one Python loop over the parameters; nothing fused, nothing
batched."""

import torch

PLAIN = {"foreach": False, "fused": False}


class TranscribedLion(torch.optim.Optimizer):
    """timm.optim.Lion's loop, for where timm is not installed."""

    def __init__(self, groups, lr, betas, foreach):
        super().__init__(groups, {"lr": lr, "betas": betas})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                mean = self.state[parameter].setdefault("exp_avg", torch.zeros_like(parameter))
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                direction = mean.mul(beta1).add_(parameter.grad, alpha=1 - beta1).sign_()
                parameter.add_(direction, alpha=-group["lr"])
                mean.lerp_(parameter.grad, 1 - beta2)


def lion_class():
    try:
        from timm.optim import Lion
    except ImportError:
        return TranscribedLion
    return Lion


def betas(spec: dict) -> tuple[float, float]:
    return spec["beta1"], spec["beta2"]


RULES = {
    "sgd": lambda groups, spec: torch.optim.SGD(
        groups, lr=0.0, momentum=spec["momentum"], dampening=spec["dampening"], nesterov=spec["nesterov"], **PLAIN
    ),
    "adam": lambda groups, spec: torch.optim.Adam(groups, lr=0.0, betas=betas(spec), eps=spec["eps"], **PLAIN),
    "adamw": lambda groups, spec: torch.optim.AdamW(groups, lr=0.0, betas=betas(spec), eps=spec["eps"], **PLAIN),
    "rmsprop": lambda groups, spec: torch.optim.RMSprop(
        groups,
        lr=0.0,
        alpha=spec["alpha"],
        eps=spec["eps"],
        momentum=spec["momentum"],
        centered=spec["centered"],
        foreach=False,
    ),
    "nadam": lambda groups, spec: torch.optim.NAdam(
        groups,
        lr=0.0,
        betas=betas(spec),
        eps=spec["eps"],
        momentum_decay=spec["momentumDecay"],
        decoupled_weight_decay=spec["decoupledWeightDecay"],
        foreach=False,
    ),
    "lion": lambda groups, spec: lion_class()(groups, lr=0.0, betas=betas(spec), foreach=False),
}


def make_optimizer(spec: dict, groups: list[dict]) -> torch.optim.Optimizer:
    return RULES[spec["kind"]](groups, spec)
