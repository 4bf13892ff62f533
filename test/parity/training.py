"""Ten steps of torchvision's ResNet-50 under torch.optim, exactly as a case says: every gradient of the first step, and
every tensor after the last."""

import torch
from torch import nn

from reference import Exchange, resnet50, write_weights
from rules import make_optimizer


def parameter_groups(model: nn.Module, groups: list[dict]) -> list[dict]:
    """Freezes what is in no group."""
    parameters = dict(model.named_parameters())
    trainable = {name for group in groups for name in group["parameters"]}
    for name, parameter in parameters.items():
        parameter.requires_grad_(name in trainable)
    return [
        {"params": [parameters[name] for name in group["parameters"]], "weight_decay": group["weightDecay"]}
        for group in groups
    ]


def set_rates(optimizer: torch.optim.Optimizer, rates: list[float]) -> None:
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate


def unit_of(name: str) -> str:
    parts = name.split(".")
    if parts[0].startswith("layer"):
        return ".".join(parts[:2])
    return "head" if parts[0] == "fc" else "stem"


def drift(before: dict[str, torch.Tensor], model: nn.Module) -> dict[str, float]:
    """‖w − w₀‖ / ‖w₀‖ over the trainable parameters of each unit that has any."""
    moved: dict[str, float] = {}
    size: dict[str, float] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            unit = unit_of(name)
            moved[unit] = moved.get(unit, 0.0) + float((parameter.detach() - before[name]).square().sum())
            size[unit] = size.get(unit, 0.0) + float(before[name].square().sum())
    return {unit: (moved[unit] / size[unit]) ** 0.5 for unit in moved}


def make_loss(spec: dict):
    """The loss of a case: torch's own, or what the focal loss is, for autograd to differentiate."""
    weights = torch.tensor(spec["classWeights"], dtype=torch.float64) if "classWeights" in spec else None
    if spec["name"] == "cross-entropy":
        return nn.CrossEntropyLoss(weight=weights, label_smoothing=spec.get("labelSmoothing", 0.0))

    def focal(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        own = nn.functional.log_softmax(logits, 1).gather(1, labels.unsqueeze(1)).squeeze(1)
        alpha = 1.0 if weights is None else weights[labels]
        return (-alpha * (1 - own.exp()) ** spec["gamma"] * own).mean()

    return focal


def train(model: nn.Module, case: dict, images: torch.Tensor, labels: torch.Tensor) -> dict:
    """Gradients of the first step, the losses, the drift of each unit; the model is left as ten steps leave it."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = make_optimizer(case["optimizer"], parameter_groups(model, case["groups"]))
    model.eval()
    for name in case["batchNormTraining"]:
        model.get_submodule(name).train()
    loss_of = make_loss(case["loss"])
    losses, gradients = [], {}
    for step, rates in enumerate(case["rates"]):
        optimizer.zero_grad()
        loss = loss_of(model(images[step % len(images)]), labels[step % len(labels)])
        loss.backward()
        if step == 0:
            gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        if "clipNorm" in case:
            nn.utils.clip_grad_norm_(model.parameters(), case["clipNorm"])
        set_rates(optimizer, rates)
        optimizer.step()
        losses.append(loss.item())
    return {"losses": losses, "gradients": gradients, "drift": drift(before, model)}


def main() -> None:
    exchange = Exchange()
    answers = {}
    for case in exchange.job["cases"]:
        weights = exchange.path(case["weights"])
        if not weights.exists():
            write_weights(weights, case["classes"], case["hidden"], seed=0)
        model = resnet50(case["classes"], case["hidden"], torch.float64)
        model.load_state_dict(exchange.load(case["weights"]))
        batches = exchange.load("batches.safetensors")
        before = {name: value.clone() for name, value in model.state_dict().items()}
        result = train(model, case, batches["images"], batches["labels"].long() % case["classes"])
        changed = {name: value for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
        exchange.save(f"{case['name']}-gradients.safetensors", result["gradients"])
        exchange.save(f"{case['name']}-weights.safetensors", changed)
        answers[case["name"]] = {"losses": result["losses"], "drift": result["drift"]}
    exchange.answer(answers)


if __name__ == "__main__":
    main()
