"""Prints what nibabel reads of a NIfTI file, as JSON; a header that it would have to mend is an error."""
import gzip
import json
import sys

import nibabel
import numpy

path = sys.argv[1]
image = nibabel.load(path)
with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
    header = file.read(348)
report = nibabel.Nifti1Header.diagnose_binaryblock(header)
data = numpy.asanyarray(image.dataobj)
print(json.dumps({
    "diagnosis": report,
    "shape": image.shape,
    "type": str(image.get_data_dtype()),
    "affine": image.affine.tolist(),
    "sformCode": int(image.header["sform_code"]),
    "qformCode": int(image.header["qform_code"]),
    "qform": image.get_qform().tolist(),
    "axes": "".join(nibabel.aff2axcodes(image.affine)),
    "zooms": [float(value) for value in image.header.get_zooms()],
    "units": image.header.get_xyzt_units()[0],
    "sum": float(data.astype(numpy.float64).sum()),
    "last": float(data[-1, -1, -1]),
    "second": float(data[1, 0, 0]),
}))
