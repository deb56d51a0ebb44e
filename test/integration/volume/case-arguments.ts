/** Why each case of docs/volumes.md is judged as it is: by the label of its row. */
export const CASE_ARGUMENTS: Readonly<Record<string, string>> = {
  "ct-01 1":
    "Thirty even gaps of 8 mm, kernel B70f: a series of its own, never mixed with the other kernel.",
  "ct-01 2":
    "The same positions with kernel B40f: as many voxels, other values; two series are two volumes.",
  "ct-02":
    "Feet first and a negative Spacing Between Slices change nothing: positions alone give the order; padding is air.",
  "ct-03":
    "14 gaps of 4 mm and 13 of 7 mm under a tilt of 18.5°: sheared upright and resampled to the finest usual gap, 3 mm being less than gapRatioMax.",
  "ct-04 1": "The scout is a projection.",
  "ct-04 2": "Exam summary pages (REF_SURVIEW) are pictures of the scout.",
  "ct-04 3": "A plain stack of 5 mm; the scout of the same study does not touch it.",
  "ct-05": "Even gaps; the corners outside the circle of reconstruction hold −2000 and become air.",
  "ct-06":
    "Gaps of 7.5 to 115 mm are no scan that can be interpolated; of two slices at one place the bytes are the same and one is dropped.",
  "ct-07": "No Part 10 header at all: the encoding is seen from the data set; an even stack.",
  "ct-08 1": "Bolus tracking: four images at one place are a time series, not a volume.",
  "ct-08 2": "5, 5 and 10 mm: one of five slices is missing, which is more than missingPartMax.",
  "ct-08 3":
    "Tilt of 14° that no header element names: measured from positions, sheared; where the peak of air lies in these four slices is a warning only.",
  "ct-09 1": "One slice has no distance to a next one.",
  "ct-09 2": "One coronal reformat: a picture of the axial series, and one slice.",
  "ct-09 3": "One sagittal reformat: the same.",
  "ct-10":
    "One image in fifteen transfer syntaxes: copies of the same pixels are dropped, the lossy ones differ and share a place.",
  "ct-11":
    "Two images at one place, one lossy: nothing to stack; their pixels are tested beside the original.",
  "ct-12 1": "Three single slices are fewer than slicesMin.",
  "ct-12 2": "A perfusion map with its own palette holds no Hounsfield units.",
  "ct-12 3":
    "The same three slices as one legacy converted file: its frames count like slices, and are as few.",
  "ct-13 1": "One slice.",
  "ct-13 2": "One slice.",
  "ct-13 3": "DERIVED\\SECONDARY, written by a toolkit: not a scanner's slice, and one frame.",
  "ct-13 4": "A rendering (3D): no place, no direction, no spacing.",
  "ct-13 5": "One slice.",
  "ct-14": "A topogram alone in its series is still a projection.",
};
