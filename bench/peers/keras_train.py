"""Fine-tunes Keras's ResNet-50 in the three ways of Keras's own examples: a new head on a frozen base, the first half of
the base frozen, and everything at rates that rise from the input to the output.

    python keras_train.py DATA --weights FILE --freeze backbone|half|none

Prints one JSON line. keras.applications has the ResNet-50 of the original paper, whose stages stride in their first
convolution, torchvision's in the second: the operations are nearly as many (7.7 for 8.2 GFLOP an image), and the
checkpoint's weights fit, but three blocks do not see what they were trained on. Its accuracy suffers for that; its speed
does not.
"""

import argparse
import json
import os
import struct
import time
from pathlib import Path

# With oneDNN, TensorFlow 2.21 dies of a division by zero on some processors.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

AUGMENT = {"backbone": "none", "half": "flip", "none": "standard"}
MEAN, DEVIATION = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
BLOCKS = [3, 4, 6, 3]


def read_safetensors(path: str) -> dict[str, np.ndarray]:
    """As float32; NumPy knows no bfloat16."""
    data = Path(path).read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name == "__metadata__" or entry["dtype"] not in ("F32", "BF16"):
            continue
        first, last = (8 + length + offset for offset in entry["data_offsets"])
        if entry["dtype"] == "BF16":
            values = (np.frombuffer(data[first:last], np.uint16).astype(np.uint32) << 16).view(np.float32)
        else:
            values = np.frombuffer(data[first:last], np.float32)
        tensors[name] = values.reshape(entry["shape"])
    return tensors


def modules() -> list[tuple[str, str, str, str]]:
    """Convolution and BatchNorm by their names there and here, in torchvision's order."""
    found = [("conv1_conv", "conv1_bn", "conv1", "bn1")]
    for stage, blocks in enumerate(BLOCKS):
        for block in range(blocks):
            there, here = f"conv{stage + 2}_block{block + 1}", f"layer{stage + 1}.{block}"
            found += [(f"{there}_{i}_conv", f"{there}_{i}_bn", f"{here}.conv{i}", f"{here}.bn{i}") for i in (1, 2, 3)]
            if block == 0:
                found.append((f"{there}_0_conv", f"{there}_0_bn", f"{here}.downsample.0", f"{here}.downsample.1"))
    return found


def load(base: keras.Model, path: str) -> None:
    tensors = read_safetensors(path)
    for convolution, norm, name, norm_name in modules():
        kernel = tensors[f"{name}.weight"].transpose(2, 3, 1, 0)
        base.get_layer(convolution).set_weights([kernel, np.zeros(kernel.shape[-1], np.float32)])
        parts = ("weight", "bias", "running_mean", "running_var")
        base.get_layer(norm).set_weights([tensors[f"{norm_name}.{part}"] for part in parts])


def dataset(folder: Path, augment: str, options: argparse.Namespace, shuffle: bool) -> tf.data.Dataset:
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
    files = [(str(file), label) for label, name in enumerate(classes) for file in sorted((folder / name).iterdir())]
    paths, labels = zip(*files, strict=True)
    size = options.size

    def centre(path, label):
        image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        shape = tf.cast(tf.shape(image)[:2], tf.float32)
        shape = tf.cast(tf.round(shape * options.resize / tf.reduce_min(shape)), tf.int32)
        image = tf.image.resize(image, shape)
        return tf.cast(tf.image.resize_with_crop_or_pad(image, size, size), tf.uint8), label

    def random_crop(path, label):
        data = tf.io.read_file(path)
        whole = tf.zeros((1, 0, 4))
        begin, extent, _ = tf.image.sample_distorted_bounding_box(
            tf.io.extract_jpeg_shape(data),
            whole,
            aspect_ratio_range=(3 / 4, 4 / 3),
            area_range=(0.08, 1.0),
            use_image_if_no_bounding_boxes=True,
        )
        window = tf.stack([begin[0], begin[1], extent[0], extent[1]])
        image = tf.image.resize(tf.image.decode_and_crop_jpeg(data, window, channels=3), (size, size))
        return tf.cast(image, tf.uint8), label

    def flip(images, labels):
        return tf.image.random_flip_left_right(images), labels

    def normalise(images, labels):
        return (tf.cast(images, tf.float32) - MEAN) / DEVIATION, labels

    data = tf.data.Dataset.from_tensor_slices((list(paths), list(labels)))
    if augment == "standard":
        data = data.shuffle(len(files)).map(random_crop, num_parallel_calls=tf.data.AUTOTUNE)
    else:
        # One view an image is decoded once.
        data = data.map(centre, num_parallel_calls=tf.data.AUTOTUNE).cache()
        data = data.shuffle(len(files)) if shuffle else data
    if augment != "none":
        data = data.map(flip, num_parallel_calls=tf.data.AUTOTUNE)
    return data.batch(options.batch_size).map(normalise, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


class TieredModel(keras.Model):
    """An optimizer for each part, which is how Keras does parameter groups."""

    def use(self, tiers: list[tuple[float, list]]) -> None:
        self.tiers = [(keras.optimizers.Adam(rate), variables) for rate, variables in tiers]
        for optimizer, variables in self.tiers:
            optimizer.build(variables)

    def train_step(self, data):
        images, labels = data
        with tf.GradientTape() as tape:
            predictions = self(images, training=True)
            loss = self.compute_loss(y=labels, y_pred=predictions)
        gradients = tape.gradient(loss, [variables for _, variables in self.tiers])
        for (optimizer, variables), own in zip(self.tiers, gradients, strict=True):
            optimizer.apply(own, variables)
        for metric in self.metrics:
            metric.update_state(*((loss,) if metric.name == "loss" else (labels, predictions)))
        return {metric.name: metric.result() for metric in self.metrics}


def tiers_of(model: keras.Model) -> list[tuple[float, list]]:
    pairs = [[model.get_layer(convolution), model.get_layer(norm)] for convolution, norm, _, _ in modules()]
    ends = [0, int(0.25 * 53), int(0.75 * 53), 53]
    tiers = [
        (rate, [v for pair in pairs[first:last] for layer in pair for v in layer.trainable_variables])
        for first, last, rate in zip(ends, ends[1:], [1e-6, 1e-5, 1e-4])
    ]
    head = [v for layer in model.layers if isinstance(layer, keras.layers.Dense) for v in layer.trainable_variables]
    return [*tiers, (1e-3, head)]


class Clock(keras.callbacks.Callback):
    """Seconds of training in each epoch, evaluation left out."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch, logs=None):
        self.start, self.training = time.perf_counter(), True

    def on_test_begin(self, logs=None):
        if self.training:
            self.seconds.append(time.perf_counter() - self.start)
            self.training = False


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--freeze", choices=AUGMENT, required=True)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--resize", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", required=True, help="where the best epoch's weights go")
    options = parser.parse_args()
    keras.utils.set_random_seed(options.seed)
    train = dataset(options.data / "train", AUGMENT[options.freeze], options, shuffle=True)
    val = dataset(options.data / "val", "none", options, shuffle=False)

    shape = (options.size, options.size, 3)
    base = keras.applications.ResNet50(weights=None, include_top=False, pooling="avg", input_shape=shape)
    load(base, options.weights)
    if options.freeze == "backbone":
        base.trainable = False
    elif options.freeze == "half":
        for layer in base.layers[: len(base.layers) // 2]:
            layer.trainable = False
    classes = sum(path.is_dir() for path in (options.data / "train").iterdir())
    hidden = keras.layers.Dense(1024, activation="relu")(base.output)
    outputs = keras.layers.Dense(classes, activation="softmax")(hidden)
    if options.freeze == "none":
        model = TieredModel(base.input, outputs)
        model.use(tiers_of(model))
    else:
        model = keras.Model(base.input, outputs)
    rate = 1e-3 if options.freeze == "backbone" else 1e-5
    model.compile(keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])

    clock = Clock()
    save = keras.callbacks.ModelCheckpoint(
        f"{options.out}.weights.h5", monitor="val_accuracy", save_best_only=True, save_weights_only=True
    )
    history = model.fit(train, validation_data=val, epochs=options.epochs, callbacks=[clock, save], shuffle=False, verbose=0).history
    images = sum(len(list(path.iterdir())) for path in (options.data / "train").iterdir())
    epochs = [
        {"top1": top1, "loss": loss, "imagesPerSecond": images / seconds}
        for top1, loss, seconds in zip(history["val_accuracy"], history["val_loss"], clock.seconds, strict=True)
    ]
    print(
        json.dumps(
            {
                "top1": max(history["val_accuracy"]),
                "imagesPerSecond": images * len(epochs) / sum(clock.seconds),
                "lastImagesPerSecond": epochs[-1]["imagesPerSecond"],
                "epochs": epochs,
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
