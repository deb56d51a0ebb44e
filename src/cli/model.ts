/** `kindred model`: the bundles of this node: which there are, whether they are right, and how to get more. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../config/schema.ts";
import { modelFolders } from "../encoder/model-folders.ts";
import { KindredError } from "../kernel/errors.ts";
import { STATUSES } from "../kernel/statuses.ts";
import { printable } from "./api.ts";
import type { Command } from "./commands.ts";
import { installModel } from "./model/install.ts";
import { type ListedModel, listModels } from "./model/list.ts";
import { createProgress } from "./model/progress.ts";
import { verifyFolder } from "./model/verify.ts";
import { parseCommand } from "./options.ts";

const ID = /^[a-z0-9][a-z0-9._-]{0,63}$/;

export const model: Command = {
  name: "model",
  usage:
    "model list|verify ID|install ID [--accept-licence] [--weights FILE] [--python FILE] [--json]",
  summary: "model bundles here; whether one proves itself; make one of its published weights",
  async run(argv) {
    const parsed = parseCommand(
      argv,
      this.usage,
      {
        "accept-licence": { type: "boolean" },
        weights: { type: "string" },
        python: { type: "string" },
      },
      { min: 1, max: 2 },
    );
    const [what, id] = parsed.positionals;
    const json = parsed.values.json === true;
    const config = parsed.config();
    if (what === "list" && id === undefined) return list(config, json);
    if (id === undefined || !["verify", "install"].includes(what!))
      throw new KindredError("USAGE", `usage: kindred ${this.usage}`);
    if (!ID.test(id)) throw new KindredError("USAGE", `"${printable(id)}" is no model id`);
    if (what === "verify") return verify(config, id, json);
    const weights = parsed.values.weights as string | undefined;
    if (weights !== undefined && !existsSync(weights))
      throw new KindredError("USAGE", `There is no file ${weights}`);
    return install(
      config,
      {
        id,
        weights,
        python: parsed.values.python as string | undefined,
        acceptLicence: parsed.values["accept-licence"] === true,
      },
      json,
    );
  },
};

async function list(config: Config, json: boolean): Promise<number> {
  const all = await listModels(config);
  if (json) console.log(JSON.stringify(all, null, 2));
  else for (const one of all) console.log(listLines(one).map(printable).join("\n"));
  return 0;
}

const MEANING: Readonly<Record<ListedModel["state"], string>> = {
  used: "runs on every volume",
  unused: "is here and not used",
  broken: "cannot be used",
  absent: "is not here",
};

function listLines({ id, version, title, state, bytes, profiles, note }: ListedModel): string[] {
  const size = bytes === null ? "" : `, ${(bytes / 1e6).toFixed(1)} MB`;
  const named = profiles.length === 0 ? "" : `, profiles ${profiles.join(", ")}`;
  const about = version === null ? "" : ` ${version} (${title}${size}${named})`;
  return [
    `${id}${about}: ${MEANING[state]}`,
    ...(note?.split("\n").map((one) => `  ${one}`) ?? []),
  ];
}

async function verify(config: Config, id: string, json: boolean): Promise<number> {
  const folder = modelFolders(config)
    .map((root) => join(root, id))
    .find((one) => existsSync(join(one, "model.json")));
  if (folder === undefined)
    throw new KindredError("NOT_FOUND", `There is no model ${id} here: see kindred model list`);
  const { bundle, profiles } = await verifyFolder(config, folder);
  if (json) console.log(JSON.stringify({ id, folder, digest: bundle.digest, profiles }, null, 2));
  else {
    console.log(
      `${id} ${bundle.manifest.version}: ${bundle.manifest.files.length} files are right`,
    );
    for (const { profile, state, provider, attempts } of profiles) {
      const failed = attempts.map((one) => `${one.provider}: ${one.error}`).join("; ");
      console.log(
        state === "ready"
          ? `  profile ${profile} proves itself on ${provider}${failed && ` (not on ${failed})`}`
          : `  profile ${profile} does not prove itself: ${failed}`,
      );
    }
  }
  const isReady = profiles.every((one) => one.state === "ready");
  return isReady ? 0 : STATUSES.MODEL_INVALID.exit;
}

async function install(
  config: Config,
  wanted: Parameters<typeof installModel>[1],
  json: boolean,
): Promise<number> {
  const { bundle, folder, isNew } = await installModel(config, wanted, createProgress({ json }));
  const { id, version, licence } = bundle.manifest;
  if (json) {
    console.log(JSON.stringify({ installed: id, version, folder, digest: bundle.digest, isNew }));
    return 0;
  }
  console.log(`${id} ${version} ${isNew ? "is installed" : "was installed before"}: ${folder}`);
  const { models, acceptedLicences } = config.encoder;
  if (!models.includes(id))
    console.log(`To use it: "encoder": { "models": ${JSON.stringify([...models, id])} }`);
  if (licence.acceptanceRequired && !acceptedLicences.includes(id))
    console.log(
      `And its licence: "acceptedLicences": ${JSON.stringify([...acceptedLicences, id])}`,
    );
  return 0;
}
