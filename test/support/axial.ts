/** z to the head, y to the back, x to the left: unit vectors of an axial stack that is stored feet first. */
export const AXIAL = [
  [0, 0, 1],
  [0, 1, 0],
  [1, 0, 0],
] as const;
