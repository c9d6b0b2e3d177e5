"""Classify one item with an exported model: numpy and onnxruntime, and a package that opens the file.

    python predict.py MODEL.onnx ITEM

ITEM is a picture (opened by Pillow), a sound (by soundfile), an array in a .json file, or a text.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

model, item = sys.argv[1:]
session = onnxruntime.InferenceSession(model)
(entry,), metadata = session.get_inputs(), session.get_modelmeta().custom_metadata_map

if entry.type == "tensor(string)":
    batch = np.array([item], dtype=object)
elif entry.type == "tensor(uint8)":
    from PIL import Image, ImageOps

    picture = ImageOps.exif_transpose(Image.open(item)).convert("RGBA")
    opaque = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    batch = np.asarray(opaque.convert("RGB"))[None]  # (1, height, width, 3)
elif "sample_rate" in metadata:
    import soundfile

    samples, rate = soundfile.read(item, dtype="float32", always_2d=True)
    if rate != int(metadata["sample_rate"]):
        sys.exit(f"{item} has {rate} samples a second: resample it to {metadata['sample_rate']} first")
    batch = samples.mean(axis=1)[None]  # (1, samples)
else:
    batch = np.array([json.loads(Path(item).read_text())], "f8" if entry.type == "tensor(double)" else "f4")

label, probabilities = session.run(["label", "probabilities"], {entry.name: batch})
rows = [f"{share:.6f}  {name}" for name, share in zip(json.loads(metadata["classes"]), probabilities[0], strict=True)]
print(label[0], *rows, sep="\n")
