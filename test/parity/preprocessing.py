"""torchvision's evaluation preprocessing of files, by Pillow: short side to `resize`, centre crop, as uint8; and what a
network makes of these pixels."""

import math
import random

import torch
from PIL import Image, ImageDraw, ImageFilter

from reference import Exchange, resnet50, torchvision

functional = torchvision.transforms.functional

MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def open_rgb(path: str) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def preprocess(image: Image.Image, resize: int, size: int) -> torch.Tensor:
    return functional.pil_to_tensor(functional.center_crop(functional.resize(image, [resize]), [size, size]))


def photograph(generator: random.Random, width: int, height: int) -> Image.Image:
    """Soft light, hard edges and some grain: what resizing and JPEG are sensitive to."""
    image = Image.effect_noise((width, height), 60).convert("RGB")
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        colour = tuple(generator.randrange(256) for _ in range(3))
        x, y = generator.randrange(width), generator.randrange(height)
        draw.ellipse([x - 60, y - 40, x + generator.randrange(10, 80), y + generator.randrange(10, 80)], fill=colour)
        draw.line([x, y, generator.randrange(width), generator.randrange(height)], fill=colour, width=3)
    return image.filter(ImageFilter.GaussianBlur(1.2))


def make_files(exchange: Exchange) -> list[str]:
    """A file of each kind that people have."""
    generator = random.Random(0)
    forms = {
        "plain.jpg": ("RGB", {"quality": 90}),
        "progressive.jpg": ("RGB", {"quality": 80, "progressive": True}),
        "full-colour.jpg": ("RGB", {"quality": 95, "subsampling": 0}),
        "half-colour.jpg": ("RGB", {"quality": 85, "subsampling": 1}),
        "restart.jpg": ("RGB", {"quality": 85, "restart_marker_rows": 2}),
        "grey.jpg": ("L", {"quality": 90}),
        "plain.png": ("RGB", {}),
        "alpha.png": ("RGBA", {}),
        "palette.png": ("P", {}),
        "grey.png": ("L", {}),
        "grey-alpha.png": ("LA", {}),
        "bits.png": ("1", {}),
        "lossless.webp": ("RGB", {"lossless": True}),
        "plain.tiff": ("RGB", {}),
        "plain.gif": ("P", {}),
    }
    paths = []
    for name, (mode, options) in forms.items():
        width, height = generator.randrange(150, 700), generator.randrange(150, 700)
        image = photograph(generator, width, height).convert(mode)
        if mode in ("RGBA", "LA"):
            image.putalpha(Image.linear_gradient("L").resize((width, height)))
        image.save(exchange.path(name), **options)
        paths.append(str(exchange.path(name)))
    return paths


def evaluate(exchange: Exchange) -> None:
    made = make_files(exchange)
    files = made + exchange.job["files"]
    pixels: dict[str, torch.Tensor] = {}
    for setting in exchange.job["settings"]:
        images = [preprocess(open_rgb(path), setting["resize"], setting["size"]) for path in files]
        pixels[str(setting["size"])] = torch.stack(images).permute(0, 2, 3, 1)
    exchange.save("pixels.safetensors", pixels)
    answer: dict[str, object] = {"files": files}
    if exchange.job["weights"] is not None:
        model = resnet50(exchange.job["classes"])
        model.load_state_dict(exchange.load(exchange.job["weights"]))
        first = str(exchange.job["settings"][0]["size"])
        images = pixels[first].permute(0, 3, 1, 2).float() / 255
        images = functional.normalize(images, MEAN, DEVIATION)
        with torch.no_grad():
            answer["top1"] = [label for batch in images.split(32) for label in model(batch).argmax(1).tolist()]
    exchange.answer(answer)


def crops(exchange: Exchange) -> None:
    """Every place that a box of the size which RandomResizedCrop works out for `scale` and `ratio` can take."""
    path = str(exchange.path("crop.png"))
    photograph(random.Random(1), exchange.job["width"], exchange.job["height"]).save(path)
    image, size = open_rgb(path), exchange.job["size"]
    out = {}
    for number, (scale, ratio) in enumerate(exchange.job["boxes"]):
        area = image.width * image.height * scale
        width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        places = [(top, left) for top in range(image.height - height + 1) for left in range(image.width - width + 1)]
        boxes = [functional.resized_crop(image, top, left, height, width, [size, size]) for top, left in places]
        out[str(number)] = torch.stack([functional.pil_to_tensor(box) for box in boxes]).permute(0, 2, 3, 1)
    exchange.save("crops.safetensors", out)
    exchange.answer({"path": path})


def main() -> None:
    exchange = Exchange()
    {"evaluate": evaluate, "crops": crops}[exchange.job["task"]](exchange)


if __name__ == "__main__":
    main()
