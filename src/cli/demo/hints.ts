/** What to try after the demo: lines that work as they stand. */
import { join } from "node:path";
import type { Node } from "../../main.ts";
import type { DemoStudy } from "./studies.ts";

export interface HintsInput {
  readonly node: Pick<Node, "dicom" | "http">;
  readonly pacsPort: number;
  /** The demo's own folder. */
  readonly folder: string;
  readonly example: Pick<DemoStudy, "studyInstanceUid">;
  /** A question in words for AE SIMTEXT; undefined without a model for it. */
  readonly text: string | undefined;
  /** Of the workstation, which may store and ask. */
  readonly aeTitle: string;
  /** Configuration file of the node, which was stopped; undefined while it still runs. */
  readonly restartWith: string | undefined;
  /** Where the DICOM files came from; undefined for the synthetic ones. */
  readonly dicomFolder: string | undefined;
}

export function hints(input: HintsInput): void {
  const { node, folder, example, text, aeTitle, restartWith } = input;
  const { host, port } = node.dicom;
  const files = input.dicomFolder ?? join(folder, "data", "instances");
  const restart =
    restartWith === undefined
      ? ["The node still runs. In another terminal, with dcmtk on the path:"]
      : [
          "The node with all of this again, until Ctrl-C:",
          `  npm start -- --config ${quoted(restartWith)}`,
          "and while it runs, in another terminal, with dcmtk on the path:",
          `  storescp -aet PACS -od ${quoted(join(folder, "pacs"))} ${input.pacsPort}   # a PACS for further reports`,
        ];
  console.log(
    [
      "",
      "Try next",
      "--------",
      ...restart,
      `  echoscu -aet ${aeTitle} -aec KINDRED ${host} ${port}`,
      `  storescu -aet ${aeTitle} -aec KINDRED -nh +sd +r ${host} ${port} ${quoted(files)}`,
      `  findscu -S -aet ${aeTitle} -aec SIMILAR -k QueryRetrieveLevel=STUDY -k StudyInstanceUID=${example.studyInstanceUid} -k StudyDescription -k PatientID ${host} ${port}`,
      ...(text === undefined
        ? []
        : [
            `  findscu -S -aet ${aeTitle} -aec SIMTEXT -k QueryRetrieveLevel=STUDY -k StudyInstanceUID -k ${quoted(`StudyDescription=${text}`)} -k PatientID ${host} ${port}`,
          ]),
      `  the console: http://${node.http.host}:${node.http.port}/`,
      "Your own CT: npm run demo -- FOLDER",
    ].join("\n"),
  );
}

/** For a POSIX shell. */
function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
