"""torch.optim and timm.optim on recorded gradients: the weights and the optimizer's state after the last of them."""

import torch

from reference import Exchange, resnet50
from rules import make_optimizer
from training import parameter_groups, set_rates


def main() -> None:
    exchange = Exchange()
    gradients = exchange.load("gradients.safetensors")
    for case in exchange.job["cases"]:
        dtype = getattr(torch, case["dtype"])
        model = resnet50(case["classes"], [], dtype)
        for name, value in exchange.load("start.safetensors").items():
            model.get_parameter(name).data.copy_(value)
        optimizer = make_optimizer(case["optimizer"], parameter_groups(model, case["groups"]))
        for step, rates in enumerate(case["rates"]):
            for group in case["groups"]:
                for name in group["parameters"]:
                    gradient = gradients.get(f"{step}/{name}")
                    # Some of timm's rules write into them.
                    model.get_parameter(name).grad = None if gradient is None else gradient.to(dtype, copy=True)
            set_rates(optimizer, rates)
            optimizer.step()
        out = {}
        for group in case["groups"]:
            for name in group["parameters"]:
                parameter = model.get_parameter(name)
                out[name] = parameter.data
                for key, value in optimizer.state[parameter].items():
                    if value is not None:
                        out[f"{name}.{key}"] = torch.as_tensor(value)
        exchange.save(f"{case['name']}-{case['dtype']}.safetensors", out)


if __name__ == "__main__":
    main()
