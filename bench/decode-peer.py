"""Decodes files with pydicom and whatever plugins it has, header and all.

One JSON command a line on stdin, one JSON answer a line on stdout: {"versions": true} tells who decodes, {"path", "forMs"}
how many decodes a second there were, null where no plugin reads the file.
"""
import json
import sys
import time
import warnings

import pydicom

warnings.simplefilter("ignore")


def versions():
    found = {"pydicom": pydicom.__version__}
    try:
        import gdcm

        found["GDCM"] = gdcm.Version.GetVersion()
    except ImportError:
        pass
    from importlib import metadata

    for name in ("pylibjpeg", "pylibjpeg-openjpeg", "pylibjpeg-libjpeg", "pylibjpeg-rle", "pyjpegls"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return found


def rate(path, for_ms):
    count = 0
    started = time.perf_counter()
    while time.perf_counter() - started < for_ms / 1000:
        # A frame more would be more work: files of one frame are compared.
        pydicom.dcmread(path).pixel_array
        count += 1
    return count / (time.perf_counter() - started)


for line in sys.stdin:
    command = json.loads(line)
    if "versions" in command:
        answer = versions()
    else:
        try:
            answer = {"rate": rate(command["path"], command["forMs"])}
        except Exception:
            answer = {"rate": None}
    print(json.dumps(answer), flush=True)
