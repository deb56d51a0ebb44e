import { expect } from "chai";
import { entryOf } from "../../../src/dicom/dictionary.ts";
import { TAG, vrOf } from "../../../src/dicom/tags.ts";

describe("tags", () => {
  it("have the VR that the dictionary gives them", () => {
    const wrong = Object.entries(TAG).filter(([, tag]) => {
      const vr = entryOf(tag)?.vr;
      return vr !== undefined && /^[A-Z]{2}$/.test(vr) && vrOf(tag) !== vr;
    });
    expect(wrong).to.deep.equal([]);
    expect(vrOf(TAG.PixelPaddingValue, true)).to.equal("SS");
    expect(vrOf(TAG.PixelPaddingValue, false)).to.equal("US");
  });

  it("have the keyword that the dictionary gives them", () => {
    const wrong = Object.entries(TAG).filter(
      ([keyword, tag]) => entryOf(tag)?.name.replace(/^RETIRED_/, "") !== keyword,
    );
    expect(wrong).to.deep.equal([]);
  });
});
