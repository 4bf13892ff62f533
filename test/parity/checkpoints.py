"""Files that PyTorch users write, for us to read, and ours, read as they would read them."""

import argparse
import datetime
from collections import OrderedDict

import numpy
import torch
from safetensors.torch import save_file

from reference import Exchange, resnet50, write_weights


def written_forms(exchange: Exchange, state: dict[str, torch.Tensor]) -> None:
    prefixed = OrderedDict((f"module.{name}", value) for name, value in state.items())
    halves = {
        kind: {name: value.to(dtype) if value.is_floating_point() else value for name, value in state.items()}
        for kind, dtype in (("fp16", torch.float16), ("bf16", torch.bfloat16))
    }
    save_file(state, exchange.path("fp32.safetensors"))
    save_file(prefixed, exchange.path("module.safetensors"))
    torch.save(state, exchange.path("state.pth"))
    torch.save({"state_dict": state, "epoch": 3, "best": 0.5}, exchange.path("state_dict.pth"))
    torch.save({"model": prefixed, "lr": [1e-3]}, exchange.path("module.pth"))
    torch.save(state, exchange.path("legacy.pth"), _use_new_zipfile_serialization=False)
    last = {name: value.to(memory_format=torch.channels_last) if value.dim() == 4 else value for name, value in state.items()}
    torch.save(last, exchange.path("channels_last.pth"))
    beside = {"args": argparse.Namespace(lr=0.1), "best": numpy.float64(0.5), "when": datetime.date(2026, 1, 31)}
    torch.save({"model": state, **beside}, exchange.path("objects.pth"))
    lightning = OrderedDict((f"model.{name}", value) for name, value in state.items())
    torch.save({"state_dict": lightning, "hyper_parameters": {"lr": 0.1}}, exchange.path("lightning.ckpt"))
    zeros = {name: torch.zeros_like(value) for name, value in state.items()}
    torch.save({"student": zeros, "teacher": prefixed}, exchange.path("teacher.pth"))
    for kind, half in halves.items():
        save_file(half, exchange.path(f"{kind}.safetensors"))
        torch.save(half, exchange.path(f"{kind}.pth"))


def logits(head: dict, state: dict[str, torch.Tensor], images: torch.Tensor) -> torch.Tensor:
    model = resnet50(head["classes"], head["hidden"])
    model.load_state_dict(state, strict=True)
    with torch.no_grad():
        return model(images)


def main() -> None:
    exchange = Exchange()
    head, images = exchange.job, exchange.load("images.safetensors")["images"].float()
    if exchange.job["task"] == "write":
        model = write_weights(exchange.path("weights.safetensors"), head["classes"], head["hidden"], seed=4)
        state = model.state_dict()
        written_forms(exchange, state)
        rounded = {
            kind: {
                name: value.to(dtype).to(value.dtype) if value.is_floating_point() else value
                for name, value in state.items()
            }
            for kind, dtype in (("fp32", torch.float32), ("fp16", torch.float16), ("bf16", torch.bfloat16))
        }
        exchange.save("expected.safetensors", {kind: logits(head, values, images) for kind, values in rounded.items()})
    else:
        exchange.save("read.safetensors", {"logits": logits(head, exchange.load("ours.safetensors"), images)})


if __name__ == "__main__":
    main()
