"""What pydicom reads of each frame, for comparison; and files made by pydicom and highdicom.

    slice_facts.py dump          paths on standard input, one JSON object a file on standard output
    slice_facts.py make OUT      enhanced CT by pydicom, one file in each manner of writing
    slice_facts.py legacy OUT CT a legacy converted enhanced CT by highdicom of the series in folder CT
"""

import json
import math
import random
import sys
import warnings
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    generate_uid,
)

warnings.simplefilter("ignore")
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE

LOSSY = {f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 53, 55, 81, 91, 93, 112, 203)}


def number(value):
    try:
        result = float(str(value).strip())
    except ValueError:
        return None
    return result if math.isfinite(result) else None


def values(item, keyword):
    element = item.get_item(keyword) if item is not None else None
    if element is None:
        return []
    value = item[keyword].value
    if value is None or value == "":
        return []
    if isinstance(value, bytes):
        value = value.decode("latin-1").rstrip("\0 ").split("\\")
    return list(value) if isinstance(value, (list, pydicom.multival.MultiValue)) else [value]


def numbers(item, keyword, count):
    found = [number(value) for value in values(item, keyword)]
    return found if len(found) == count and None not in found else None


def one(item, keyword):
    found = numbers(item, keyword, 1)
    return found[0] if found else None


def positive(value):
    return value if value is not None and value > 0 else None


def first(item, keyword):
    found = values(item, keyword)
    result = number(found[0]) if found else None
    return int(result) if result is not None and result == int(result) else None


def text(item, keyword):
    found = values(item, keyword)
    return str(found[0]).strip(" \0") if found else ""


def macro(groups, keyword):
    """The item of a macro of a frame's own, else the shared one's."""
    for group in groups:
        sequence = group.get(keyword) if group is not None else None
        if sequence:
            return sequence[0]
    return None


def padding(ds, keyword):
    value = first(ds, keyword)
    if value is None:
        return None
    if ds.get("PixelRepresentation") == 1:
        return value - 65536 if value > 32767 else value
    return value + 65536 if value < 0 else value


def frame(ds, index, frames, syntax):
    per_frame = ds.get("PerFrameFunctionalGroupsSequence") or []
    shared = ds.get("SharedFunctionalGroupsSequence") or []
    groups = [
        per_frame[index] if index < len(per_frame) else None,
        shared[0] if shared else None,
    ]
    position = macro(groups, "PlanePositionSequence")
    orientation = macro(groups, "PlaneOrientationSequence")
    measures = macro(groups, "PixelMeasuresSequence")
    transformation = macro(groups, "PixelValueTransformationSequence")
    content = macro(groups, "FrameContentSequence")
    kind = macro(groups, "CTImageFrameTypeSequence")
    reconstruction = macro(groups, "CTReconstructionSequence")
    source = macro(groups, "ConversionSourceAttributesSequence")
    unassigned = macro(groups, "UnassignedPerFrameConvertedAttributesSequence")
    unassigned_shared = macro(groups, "UnassignedSharedConvertedAttributesSequence")
    # Of a macro that is there all attributes count, else those of the image.
    rescale = transformation if transformation is not None else ds
    own = position if position is not None else (ds if frames == 1 else None)

    def somewhere(read, keyword, *items):
        for item in items:
            found = read(item, keyword) if item is not None else None
            if found not in (None, "", []):
                return found
        return read(ds, keyword)

    kernel = lambda item, keyword: "\\".join(str(v).strip() for v in values(item, keyword))
    types = [str(v).strip() for v in values(kind, "FrameType") or values(ds, "ImageType")]
    presentation = text(kind if kind is not None else ds, "PixelPresentation")
    return {
        "sopInstanceUid": text(ds, "SOPInstanceUID"),
        "sopClassUid": text(ds, "SOPClassUID"),
        "frameIndex": index,
        "rows": first(ds, "Rows") or 0,
        "columns": first(ds, "Columns") or 0,
        "positionLpsMm": numbers(own, "ImagePositionPatient", 3),
        "orientation": numbers(
            orientation if orientation is not None else ds, "ImageOrientationPatient", 6
        ),
        "pixelSpacingMm": numbers(measures if measures is not None else ds, "PixelSpacing", 2),
        "thicknessMm": positive(one(measures if measures is not None else ds, "SliceThickness")),
        "imageType": types,
        "samplesPerPixel": first(ds, "SamplesPerPixel") or 1,
        "photometricInterpretation": text(ds, "PhotometricInterpretation"),
        "bitsAllocated": first(ds, "BitsAllocated") or 0,
        "bitsStored": first(ds, "BitsStored") or 0,
        "highBit": -1 if first(ds, "HighBit") is None else first(ds, "HighBit"),
        "isSigned": first(ds, "PixelRepresentation") == 1,
        "numberOfFrames": frames,
        "rescaleSlope": one(rescale, "RescaleSlope"),
        "rescaleIntercept": one(rescale, "RescaleIntercept"),
        "rescaleType": text(rescale, "RescaleType"),
        "paddingValue": padding(ds, "PixelPaddingValue"),
        "paddingRangeLimit": padding(ds, "PixelPaddingRangeLimit"),
        "transferSyntaxUid": syntax,
        "isLossy": text(ds, "LossyImageCompression") == "01" or syntax in LOSSY,
        "instanceNumber": somewhere(first, "InstanceNumber", unassigned, unassigned_shared),
        "acquisitionNumber": (
            first(content, "FrameAcquisitionNumber")
            if first(content, "FrameAcquisitionNumber") is not None
            else somewhere(first, "AcquisitionNumber", unassigned, unassigned_shared)
        ),
        "acquisitionTime": text(content, "FrameAcquisitionDateTime")
        or text(ds, "AcquisitionDateTime")
        or text(ds, "AcquisitionDate") + text(ds, "AcquisitionTime"),
        "temporalPosition": (
            first(content, "TemporalPositionIndex")
            if content is not None
            else first(ds, "TemporalPositionIdentifier")
        ),
        "kernel": kernel(reconstruction, "ConvolutionKernel")
        if reconstruction is not None
        else somewhere(kernel, "ConvolutionKernel", unassigned, unassigned_shared),
        "stackId": text(content, "StackID"),
        "inStackPosition": first(content, "InStackPositionNumber"),
        "dimensionIndexValues": values(content, "DimensionIndexValues"),
        "isSupplementalColor": presentation in ("COLOR", "MIXED"),
        "hasRealWorldValues": macro([*groups, ds], "RealWorldValueMappingSequence") is not None,
        "sourceSopInstanceUid": text(source, "ReferencedSOPInstanceUID"),
    }


def dump(path):
    # An untruncated prefix is not asked for: pydicom reads it all, which is the point.
    ds = pydicom.dcmread(path, force=True)
    if len(ds) == 0:
        raise ValueError("nothing in it")
    meta = getattr(ds, "file_meta", None) or {}
    implicit, little = ds.original_encoding
    guess = ExplicitVRBigEndian
    if little:
        guess = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    syntax = str(meta.get("TransferSyntaxUID") or guess)
    frames = max(1, first(ds, "NumberOfFrames") or 1)
    pixels = ds.get_item("PixelData")
    return {
        "planes": [frame(ds, index, frames, syntax) for index in range(frames)],
        "pixelBytes": None if pixels is None else len(pixels.value),
        # Of the file, or of the inflated data set.
        "pixelOffset": None if pixels is None else pixels.value_tell,
    }


def write(ds, path, syntax):
    ds.file_meta.TransferSyntaxUID = syntax
    little = syntax != ExplicitVRBigEndian
    pixels = ds.PixelData
    if not little:
        ds.PixelData = np.frombuffer(pixels, dtype="<i2").byteswap().tobytes()
    pydicom.dcmwrite(
        path,
        ds,
        implicit_vr=syntax == ImplicitVRLittleEndian,
        little_endian=little,
        force_encoding=True,
    )
    ds.PixelData = pixels


def item(**attributes):
    result = Dataset()
    for keyword, value in attributes.items():
        setattr(result, keyword, value)
    return result


def enhanced(frames, rows=8, columns=8):
    """Two stacks, two temporal positions, in no order; slope, kernel and time of their own."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    ds = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID = meta.MediaStorageSOPClassUID
    ds.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    ds.AcquisitionDateTime = "20260102030405"
    ds.InstanceNumber, ds.AcquisitionNumber = 7, 3
    # A macro of an image at the wrong place: no position of a frame.
    ds.ImagePositionPatient = [9, 9, 9]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns, ds.NumberOfFrames = rows, columns, frames
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.add_new("PixelPaddingValue", "SS", -2000)
    ds.SharedFunctionalGroupsSequence = [
        item(
            PixelMeasuresSequence=[item(PixelSpacing=[0.7, 0.8], SliceThickness=1)],
            PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
            PixelValueTransformationSequence=[
                item(RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU")
            ],
            CTImageFrameTypeSequence=[
                item(
                    FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
                    PixelPresentation="MONOCHROME",
                )
            ],
            CTReconstructionSequence=[item(ConvolutionKernel=["B40f", "x"])],
        )
    ]
    order = list(range(frames))
    random.Random(1).shuffle(order)
    groups = []
    for number_ in order:
        stack, rest = number_ % 2, number_ // 2
        time, position = rest % 2, rest // 2
        groups.append(
            item(
                FrameContentSequence=[
                    item(
                        StackID=f"Stapel ä{stack + 1}",
                        InStackPositionNumber=position + 1,
                        TemporalPositionIndex=time + 1,
                        FrameAcquisitionNumber=time + 10,
                        FrameAcquisitionDateTime=f"202601020304{time:02}.5",
                        DimensionIndexValues=[stack + 1, time + 1, position + 1],
                    )
                ],
                PlanePositionSequence=[
                    item(ImagePositionPatient=[-10 + stack * 500, -20.5, 1.25 * position])
                ],
                **(
                    {
                        "PixelValueTransformationSequence": [
                            item(RescaleSlope=0.5, RescaleIntercept=time, RescaleType="HU")
                        ]
                    }
                    if position % 3 == 0
                    else {}
                ),
                **(
                    {"CTReconstructionSequence": [item(ConvolutionKernel="Br64")]} if stack else {}
                ),
            )
        )
    ds.PerFrameFunctionalGroupsSequence = Sequence(groups)
    ds.PixelData = np.arange(frames * rows * columns, dtype=np.int16).tobytes()
    return ds


def legacy(out, folder):
    from highdicom.legacy import LegacyConvertedEnhancedCTImage

    sources = [pydicom.dcmread(path) for path in sorted(Path(folder).glob("*.dcm"))]
    converted = LegacyConvertedEnhancedCTImage(
        sources,
        series_instance_uid=generate_uid(),
        series_number=9,
        sop_instance_uid=generate_uid(),
        instance_number=1,
    )
    converted.save_as(out / "legacy.dcm")


def make(out):
    ds = enhanced(48)
    write(ds, out / "enhanced-explicit.dcm", ExplicitVRLittleEndian)
    write(ds, out / "enhanced-implicit.dcm", ImplicitVRLittleEndian)
    write(ds, out / "enhanced-deflated.dcm", DeflatedExplicitVRLittleEndian)
    write(ds, out / "enhanced-big.dcm", ExplicitVRBigEndian)
    for sequence in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        ds[sequence].is_undefined_length = True
        for one_item in ds[sequence].value:
            one_item.is_undefined_length_sequence_item = True
    write(ds, out / "enhanced-undefined-lengths.dcm", ExplicitVRLittleEndian)
    # Larger than any first read, before what is asked for.
    ds.private_block(0x0009, "BLOCK", create=True).add_new(1, "OB", b"\1" * 3_000_000)
    ds.IconImageSequence = [item(Rows=280, Columns=250, BitsAllocated=8, PixelData=b"\0" * 70_000)]
    write(ds, out / "enhanced-private-block.dcm", ExplicitVRLittleEndian)
    write(ds, out / "enhanced-private-block-deflated.dcm", DeflatedExplicitVRLittleEndian)
    del ds.PerFrameFunctionalGroupsSequence[20:]
    write(ds, out / "enhanced-items-missing.dcm", ExplicitVRLittleEndian)
    write(enhanced(1000), out / "enhanced-1000.dcm", ExplicitVRLittleEndian)


def main():
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]))
        return
    if sys.argv[1] == "legacy":
        legacy(Path(sys.argv[2]), sys.argv[3])
        return
    for line in sys.stdin:
        path = line.rstrip("\n")
        try:
            answer = dump(path)
        except Exception as error:  # whatever pydicom cannot read
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps({"path": path, **answer}))


if __name__ == "__main__":
    main()
