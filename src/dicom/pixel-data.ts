/** Stored values of one uncompressed frame; every other transfer syntax is read by pixels/frame-source.ts. */
export type { PixelLayout } from "./pixels/layout.ts";
export { decodeNativePixels } from "./pixels/stored-values.ts";
