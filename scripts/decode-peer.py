"""Decodes images with pydicom and its plugins: `decode-peer.py FOLDER FILE...` writes the values of FILE number n, as
int64 in C order, to FOLDER/n; a file that no plugin reads gets none."""
import os
import sys
import warnings

import numpy
import pydicom

warnings.simplefilter("ignore")
folder, *files = sys.argv[1:]
for number, path in enumerate(files):
    try:
        values = pydicom.dcmread(path).pixel_array
    except Exception:
        continue
    values.astype("<i8").tofile(os.path.join(folder, str(number)))
