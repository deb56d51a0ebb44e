import { expect } from "chai";
import type { DataSet } from "../../../src/dicom/data-set.ts";
import { HeaderSkim, type SkimHalt } from "../../../src/dicom/header-skim.ts";
import { SLICE_PLANE_TAGS } from "../../../src/dicom/slice-plane.ts";
import { TAG } from "../../../src/dicom/tags.ts";
import { KindredError } from "../../../src/kernel/errors.ts";
import { CLASSIC, enhanced, headerOf } from "../../support/frames.ts";
import { elementBytes, head, headerBytes, itemBytes, MANNERS } from "../../support/header-bytes.ts";

const EXPLICIT = MANNERS.find(
  ({ syntax, isOpenEnded }) => syntax.endsWith(".2.1") && !isOpenEnded,
)!;
const OPEN = { ...EXPLICIT, isOpenEnded: true };
const IMPLICIT = { ...EXPLICIT, isExplicit: false };
const PRIVATE_SQ = 0x00091010;

interface Skimmed {
  readonly halt: SkimHalt & { readonly offset: number };
  readonly header: DataSet;
  readonly items: readonly DataSet[];
}

/** Walks `bytes` in windows of `windowBytes`, larger only where one is asked for. */
function skim(bytes: Uint8Array, manner = EXPLICIT, windowBytes = bytes.length + 1): Skimmed {
  const items: DataSet[] = [];
  const reader = new HeaderSkim({
    isExplicit: manner.isExplicit,
    isLittleEndian: manner.isLittle,
    tags: SLICE_PLANE_TAGS,
    itemsOf: TAG.PerFrameFunctionalGroupsSequence,
    onItem(item, index) {
      items.length = index;
      items.push(item);
    },
  });
  let at = 0;
  let wanted = windowBytes;
  for (;;) {
    const window = bytes.subarray(at, at + wanted);
    const halt = reader.walk(window, window.length < wanted);
    if (halt.state !== "more")
      return {
        halt: { ...halt, offset: at + (halt.state === "pixels" ? halt.at : 0) },
        header: reader.header,
        items,
      };
    expect(halt.at > 0 || halt.bytes > wanted, "goes on").to.equal(true);
    at += halt.at;
    wanted = Math.max(windowBytes, halt.bytes);
  }
}

/** Everything that a header says, as text. */
function told({ header, items }: Skimmed): unknown {
  const values = (dataSet: DataSet): unknown =>
    [...dataSet.elements.values()]
      .sort((a, b) => a.tag - b.tag)
      .filter(({ tag }) => tag !== TAG.PerFrameFunctionalGroupsSequence)
      .map(({ tag, vr, value, items: inner }) => [
        tag,
        vr,
        Buffer.from(value).toString("hex"),
        inner?.map(values),
      ]);
  return [values(header), items.map(values)];
}

const PIXELS = { tag: TAG.PixelData, vr: "OW", value: new Uint8Array(40) };

describe("the skimmed header", () => {
  for (const manner of MANNERS) {
    const { syntax, isOpenEnded } = manner;
    it(`is the same in windows of any size (${syntax}, ${isOpenEnded ? "un" : ""}defined lengths)`, () => {
      const header = headerOf(enhanced(3, { PixelPaddingValue: new Uint8Array([1, 2]) }));
      header.setBytes(PRIVATE_SQ - 0x1000, "OB", Buffer.alloc(300, 0xff));
      header.setItems(PRIVATE_SQ, [headerOf(CLASSIC), headerOf({ ...CLASSIC, Rows: 9 })]);
      const before = headerBytes(header, manner);
      const bytes = Buffer.concat([before, elementBytes(PIXELS, manner)]);
      const whole = skim(bytes, manner);
      const expected = told(whole);
      expect(whole.items.map((item) => item.items(TAG.PlanePositionSequence))).to.have.length(3);
      expect(whole.header.integer(TAG.Rows)).to.equal(4);
      const offset = before.length + (manner.isExplicit ? 12 : 8);
      for (
        let windowBytes = 1;
        windowBytes < bytes.length;
        windowBytes += windowBytes < 64 ? 1 : 37
      ) {
        const skimmed = skim(bytes, manner, windowBytes);
        expect(told(skimmed)).to.deep.equal(expected);
        expect(skimmed.halt).to.deep.include({ state: "pixels", length: 40, offset });
      }
    });
  }

  it("holds nothing that nobody asks for, and nothing of a sequence within a macro", () => {
    const header = headerOf({
      ...CLASSIC,
      PatientName: "Doe",
      SharedFunctionalGroupsSequence: [
        {
          PatientID: "1",
          PlanePositionSequence: [
            { PatientID: "1", PlanePositionSequence: [{ ImagePositionPatient: "1\\2\\3" }] },
          ],
        },
      ],
    });
    const skimmed = skim(headerBytes(header, EXPLICIT)).header;
    expect(skimmed.has(TAG.PatientName)).to.equal(false);
    const shared = skimmed.items(TAG.SharedFunctionalGroupsSequence)[0]!;
    expect([...shared.elements.keys()]).to.deep.equal([TAG.PlanePositionSequence]);
    expect(shared.items(TAG.PlanePositionSequence)[0]!.elements.size).to.equal(0);
  });

  it("goes on behind a sequence with a fault in it, where the length says its end", () => {
    const faulty = Buffer.concat([head(0xfffee000, 4_000, EXPLICIT), Buffer.from("no item")]);
    const rest = headerBytes(headerOf({ Rows: 4, Columns: 5 }), EXPLICIT);
    for (const tag of [PRIVATE_SQ - 0x10000, TAG.CTImageFrameTypeSequence]) {
      const broken = elementBytes({ tag, vr: "OB", value: faulty }, EXPLICIT);
      broken.write("SQ", 4, "latin1");
      const { header } = skim(Buffer.concat([broken, rest]));
      expect(header.has(tag)).to.equal(false);
      expect(header.integer(TAG.Columns)).to.equal(5);
    }
  });

  it("lets go of items that were handed over before the fault", () => {
    const tag = TAG.PerFrameFunctionalGroupsSequence;
    const good = headerBytes(headerOf(enhanced(2)), EXPLICIT);
    const broken = Buffer.from(good);
    const second = broken.lastIndexOf(head(0xfffee000, 0, EXPLICIT).subarray(0, 4));
    broken.fill(0xff, second, second + 4);
    expect(skim(good).header.has(tag)).to.equal(true);
    expect(skim(broken).header.has(tag)).to.equal(false);
  });

  it("passes what a sequence with too short a length leaves behind", () => {
    const item = headerOf({ Rows: 99 });
    const items = [itemBytes(item, EXPLICIT), itemBytes(item, OPEN)];
    const bytes = Buffer.concat([
      elementBytes({ tag: PRIVATE_SQ, vr: "SQ", value: new Uint8Array(0), items: [] }, EXPLICIT),
      ...items,
      head(0xfffee0dd, 0, EXPLICIT),
      headerBytes(headerOf({ Rows: 4 }), EXPLICIT),
    ]);
    for (let windowBytes = 1; windowBytes <= bytes.length; windowBytes++)
      expect(skim(bytes, EXPLICIT, windowBytes).header.integer(TAG.Rows)).to.equal(4);
  });

  it("reads elements and sequences of VR UN as what they are", () => {
    const header = headerOf(enhanced(2, { InstanceNumber: "12" }));
    const unknown = [...header.elements.values()].map(({ tag, value, items }) => {
      const inner = items?.map((item) => itemBytes(item, IMPLICIT));
      return elementBytes({ tag, vr: "UN", value: inner ? Buffer.concat(inner) : value }, EXPLICIT);
    });
    expect(header.get(TAG.Rows)?.vr).to.equal("US");
    expect(told(skim(Buffer.concat(unknown)))).to.deep.equal(
      told(skim(headerBytes(header, EXPLICIT))),
    );
  });

  it("reads implicit VR in an explicit data set or item, and explicit VR in an implicit data set", () => {
    const header = headerOf(enhanced(2));
    const expected = told(skim(headerBytes(header, EXPLICIT)));
    expect(told(skim(headerBytes(header, IMPLICIT), EXPLICIT))).to.deep.equal(expected);
    expect(told(skim(headerBytes(header, EXPLICIT), IMPLICIT))).to.deep.equal(expected);
    const mixed = [...header.elements.values()].map(({ tag, vr, value, items }) => {
      const bytes = Buffer.concat((items ?? []).map((item) => itemBytes(item, IMPLICIT)));
      if (vr !== "SQ") return elementBytes({ tag, vr, value }, EXPLICIT);
      const element = elementBytes({ tag, vr: "OB", value: bytes }, EXPLICIT);
      element.write("SQ", 4, "latin1");
      return element;
    });
    expect(told(skim(Buffer.concat(mixed)))).to.deep.equal(expected);
  });

  it("takes of a tag that comes twice the first", () => {
    const twice = [4, 5].map((Rows) => headerBytes(headerOf({ Rows }), EXPLICIT));
    expect(skim(Buffer.concat(twice)).header.integer(TAG.Rows)).to.equal(4);
    const frames = [2, 3].map((count) => {
      const { PerFrameFunctionalGroupsSequence } = enhanced(count);
      return headerBytes(
        headerOf({ PerFrameFunctionalGroupsSequence: PerFrameFunctionalGroupsSequence! }),
        EXPLICIT,
      );
    });
    expect(skim(Buffer.concat(frames)).items).to.have.length(2);
  });

  it("is refused where the bytes end early or are no elements", () => {
    const bytes = headerBytes(headerOf({ ...CLASSIC, ...enhanced(1) }), OPEN);
    let refused = 0;
    for (let length = 1; length < bytes.length; length++) {
      try {
        expect(skim(bytes.subarray(0, length)).halt.state).to.equal("end");
      } catch (error) {
        expect(error).to.be.instanceOf(KindredError).with.property("code", "DATASET_UNREADABLE");
        refused++;
      }
    }
    // Between two elements of the top level it may end.
    expect(bytes.length - 1 - refused).to.equal(
      headerOf({ ...CLASSIC, ...enhanced(1) }).elements.size - 1,
    );
    const deep = Buffer.concat(
      Array.from({ length: 40 }, () =>
        Buffer.concat([
          elementBytes({ tag: PRIVATE_SQ, vr: "SQ", value: new Uint8Array(0) }, OPEN).subarray(
            0,
            12,
          ),
          head(0xfffee000, 0xffffffff, OPEN),
        ]),
      ),
    );
    expect(() => skim(deep)).to.throw(KindredError, /too deeply/);
  });
});
