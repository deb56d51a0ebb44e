/** The part of dcmjs that this room uses; dcmjs ships no types. */
declare module "dcmjs" {
  interface DictionaryEntry {
    readonly tag: string;
    readonly vr: string;
    readonly name: string;
  }
  class DicomDict {
    constructor(meta: Record<string, unknown>);
    dict: unknown;
    write(): ArrayBuffer;
  }
  const dcmjs: {
    readonly data: {
      readonly DicomDict: typeof DicomDict;
      readonly DicomMetaDictionary: {
        readonly dictionary: Readonly<Record<string, DictionaryEntry | undefined>>;
        readonly nameMap: Readonly<Record<string, DictionaryEntry | undefined>>;
        denaturalizeDataset(dataSet: Record<string, unknown>): unknown;
      };
    };
  };
  // biome-ignore lint/style/noDefaultExport: that is how the package exports
  export default dcmjs;
}
