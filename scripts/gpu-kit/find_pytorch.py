"""Prints as JSON which PyTorch this Python has, and what it says of devices."""

import importlib.util
import json
import os
import platform
import sys

import torch

answer = {
    "python": sys.executable,
    "pythonVersion": platform.python_version(),
    "version": torch.__version__,
    "folder": os.path.realpath(os.path.dirname(torch.__file__)),
    "cuda": torch.version.cuda,
    "cudnn": torch.backends.cudnn.version() if torch.version.cuda else None,
    "torchvision": importlib.util.find_spec("torchvision") is not None,
    "devices": [],
}
if torch.cuda.is_available():
    for index in range(torch.cuda.device_count()):
        major, minor = torch.cuda.get_device_capability(index)
        answer["devices"].append({"name": torch.cuda.get_device_name(index), "capability": [major, minor]})
print(json.dumps(answer))
