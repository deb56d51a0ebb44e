/** The couch under the patient, or the head holder. */
import type { Canvas } from "./canvas.ts";
import { LABEL } from "./labels.ts";

/** Paints the couch where there is air, the same in every slice, just under the body. */
export function paintTable(canvas: Canvas, isHead: boolean): void {
  const { nx, ny, nz, grid, hu, labels } = canvas;
  const back = lowestBodyRow(canvas);
  if (back === undefined) return;
  const top = back * grid.pixelMm + (isHead ? 5 : 4);
  for (let y = 0; y < ny; y++)
    for (let x = 0; x < nx; x++) {
      const across = (x - (nx - 1) / 2) * grid.pixelMm;
      const value = couchHu(across, y * grid.pixelMm - top, isHead, canvas.edgeMm);
      if (value < -985) continue;
      for (let z = 0; z < nz; z++) {
        const i = (z * ny + y) * nx + x;
        if (labels[i] !== LABEL.none || hu[i]! > -850) continue;
        hu[i] = value;
        labels[i] = LABEL.table;
      }
    }
}

/** A hollow shell of carbon fiber filled with foam; `down` is measured from its highest line, mm. */
function couchHu(across: number, down: number, isHead: boolean, edge: number): number {
  const [width, sag, thick] = isHead ? [98, 74, 16] : [205, 34, 40];
  const t = Math.abs(across) / width;
  if (t > 1) return -1000;
  const depth = down + sag * t * t;
  // The lower face bends more, so that the couch closes at its sides.
  const below = depth - thick * (1 - t ** 4);
  const outside = Math.max(-depth, below);
  if (outside > edge) return -1000;
  const presence = Math.min(1, Math.max(0, 0.5 - outside / edge));
  const inside = Math.min(1, Math.max(0, (-outside - 2.2) / edge));
  return -1000 + presence * (inside * 55 + (1 - inside) * (isHead ? 780 : 860));
}

function lowestBodyRow(canvas: Canvas): number | undefined {
  const { nx, ny, nz, labels } = canvas;
  for (let y = ny - 1; y >= 0; y--)
    for (let z = 0; z < nz; z++)
      for (let x = Math.floor(nx * 0.3); x < nx * 0.7; x++)
        if (labels[(z * ny + y) * nx + x] !== LABEL.none) return y;
  return undefined;
}
