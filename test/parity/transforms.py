"""torchvision's transforms of pixels at fixed parameters, on tensors of bytes; and what its RandomErasing draws."""

import random

import torch

from preprocessing import open_rgb, photograph
from reference import Exchange, torchvision
from torchvision.transforms import v2

functional = v2.functional

# ImageNet's mean colour in bytes.
FILL = torch.tensor([124, 116, 104], dtype=torch.uint8)[:, None, None]


def adjusted(image: torch.Tensor, name: str, factor: float) -> torch.Tensor:
    if name == "grayscale":
        return functional.rgb_to_grayscale(image, 3)
    return getattr(functional, f"adjust_{name}")(image, float(factor))


def colours(exchange: Exchange) -> None:
    path = str(exchange.path("colours.png"))
    side = exchange.job["size"]
    image = photograph(random.Random(2), side, side)
    image.save(path)
    pixels = functional.pil_to_tensor(open_rgb(path))
    answers = [adjusted(pixels, name, factor).permute(1, 2, 0).contiguous() for name, factor in exchange.job["settings"]]
    exchange.save("colours.safetensors", {"images": torch.stack(answers)})
    exchange.answer({"path": path})


def erased(exchange: Exchange) -> None:
    path = str(exchange.path("erased.png"))
    side = exchange.job["size"]
    photograph(random.Random(3), side, side).save(path)
    pixels = functional.pil_to_tensor(open_rgb(path))
    images = [
        functional.erase(pixels, box["top"], box["left"], box["height"], box["width"], FILL)
        for box in exchange.job["boxes"]
    ]
    exchange.save("erased.safetensors", {"images": torch.stack(images).permute(0, 2, 3, 1).contiguous()})
    exchange.answer({"path": path})


def boxes(exchange: Exchange) -> None:
    """Boxes of RandomErasing with its defaults."""
    torch.manual_seed(0)
    side = exchange.job["size"]
    transform = v2.RandomErasing(p=1, value=1)
    image = torch.zeros(3, side, side)
    drawn = [transform.make_params([image]) for _ in range(exchange.job["count"])]
    exchange.answer({"boxes": [{"top": d["i"], "left": d["j"], "height": d["h"], "width": d["w"]} for d in drawn]})


def main() -> None:
    exchange = Exchange()
    {"colours": colours, "erased": erased, "boxes": boxes}[exchange.job["task"]](exchange)


if __name__ == "__main__":
    main()
