"""What people use: pydicom and Pillow, and a PyTorch DataLoader over them with workers that stay.

`peer.py FOLDER STRUCTURE` pairs a folder in the challenge layout by its names. One JSON command a line on stdin, one JSON
answer a line on stdout.
"""
import csv
import json
import re
import sys
import time
from pathlib import Path

import numpy as np
import PIL
import pydicom
from PIL import Image, ImageDraw

try:
    import torch
    from torch.utils.data import DataLoader

    torch.set_num_threads(1)
except ImportError:
    torch = None


def find_pairs(folder, structure):
    """The image and the contour file of each slice that carries the structure."""
    pairs = []
    with open(folder / "link.csv", newline="") as links:
        for row in csv.DictReader(links):
            contours = folder / "contourfiles" / row["original_id"] / f"{structure}-contours"
            for contour in sorted(contours.glob("*.txt")):
                number = int(re.match(r"IM-\d+-(\d+)-", contour.name)[1])
                image = folder / "dicoms" / row["patient_id"] / f"{number}.dcm"
                if image.exists():
                    pairs.append((str(image), str(contour)))
    return pairs


def read_image(path):
    dataset = pydicom.dcmread(path)
    pixels = dataset.pixel_array
    slope = float(getattr(dataset, "RescaleSlope", 1))
    intercept = float(getattr(dataset, "RescaleIntercept", 0))
    if slope != 1 or intercept != 0:
        pixels = pixels * slope + intercept
    return pixels.astype(np.int16, copy=False)


def read_mask(path, rows, columns):
    with open(path) as lines:
        polygon = [tuple(map(float, line.split())) for line in lines if line.strip()]
    mask = Image.new("L", (columns, rows), 0)
    ImageDraw.Draw(mask).polygon(polygon, outline=0, fill=1)
    return np.array(mask).astype(bool)


class Pairs:
    def __init__(self, pairs):
        self.pairs = pairs

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, place):
        image, contour = self.pairs[place]
        pixels = read_image(image)
        mask = read_mask(contour, *pixels.shape)
        if torch is None:
            return pixels, mask
        return torch.from_numpy(pixels)[None], torch.from_numpy(mask)[None]


def total(tensor):
    flat = tensor.contiguous().view(-1).view(torch.uint8)
    return int((flat.view(torch.int64) if flat.numel() % 8 == 0 else flat).sum())


loaders = {}


def epoch(pairs, batch, workers):
    """One shuffled epoch; the workers of a batch size are started by its first epoch and stay."""
    if batch not in loaders:
        loaders[batch] = DataLoader(
            pairs, batch_size=batch, shuffle=True, num_workers=workers, persistent_workers=workers > 0
        )
    images_sum = masks_sum = count = size = 0
    started = time.perf_counter()
    for images, masks in loaders[batch]:
        images_sum += total(images)
        masks_sum += total(masks)
        count += len(images)
        size += images.numel() * images.element_size() + masks.numel()
    seconds = time.perf_counter() - started
    words = {"images": f"{images_sum % 2**64:016x}", "masks": f"{masks_sum % 2**64:016x}"}
    return {"seconds": seconds, "pairs": count, "bytes": size, **words}


def forget(pairs):
    """Ends all workers."""
    loaders.clear()
    return {}


def single(pairs, count):
    """`count` pairs one after the other in this process, to arrays and no further."""
    started = time.perf_counter()
    for place in range(count):
        pairs[place % len(pairs)]
    return {"seconds": time.perf_counter() - started, "pairs": count}


def versions(pairs):
    torch_version = torch.__version__ if torch else None
    return {"torch": torch_version, "pydicom": pydicom.__version__, "pillow": PIL.__version__, "pairs": len(pairs)}


if __name__ == "__main__":
    pairs = Pairs(find_pairs(Path(sys.argv[1]), sys.argv[2]))
    commands = {"epoch": epoch, "single": single, "forget": forget, "versions": versions}
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(commands[command.pop("do")](pairs, **command)), flush=True)
