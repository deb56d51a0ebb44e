// The console page: polls the API and builds rows with textContent only, because every string in them came from
// outside.
const GOOD = new Set(["delivered", "reported"]);
const BAD = new Set(["refused", "failed"]);
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
  if (GOOD.has(series.state)) {
    const button = document.createElement("button");
    button.textContent = "Who looks alike?";
    button.addEventListener("click", () => void showSimilar(study));
    action.append(button);
  }
  return row;
}

async function showSimilar(study) {
  const result = await getJson(
    `/api/v1/similar?study=${encodeURIComponent(study.studyInstanceUid)}`,
  );
  const section = find("#similar");
  section.hidden = false;
  section.querySelector("h2").textContent =
    `Like ${nameText(study.patientName)}, ${study.studyDescription}, ${dateText(study.studyDate)}`;
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
  const none = (result.answers ?? []).length === 0 ? "No other patient to compare with. " : "";
  section.querySelector("p").textContent =
    `${none}${result.comment ?? result.detail ?? ""} ${model}`;
  section.scrollIntoView();
}

const poll = () => Promise.all([showHealth(), showStudies()]).catch(() => lost());

function lost() {
  find("#health").textContent = "The node does not answer.";
  find("#health").className = "bad";
}

void poll();
setInterval(() => void poll(), 3000);
