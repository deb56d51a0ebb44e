import { expect } from "chai";
import { decodeFileMeta, encodeFileMeta } from "../../../src/dicom/part10.ts";
import { UID } from "../../../src/dicom/uids.ts";

const instance = {
  sopClassUid: "1.2.840.10008.5.1.4.1.1.2",
  sopInstanceUid: "1.2.3.45",
  transferSyntaxUid: UID.explicitVrLittleEndian,
};

describe("file meta information", () => {
  for (const sourceAeTitle of [undefined, "ODD", "EVEN"]) {
    it(`is read back as it was written, from ${sourceAeTitle ?? "nobody"}`, () => {
      const given = sourceAeTitle === undefined ? instance : { ...instance, sourceAeTitle };
      const bytes = encodeFileMeta(given);
      expect(bytes.subarray(0, 128).every((byte) => byte === 0)).to.equal(true);
      expect(bytes.toString("latin1", 128, 132)).to.equal("DICM");
      const { meta, dataSetOffset, transferSyntaxUid } = decodeFileMeta(bytes);
      expect(dataSetOffset).to.equal(bytes.length);
      expect(transferSyntaxUid).to.equal(instance.transferSyntaxUid);
      expect(meta.number(0x00020000)).to.equal(bytes.length - 144);
      expect([...meta.get(0x00020001)!.value]).to.deep.equal([0, 1]);
      expect(meta.string(0x00020002)).to.equal(instance.sopClassUid);
      expect(meta.string(0x00020003)).to.equal(instance.sopInstanceUid);
      expect(meta.string(0x00020012)).to.match(/^[\d.]+$/);
      expect(meta.string(0x00020013)).to.match(/^KINDRED/);
      expect(meta.string(0x00020016)).to.equal(sourceAeTitle);
      const tags = [...meta.elements.keys()];
      expect(tags).to.deep.equal([...tags].sort((a, b) => a - b));
    });
  }
});
