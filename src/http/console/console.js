// The console page: polls the API and builds rows with textContent only, because every string in them came from
// outside.
const GOOD = new Set(["delivered", "reported"]);
const BAD = new Set(["refused", "failed"]);
const JUDGED = new Set([...GOOD, "reconstructed", "embedded", "refused"]);
const find = (selector) => document.querySelector(selector);

function cell(row, text, className) {
  const td = row.insertCell();
  td.textContent = text;
  if (className) td.className = className;
  return td;
}

/** A second, softer line. */
function addLine(td, text) {
  if (!text) return;
  const line = document.createElement("small");
  line.textContent = text;
  td.append(document.createElement("br"), line);
}

async function getJson(path) {
  const response = await fetch(path);
  return response.json();
}

/** DICOM's YYYYMMDD and Family^Given as people write them. */
const dateText = (date) => date.replace(/^(\d{4})(\d{2})(\d{2})$/, "$1-$2-$3");
const nameText = (name) => {
  const [family, given] = name.split("=")[0].split("^");
  return [family, given].filter(Boolean).join(", ") || "no name";
};

async function showHealth() {
  const { checks, warnings } = await getJson("/readyz");
  const failing = Object.entries(checks).filter(([, check]) => check !== "ok");
  const health = find("#health");
  health.textContent =
    failing.length === 0
      ? "Ready"
      : `Not ready: ${failing.map(([name, check]) => `${name}: ${check}`).join("; ")}`;
  health.className = failing.length === 0 ? "good" : "bad";
  find("#warnings").textContent = Object.values(warnings ?? {}).join("; ");
}

async function showStudies() {
  const { studies } = await getJson("/api/v1/studies?limit=100");
  find("#empty").hidden = studies.length > 0;
  const rows = studies.flatMap((study) => study.series.map((series) => seriesRow(study, series)));
  find("#studies").replaceChildren(...rows);
}

function seriesRow(study, series) {
  const row = document.createElement("tr");
  addLine(cell(row, nameText(study.patientName)), study.patientId);
  addLine(cell(row, study.studyDescription || "no description"), dateText(study.studyDate));
  addLine(cell(row, series.description || "no description"), series.modality);
  cell(row, String(series.instances), "number");
  const tone = GOOD.has(series.state) ? "good" : BAD.has(series.state) ? "bad" : "busy";
  addLine(cell(row, series.state, `state ${tone}`), series.reason);
  const action = row.insertCell();
  if (GOOD.has(series.state)) addButton(action, "Who looks alike?", () => showSimilar(study));
  if (JUDGED.has(series.state)) addButton(action, "Volumes", () => showVolumes(study, series));
  return row;
}

function addButton(td, text, run) {
  const button = document.createElement("button");
  button.textContent = text;
  button.addEventListener("click", () => run().catch(() => lost()));
  td.append(button, " ");
}

const OUTCOMES = {
  ok: ["usable as received", "good"],
  corrected: ["usable after correction", "busy"],
  refused: ["not usable, nothing was computed", "bad"],
};

async function showVolumes(study, series) {
  const result = await getJson(`/api/v1/series/${encodeURIComponent(series.seriesInstanceUid)}`);
  const section = find("#volumes");
  section.hidden = false;
  section.querySelector("h2").textContent =
    `Volumes of ${series.description || "the series"}: ${nameText(study.patientName)}, ${study.studyDescription}, ${dateText(study.studyDate)}`;
  // A series that makes one volume describes it itself.
  const volumes = result.volumes ?? (result.verdict ? [{ ordinal: 1, label: "", ...result }] : []);
  const skipped = result.skippedModels ?? [];
  const boxes = volumes.map((volume) =>
    volumeBox({ ...volume, skipped: skipped.filter((one) => one.ordinal === volume.ordinal) }),
  );
  for (const run of result.findings ?? []) boxes[run.volume - 1]?.append(findingsBox(run));
  section.querySelector("div").replaceChildren(...boxes);
  if (volumes.length === 0)
    section.querySelector("div").textContent = result.reason ?? result.detail ?? "Not judged yet.";
  section.scrollIntoView();
}

/** What was found of one volume, in words, and its picture. */
function volumeBox({ ordinal, label, instances, verdict, axisCodes, picture, skipped }) {
  const box = document.createElement("div");
  box.className = "volume";
  const words = document.createElement("div");
  words.className = "words";
  const [outcome, tone] = OUTCOMES[verdict.outcome] ?? [verdict.outcome, "busy"];
  addText(words, "h3", `Volume ${ordinal}${label ? `: ${label}` : ""}`);
  addText(words, "p", outcome, `state ${tone}`);
  if (verdict.sizeVoxels && verdict.spacingMm) {
    const spacing = verdict.spacingMm.map((mm) => Number(mm.toFixed(3))).join(" × ");
    addText(words, "p", `${verdict.sizeVoxels.join(" × ")} voxels of ${spacing} mm`);
    addText(words, "p", `${instances} images${axisCodes ? `, axes ${axisCodes}` : ""}`, "soft");
  }
  if (verdict.tiltDegrees)
    addText(words, "p", `tilt ${Number(verdict.tiltDegrees.toFixed(2))} degrees, measured`, "soft");
  const list = document.createElement("ul");
  for (const finding of verdict.findings) addText(list, "li", finding.message);
  for (const { id, reason } of skipped) addText(list, "li", `${id} made nothing of it: ${reason}`);
  words.append(list);
  box.append(words);
  if (picture) box.append(pictureOf(picture, ordinal));
  return box;
}

const SHOWN_VALUES = 30;

/** What a model says of a volume, highest value first, or why it says nothing. */
function findingsBox({ model, withheld, guard, problems, values, notice }) {
  const box = document.createElement("div");
  box.className = "words";
  addText(box, "h3", `Model ${model.id} ${model.version}`);
  addText(box, "p", notice, "bad");
  if (withheld) addText(box, "p", `Findings withheld: ${withheld}`, "busy");
  if (guard) {
    const distance = guard.distance === null ? "not measured" : Number(guard.distance.toFixed(3));
    const limit = Number(guard.threshold.toFixed(3));
    addText(box, "p", `distance from the training data ${distance}, limit ${limit}`, "soft");
  }
  const list = document.createElement("ul");
  const sorted = [...values].sort((a, b) => b.value - a.value);
  for (const one of sorted.slice(0, SHOWN_VALUES)) addText(list, "li", valueText(one));
  if (sorted.length > SHOWN_VALUES)
    addText(list, "li", `${sorted.length - SHOWN_VALUES} lower values not shown`, "soft");
  for (const problem of problems) addText(list, "li", `Not computed: ${problem}`, "soft");
  box.append(list);
  return box;
}

/** Never 0 or 1: no model knows that much. The report says the same. */
const likelihoodText = (value) =>
  value < 0.01 ? "below 0.01" : value > 0.99 ? "above 0.99" : value.toFixed(2);

function valueText({ label, value, isLikelihood, isCalibrated, source, sourceId }) {
  const from = `${source === "head" ? "head" : "prompts"} ${sourceId}`;
  const what = isLikelihood ? "likelihood" : "score";
  const how = isCalibrated ? "calibrated by the author" : "uncalibrated";
  return `${label.name}: ${what} ${isLikelihood ? likelihoodText(value) : value.toFixed(2)} (${how}, ${from})`;
}

function pictureOf(path, ordinal) {
  const figure = document.createElement("figure");
  const image = document.createElement("img");
  image.src = path;
  image.alt = `Middle planes and projections of volume ${ordinal}`;
  figure.append(image);
  addText(figure, "figcaption", "Not for diagnostic use");
  return figure;
}

function addText(parent, tag, text, className) {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  parent.append(element);
}

async function showSimilar(study) {
  const uid = encodeURIComponent(study.studyInstanceUid);
  const title = `Like ${nameText(study.patientName)}, ${study.studyDescription}, ${dateText(study.studyDate)}`;
  showRanked(title, await getJson(`/api/v1/similar?study=${uid}`));
}

async function searchText(event) {
  event.preventDefault();
  const text = find("#text").value.trim();
  if (text === "") return;
  const result = await getJson(`/api/v1/search?text=${encodeURIComponent(text)}`);
  showRanked(`Studies that fit “${text}”`, result);
}

function showRanked(title, result) {
  const section = find("#similar");
  section.hidden = false;
  section.querySelector("h2").textContent = title;
  const body = section.querySelector("tbody");
  body.replaceChildren();
  for (const answer of result.answers ?? []) {
    const row = body.insertRow();
    cell(row, String(answer.rank), "number");
    cell(row, answer.score.toFixed(3), "number");
    addLine(cell(row, nameText(answer.patientName)), answer.patientId);
    addLine(cell(row, answer.studyDescription), dateText(answer.studyDate));
  }
  const model = result.model ? `Model ${result.model.id} ${result.model.version}. ` : "";
  const none = result.answers?.length === 0 ? "Nothing to compare with. " : "";
  section.querySelector("p").textContent =
    `${none}${result.comment ?? result.detail ?? ""} ${model}`;
  section.scrollIntoView();
}

const poll = () => Promise.all([showHealth(), showStudies()]).catch(() => lost());

function lost() {
  find("#health").textContent = "The node does not answer.";
  find("#health").className = "bad";
}

find("#search").addEventListener("submit", (event) => void searchText(event).catch(() => lost()));
void poll();
setInterval(() => void poll(), 3000);
