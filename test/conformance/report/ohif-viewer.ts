/**
 * OHIF as a reader sees it: Orthanc with its DICOMweb plugin, the built OHIF of npm's `@ohif/app` served beside it,
 * and headless Chromium driven over its own debugging protocol. Nothing of it is a dependency: what is not on the
 * machine is named by {@link missingViewerParts}.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  copyFileSync,
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  statSync,
} from "node:fs";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Orthanc, startOrthanc } from "../../support/orthanc.ts";
import { stopped } from "../../support/stopped.ts";

/** `dist` of an unpacked `@ohif/app`; CONTRIBUTING.md says how it gets there. */
const OHIF_DIST =
  process.env.KINDRED_OHIF_DIST ??
  fileURLToPath(new URL("../../../.cache/ohif/package/dist/", import.meta.url));
const PLUGIN_FOLDERS = ["/usr/share/orthanc/plugins", "/usr/lib/orthanc"];
const MIME: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".wasm": "application/wasm",
  ".json": "application/json",
  ".svg": "image/svg+xml",
};

export function missingViewerParts(): string[] {
  const missing = ["chromium", "Orthanc"].filter((tool) => {
    try {
      execFileSync("sh", ["-c", `command -v ${tool}`], { stdio: "ignore" });
      return false;
    } catch {
      return true;
    }
  });
  if (pluginPath() === undefined) missing.push("Orthanc's DICOMweb plugin");
  if (!existsSync(join(OHIF_DIST, "index.html")))
    missing.push("dist of @ohif/app (KINDRED_OHIF_DIST)");
  return missing;
}

function pluginPath(): string | undefined {
  return PLUGIN_FOLDERS.filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((file) => join(folder, file)))
    .find((path) => path.includes("libOrthancDicomWeb.so"));
}

export interface Viewer {
  store(bytes: Uint8Array): Promise<void>;
  /**
   * Opens the study, double-clicks the series of that description until `expected` is on the page, and gives what
   * is then there, be it so or not.
   */
  open(
    studyInstanceUid: string,
    seriesText: string,
    expected: string,
  ): Promise<{ text: string; errors: readonly string[]; png: Buffer }>;
  close(): Promise<void>;
}

export async function startViewer(folder: string): Promise<Viewer> {
  const orthanc = await startArchive(folder);
  const server = await serveOhif(orthanc.httpPort);
  const { port } = server.address() as AddressInfo;
  const chromium = spawn("chromium", chromiumFlags(folder), {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const debuggerUrl = await debuggerUrlOf(chromium);
  return {
    store: async (bytes) => {
      await orthanc.post("/instances", bytes);
    },
    open: (study, ...texts) => openSeries(debuggerUrl, `http://127.0.0.1:${port}`, study, ...texts),
    close: async () => {
      server.close();
      server.closeAllConnections();
      await Promise.all([stopped(chromium), orthanc.stop()]);
    },
  };
}

function startArchive(folder: string): Promise<Orthanc> {
  // A folder that holds only this plugin, or Orthanc loads all of them.
  const plugins = join(folder, "plugins");
  mkdirSync(plugins);
  copyFileSync(pluginPath()!, join(plugins, "libOrthancDicomWeb.so"));
  return startOrthanc({
    folder: join(folder, "orthanc"),
    settings: {
      DicomServerEnabled: false,
      Plugins: [plugins],
      DicomWeb: { Enable: true, Root: "/dicom-web/" },
    },
  });
}

/** Static files, and DICOMweb of the same origin, which saves CORS. */
async function serveOhif(orthancHttpPort: number): Promise<Server> {
  const root = resolve(OHIF_DIST);
  const server = createServer((asked, answer) => {
    const { pathname } = new URL(asked.url ?? "/", "http://localhost");
    if (pathname.startsWith("/dicom-web")) {
      const { url: path, method, headers } = asked;
      const onward = request(
        { port: orthancHttpPort, host: "127.0.0.1", path, method, headers },
        (got) => {
          answer.writeHead(got.statusCode ?? 502, got.headers);
          got.pipe(answer);
        },
      );
      onward.on("error", () => answer.writeHead(502).end());
      asked.pipe(onward);
      return;
    }
    answer.setHeader("cross-origin-opener-policy", "same-origin");
    answer.setHeader("cross-origin-embedder-policy", "require-corp");
    if (pathname === "/app-config.js") {
      answer.setHeader("content-type", "text/javascript").end(APP_CONFIG);
      return;
    }
    const wanted = join(root, normalize(pathname));
    const isFile = wanted.startsWith(root) && existsSync(wanted) && statSync(wanted).isFile();
    const file = isFile ? wanted : join(root, "index.html");
    answer.setHeader("content-type", MIME[extname(file)] ?? "application/octet-stream");
    createReadStream(file).pipe(answer);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return server;
}

const APP_CONFIG = `window.config = ${JSON.stringify({
  routerBasename: null,
  extensions: [],
  modes: [],
  customizationService: {},
  showStudyList: true,
  investigationalUseDialog: { option: "never" },
  useSharedArrayBuffer: "FALSE",
  defaultDataSourceName: "pacs",
  dataSources: [
    {
      namespace: "@ohif/extension-default.dataSourcesModule.dicomweb",
      sourceName: "pacs",
      configuration: {
        friendlyName: "PACS",
        name: "pacs",
        qidoRoot: "/dicom-web",
        wadoRoot: "/dicom-web",
        qidoSupportsIncludeField: false,
        imageRendering: "wadors",
        thumbnailRendering: "wadors",
        enableStudyLazyLoad: true,
        omitQuotationForMultipartRequest: true,
        bulkDataURI: { enabled: true, relativeResolution: "studies" },
      },
    },
  ],
})};`;

function chromiumFlags(folder: string): string[] {
  return [
    "--headless",
    "--no-sandbox",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // WebGL without a graphics card.
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--window-size=1500,900",
    `--user-data-dir=${join(folder, "chromium")}`,
    "--remote-debugging-port=0",
    "about:blank",
  ];
}

/** Chromium says on standard error where it listens. */
async function debuggerUrlOf(chromium: ChildProcess): Promise<string> {
  let said = "";
  chromium.stderr!.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString("utf8")).slice(-100_000);
  });
  for (let attempt = 0; attempt < 150; attempt++) {
    const found = /DevTools listening on (ws:\/\/\S+)/.exec(said)?.[1];
    if (found !== undefined) return found;
    await sleep(200);
  }
  throw new Error("Chromium did not start");
}

async function openSeries(
  debuggerUrl: string,
  origin: string,
  study: string,
  seriesText: string,
  expected: string,
): ReturnType<Viewer["open"]> {
  const page = await Page.open(debuggerUrl, `${origin}/viewer?StudyInstanceUIDs=${study}`);
  try {
    if (!(await page.shows(seriesText, 60_000)))
      throw new Error(`The viewer does not list "${seriesText}"`);
    // OHIF is deaf while it draws the images, and greets first-time users with a tour.
    for (let attempt = 0; attempt < 8; attempt++) {
      await sleep(3_000);
      await page.evaluate(
        `[...document.querySelectorAll("button")].find((b) => b.innerText === "Skip all")?.click()`,
      );
      await page.doubleClick(seriesText);
      if (await page.shows(expected, 10_000)) break;
    }
    // The labels are on the page before the picture is.
    await sleep(2_000);
    const text = String(await page.evaluate("document.body.innerText"));
    return { text, errors: page.errors, png: await page.screenshot() };
  } finally {
    await page.close();
  }
}

/** One page of Chromium over the DevTools protocol. */
class Page {
  readonly errors: string[] = [];
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (result: Record<string, unknown>) => void>();
  #sessionId = "";
  #targetId = "";
  #sent = 0;

  static async open(debuggerUrl: string, url: string): Promise<Page> {
    const socket = new WebSocket(debuggerUrl);
    await new Promise((done, failed) => {
      socket.onopen = done;
      socket.onerror = failed;
    });
    const page = new Page(socket);
    page.#targetId = String(
      (await page.#send("Target.createTarget", { url: "about:blank" })).targetId,
    );
    const attached = await page.#send("Target.attachToTarget", {
      targetId: page.#targetId,
      flatten: true,
    });
    page.#sessionId = String(attached.sessionId);
    await page.#send("Runtime.enable");
    await page.#send("Page.enable");
    await page.#send("Page.navigate", { url });
    return page;
  }

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(String(data));
      if (message.method === "Runtime.exceptionThrown") {
        const { text, exception } = message.params.exceptionDetails;
        this.errors.push(String(exception?.description ?? text).split("\n")[0]!);
      }
      this.#waiting.get(message.id)?.(message.result ?? {});
      this.#waiting.delete(message.id);
    };
  }

  #send(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = ++this.#sent;
    const session = this.#sessionId === "" ? {} : { sessionId: this.#sessionId };
    return new Promise((done) => {
      this.#waiting.set(id, done);
      this.#socket.send(JSON.stringify({ id, method, params, ...session }));
    });
  }

  async evaluate(expression: string): Promise<unknown> {
    const answer = await this.#send("Runtime.evaluate", { expression, returnByValue: true });
    return (answer.result as { value?: unknown } | undefined)?.value;
  }

  /** Whether the text comes up on the page in that time. */
  async shows(text: string, timeoutMs: number): Promise<boolean> {
    const expression = `document.body.innerText.includes(${JSON.stringify(text)})`;
    for (const end = Date.now() + timeoutMs; Date.now() < end; await sleep(300))
      if ((await this.evaluate(expression)) === true) return true;
    return false;
  }

  /** In the middle of the innermost element with that text. */
  async doubleClick(text: string): Promise<void> {
    const at = (await this.evaluate(`(() => {
      const all = [...document.querySelectorAll("*")].filter((one) => one.textContent.includes(${JSON.stringify(text)}));
      const box = all.at(-1).getBoundingClientRect();
      return [box.x + box.width / 2, box.y + box.height / 2];
    })()`)) as [number, number];
    const [x, y] = at;
    for (const clickCount of [1, 2]) {
      for (const type of ["mousePressed", "mouseReleased"]) {
        await this.#send("Input.dispatchMouseEvent", { type, x, y, button: "left", clickCount });
      }
    }
  }

  async screenshot(): Promise<Buffer> {
    const { data } = await this.#send("Page.captureScreenshot", { format: "png" });
    return Buffer.from(String(data), "base64");
  }

  async close(): Promise<void> {
    await this.#send("Target.closeTarget", { targetId: this.#targetId });
    this.#socket.close();
  }
}
