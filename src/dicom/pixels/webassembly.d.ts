/** The part of the WebAssembly interface that this room uses; the types of Node do not bring it. */
declare namespace WebAssembly {
  interface Module {
    readonly [Symbol.toStringTag]: string;
  }
  interface Memory {
    readonly buffer: ArrayBuffer;
  }
  interface Instance {
    readonly exports: unknown;
  }
  type Imports = Readonly<
    Record<string, Readonly<Record<string, (...values: number[]) => unknown>>>
  >;
  function compile(bytes: Uint8Array): Promise<Module>;
  function instantiate(module: Module, imports: Imports): Promise<Instance>;
}
