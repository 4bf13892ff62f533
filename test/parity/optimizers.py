"""torch.optim on recorded float32 gradients: the weights and the optimizer's state after the last of them."""

import torch

from reference import Exchange, resnet50
from training import make_optimizer, parameter_groups, set_rates


def main() -> None:
    exchange = Exchange()
    gradients = exchange.load("gradients.safetensors")
    for case in exchange.job["cases"]:
        model = resnet50(case["classes"])
        for name, value in exchange.load("start.safetensors").items():
            model.get_parameter(name).data.copy_(value)
        optimizer = make_optimizer(case["optimizer"], parameter_groups(model, case["groups"]))
        for step, rates in enumerate(case["rates"]):
            for group in case["groups"]:
                for name in group["parameters"]:
                    model.get_parameter(name).grad = gradients.get(f"{step}/{name}")
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
        exchange.save(f"{case['name']}.safetensors", out)


if __name__ == "__main__":
    main()
