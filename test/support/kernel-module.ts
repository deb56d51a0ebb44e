/** Makes src/volume/kernel-module.ts of kernel.wat; run as a program, writes it (`npm run build:kernel`). */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import wabt from "wabt";

const folder = new URL("../../src/volume/", import.meta.url);
export const KERNEL_MODULE = new URL("kernel-module.ts", folder);

/** The text that the file must have. */
export async function kernelModuleText(): Promise<string> {
  const source = new URL("kernel.wat", folder);
  const module = (await wabt()).parseWat("kernel.wat", readFileSync(source, "utf8"), {
    simd: true,
  });
  try {
    module.validate();
    const bytes = module.toBinary({}).buffer;
    const lines = Buffer.from(bytes)
      .toString("base64")
      .match(/.{1,92}/g)!;
    return [
      "/** Made from kernel.wat by `npm run build:kernel`; do not change by hand. */",
      "export const KERNEL_BASE64 = [",
      ...lines.map((line) => `  "${line}",`),
      '].join("");',
      "",
    ].join("\n");
  } finally {
    module.destroy();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(KERNEL_MODULE, await kernelModuleText());
