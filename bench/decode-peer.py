"""Decodes files with pydicom and whatever plugins it has, header and all.

One JSON command a line on stdin, one JSON answer a line on stdout: {"versions": true} tells who decodes, {"path", "forMs"}
how many decodes there were a second of processor time, of all threads, and a second of the clock; null where no plugin reads
the file.
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


def rates(path, for_ms):
    count = 0
    started, used = time.perf_counter(), time.process_time()
    while time.perf_counter() - started < for_ms / 1000:
        # A frame more would be more work: files of one frame are compared.
        pydicom.dcmread(path).pixel_array
        count += 1
    return {"rate": count / (time.process_time() - used), "clockRate": count / (time.perf_counter() - started)}


for line in sys.stdin:
    command = json.loads(line)
    if "versions" in command:
        answer = versions()
    else:
        try:
            answer = rates(command["path"], command["forMs"])
        except Exception:
            answer = {"rate": None, "clockRate": None}
    print(json.dumps(answer), flush=True)
