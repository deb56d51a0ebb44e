/**
 * One compressed frame → stored values. The code stream's own header must agree with the data set and its end must be where the
 * frame ends, before a codec sees it. What cannot be found out: damage inside entropy-coded data that leaves every length as it
 * was; JPEG, JPEG-LS and JPEG 2000 have no checksum. Lossless JPEG, JPEG-LS, RLE and sequential JPEG are checked to their
 * last bit, so little of it goes by; of JPEG 2000 and HTJ2K packets only what the codec complains about is known.
 *
 * Meant for a thread that can be thrown away: a codec may trap, and only the thread's end stops one that hangs.
 */
import { KindredError, messageOf } from "../../kernel/errors.ts";
import {
  checkEndOfImage,
  endOfScan,
  type JpegFrame,
  MARKER,
  readJpegFrame,
} from "./jpeg-markers.ts";
import { checkSequential, decodeLossless } from "./jpeg-scans.ts";
import { readJpegXlHeader } from "./jpeg-xl-header.ts";
import { codestreamOf, readCodestream } from "./jpeg2000-codestream.ts";
import { checkLayout, frameBytes, type PixelLayout, syntaxName, unreadable } from "./layout.ts";
import { isLossySyntax } from "./lossy.ts";
import { decodeRle } from "./rle.ts";
import { type CodedSamples, fitSamples, storedValues } from "./stored-values.ts";
import { CodecError, decodeWithCodec, type WasmCodec } from "./wasm-codecs.ts";

const BASELINE = 0xc0;
const EXTENDED = 0xc1;
const PROGRESSIVE = 0xc2;
const LOSSLESS = 0xc3;

/** How a frame of each syntax is decoded, by the last component of 1.2.840.10008.1.2.4; RLE stands apart. */
type Decoder = (frame: Uint8Array, layout: PixelLayout) => Promise<CodedSamples>;
const DECODERS: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  ["50", (frame, layout) => decodeJpeg(frame, layout, [BASELINE])],
  ["51", (frame, layout) => decodeJpeg(frame, layout, [BASELINE, EXTENDED])],
  ["53", (frame, layout) => decodeJpeg(frame, layout, [EXTENDED, PROGRESSIVE])],
  ["55", (frame, layout) => decodeJpeg(frame, layout, [EXTENDED, PROGRESSIVE])],
  ["57", (frame, layout) => decodeJpeg(frame, layout, [LOSSLESS])],
  ["70", (frame, layout) => decodeJpeg(frame, layout, [LOSSLESS])],
  ["80", (frame, layout) => decodeJpegLs(frame, layout, true)],
  ["81", (frame, layout) => decodeJpegLs(frame, layout, false)],
  ["90", (frame, layout) => decodeJpeg2000(frame, layout, { isReversible: true, isHt: false })],
  ["91", (frame, layout) => decodeJpeg2000(frame, layout, { isReversible: false, isHt: false })],
  ["110", decodeJpegXl],
  ["111", decodeJpegXl],
  ["112", decodeJpegXl],
  ["201", (frame, layout) => decodeJpeg2000(frame, layout, { isReversible: true, isHt: true })],
  ["202", (frame, layout) => decodeJpeg2000(frame, layout, { isReversible: true, isHt: true })],
  ["203", (frame, layout) => decodeJpeg2000(frame, layout, { isReversible: false, isHt: true })],
]);
const JPEG_FAMILY = "1.2.840.10008.1.2.4.";
export const RLE_LOSSLESS = "1.2.840.10008.1.2.5";

/** Whether frames of an encapsulated syntax can be decoded. */
export function isDecodable(transferSyntaxUid: string): boolean {
  return transferSyntaxUid === RLE_LOSSLESS || decoderOf(transferSyntaxUid) !== undefined;
}

/**
 * Bytes that a compressed frame may have: lossless coding of noise needs more than the pixels themselves, but not four times
 * as many.
 */
export function codedBytesMax(layout: PixelLayout): number {
  return 4 * frameBytes(layout) + 1_048_576;
}

/** Whether the thread that decoded must be thrown away: its codec is in an unknown state. */
export function mustDiscardThread(error: unknown): boolean {
  return error instanceof KindredError && error.details.mustDiscard === true;
}

/**
 * Decodes one frame of any encapsulated transfer syntax that CT arrives in.
 *
 * @param frame - all its fragments joined
 * @param frameNumber - from 1, for messages
 * @returns stored values `[row][column]` flattened
 * @throws KindredError `DATASET_UNREADABLE` naming frame and syntax; {@link mustDiscardThread} says whether a codec failed
 */
export async function decodeFrame(
  frame: Uint8Array,
  transferSyntaxUid: string,
  layout: PixelLayout,
  frameNumber = 1,
): Promise<Int16Array | Uint16Array> {
  try {
    checkLayout(layout);
    if (frame.length > codedBytesMax(layout))
      throw unreadable(`it has ${frame.length} bytes, far more than its pixels`);
    if (transferSyntaxUid === RLE_LOSSLESS) return storedValues(decodeRle(frame, layout), layout);
    const decoder = decoderOf(transferSyntaxUid);
    if (decoder === undefined) throw unreadable("no codec for it is installed");
    const samples = await decoder(frame, layout);
    return fitSamples(samples, layout, isLossySyntax(transferSyntaxUid));
  } catch (cause) {
    if (!(cause instanceof KindredError) && !(cause instanceof CodecError)) throw cause;
    const mustDiscard = cause instanceof CodecError;
    const why = mustDiscard ? `its codec gave up (${messageOf(cause)})` : messageOf(cause);
    throw new KindredError(
      "DATASET_UNREADABLE",
      `Frame ${frameNumber} cannot be decoded from ${syntaxName(transferSyntaxUid)}: ${why}`,
      { cause, details: { frame: frameNumber, transferSyntaxUid, mustDiscard } },
    );
  }
}

function decoderOf(transferSyntaxUid: string): Decoder | undefined {
  if (!transferSyntaxUid.startsWith(JPEG_FAMILY)) return undefined;
  return DECODERS.get(transferSyntaxUid.slice(JPEG_FAMILY.length));
}

async function decodeJpeg(
  bytes: Uint8Array,
  layout: PixelLayout,
  processes: readonly number[],
): Promise<CodedSamples> {
  const frame = readJpegFrame(bytes);
  if (!processes.includes(frame.process))
    throw unreadable("its code stream is of another JPEG process than the transfer syntax says");
  checkImage(frame, layout);
  const { precision } = frame;
  if (frame.process === LOSSLESS)
    return { words: decodeLossless(bytes, frame), precision, isSigned: false };
  if (precision !== 8 && precision !== 12) throw unreadable(`it has ${precision} bits a pixel`);
  // Fewer bits than stored: someone scaled the values, and what the scale was is not told.
  if (precision < layout.bitsStored)
    throw unreadable(`it has ${precision} bits a pixel, the data set ${layout.bitsStored}`);
  if (frame.process === PROGRESSIVE) checkScans(bytes, frame);
  else checkSequential(bytes, frame);
  return {
    words: await codecWords("DecodeJpeg", bytes, layout, precision),
    precision,
    isSigned: false,
  };
}

/** Several scans, with tables between them: that they lead to the end marker is all that is checked. */
function checkScans(bytes: Uint8Array, frame: JpegFrame): void {
  let at = endOfScan(bytes, frame.scanStart);
  while (at + 4 <= bytes.length && bytes[at + 1] !== MARKER.EOI) {
    const marker = bytes[at + 1]!;
    if (marker !== MARKER.SOS && marker !== MARKER.DHT && marker !== MARKER.DRI) break;
    at += 2 + bytes[at + 2]! * 256 + bytes[at + 3]!;
    if (marker === MARKER.SOS) at = endOfScan(bytes, at);
  }
  checkEndOfImage(bytes, at);
}

async function decodeJpegLs(
  bytes: Uint8Array,
  layout: PixelLayout,
  mustBeLossless: boolean,
): Promise<CodedSamples> {
  const frame = readJpegFrame(bytes);
  if (frame.process !== MARKER.SOF55) throw unreadable("its code stream is not JPEG-LS");
  checkImage(frame, layout);
  if (mustBeLossless && frame.scan.ss !== 0)
    throw unreadable("its code stream is near-lossless, the transfer syntax lossless");
  checkEndOfImage(bytes, endOfScan(bytes, frame.scanStart, true));
  const { precision } = frame;
  return {
    words: await codecWords("DecodeJpegLs", bytes, layout, precision),
    precision,
    isSigned: false,
  };
}

async function decodeJpeg2000(
  bytes: Uint8Array,
  layout: PixelLayout,
  expected: { readonly isReversible: boolean; readonly isHt: boolean },
): Promise<CodedSamples> {
  const codestream = codestreamOf(bytes);
  const image = readCodestream(codestream);
  checkImage(image, layout);
  if (expected.isReversible && !image.isReversible)
    throw unreadable("its code stream is lossy, the transfer syntax lossless");
  if (image.isHighThroughput !== expected.isHt)
    throw unreadable(
      "its code stream is of another part of JPEG 2000 than the transfer syntax says",
    );
  const { precision, isSigned } = image;
  const codec = expected.isHt ? "DecodeHtJpeg2000" : "DecodeJpeg2000";
  const words = await codecWords(codec, codestream, layout, precision, isSigned);
  return { words, precision, isSigned };
}

async function decodeJpegXl(bytes: Uint8Array, layout: PixelLayout): Promise<CodedSamples> {
  const { precision, ...size } = readJpegXlHeader(bytes);
  checkImage({ ...size, precision, components: 1 }, layout);
  if (layout.isSigned) throw unreadable("JPEG XL has no signed pixels, the data set has");
  const words = await codecWords("DecodeJpegXl", bytes, layout, precision);
  // The codec spreads samples over the whole range of 8 or 16 bits.
  const given = precision <= 8 ? 255 : 65_535;
  const wanted = 2 ** precision - 1;
  if (given !== wanted)
    for (let i = 0; i < words.length; i++) words[i] = Math.round((words[i]! * wanted) / given);
  return { words, precision, isSigned: false };
}

function checkImage(
  image: { rows: number; columns: number; components: number; precision: number },
  { rows, columns, bitsAllocated }: PixelLayout,
): void {
  if (image.rows !== rows || image.columns !== columns)
    throw unreadable(
      `its code stream has ${image.rows} × ${image.columns} pixels, the data set ${rows} × ${columns}`,
    );
  if (image.components !== 1) throw unreadable(`its code stream has ${image.components} colours`);
  if (image.precision < 2 || image.precision > bitsAllocated)
    throw unreadable(`it has ${image.precision} bits a pixel, Bits Allocated is ${bitsAllocated}`);
}

/** @returns one word a pixel; negative samples sign-extended to 16 bits */
async function codecWords(
  codec: WasmCodec,
  bytes: Uint8Array,
  { rows, columns }: PixelLayout,
  precision: number,
  isSigned = false,
): Promise<Uint16Array> {
  // OpenJPH's samples are cut to the width that is asked for, the others' have that of their precision.
  const bitsAllocated = codec === "DecodeHtJpeg2000" || precision > 8 ? 16 : 8;
  const frame = { bytes, rows, columns, bitsAllocated, bitsStored: precision, isSigned };
  const samples = await decodeWithCodec(codec, frame);
  if (bitsAllocated === 16) return new Uint16Array(samples.buffer);
  return isSigned
    ? new Uint16Array(Int16Array.from(new Int8Array(samples.buffer)).buffer)
    : Uint16Array.from(samples);
}
