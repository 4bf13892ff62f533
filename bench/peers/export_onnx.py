"""Writes torchvision's ResNet-50 with the checkpoint's backbone and a head of 2048 → 1024 → 2 as ONNX, for one image size and any
batch."""

import sys

import torch

from common import network


def main() -> None:
    weights, size, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    torch.manual_seed(0)
    model = network(weights, 2).eval()
    with torch.no_grad():
        torch.onnx.export(
            model,
            (torch.zeros(1, 3, size, size),),
            path,
            dynamo=False,
            input_names=["images"],
            output_names=["logits"],
            dynamic_axes={"images": {0: "n"}, "logits": {0: "n"}},
        )


if __name__ == "__main__":
    main()
