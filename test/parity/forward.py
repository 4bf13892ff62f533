"""Logits and features of torchvision's ResNet-50, in each dtype that a case asks for."""

import torch

from reference import Exchange, features, resnet50, write_weights

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def main() -> None:
    exchange = Exchange()
    answers = {}
    for head in exchange.job["heads"]:
        weights = exchange.path(head["weights"])  # an absolute path stays as it is
        if not weights.exists():
            write_weights(weights, head["classes"], head["hidden"], head["seed"])
        state = exchange.load(head["weights"])
        for dtype in ("float32", "float64"):
            model = resnet50(head["classes"], head["hidden"], DTYPES[dtype])
            model.load_state_dict(state)
            for name in head["inputs"]:
                images = exchange.load("inputs.safetensors")[name].to(DTYPES[dtype])
                with torch.no_grad():
                    answers[f"{head['name']}/{name}/{dtype}/logits"] = model(images)
                    answers[f"{head['name']}/{name}/{dtype}/features"] = features(model, images)
    exchange.save("answers.safetensors", answers)


if __name__ == "__main__":
    main()
