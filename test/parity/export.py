"""Exported files, read as their users read them."""

import json
from collections import OrderedDict

import onnx
import torch

from reference import Exchange, resnet50


def state_dict_logits(exchange: Exchange) -> None:
    state = torch.load(exchange.path("model.pth"), weights_only=True)
    assert type(state) is OrderedDict, type(state)
    model = resnet50(exchange.job["classes"], exchange.job["hidden"])
    assert list(state) == list(model.state_dict()), "names, in order"
    for name, value in model.state_dict().items():
        assert state[name].dtype == value.dtype and state[name].shape == value.shape, name
    model.load_state_dict(state, strict=True)
    images = exchange.load("images.safetensors")["images"].float()
    with torch.no_grad():
        exchange.save("read.safetensors", {"logits": model(images)})


def checked(path: str) -> dict:
    """What the model says of itself, after the checker has found nothing, shape inference included."""
    onnx.checker.check_model(path, full_check=True)
    model = onnx.load(path)
    texts = {entry.key: entry.value for entry in model.metadata_props}
    kinds = [node.op_type for node in model.graph.node]
    return {
        "operators": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
        "output": model.graph.output[0].name,
        "shape": [axis.dim_param or axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim],
        "opset": model.opset_import[0].version,
        "arch": texts["arch"],
        "metadata": {name: json.loads(texts[name]) for name in ("labels", "preprocessing", "versions")},
    }


def main() -> None:
    exchange = Exchange()
    state_dict_logits(exchange)
    exchange.answer({name: checked(str(exchange.path(name))) for name in exchange.job["onnx"]})


if __name__ == "__main__":
    main()
