"""Stored values as pydicom reads them, of the files named: one JSON object a line."""

import hashlib
import json
import sys

import numpy
import pydicom

for path in sys.argv[1:]:
    data_set = pydicom.dcmread(path)
    # Pixels as they are stored: no modality transform, and bits above Bits Stored masked as PS3.5 8.1.1 wants it.
    array = data_set.pixel_array.astype(numpy.int64)
    low = array & ((1 << data_set.BitsStored) - 1)
    if data_set.PixelRepresentation == 1:
        low -= (low >> (data_set.BitsStored - 1)) << data_set.BitsStored
    digest = hashlib.sha256(low.astype("<i4").tobytes()).hexdigest()
    print(json.dumps({"path": path, "digest": digest, "count": int(array.size)}))
