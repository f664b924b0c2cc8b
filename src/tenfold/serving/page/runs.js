// Runs and studies: a table, and a loss curve that grows while a run is trained.

import { fetchJson } from "./api.js";
import { offerToken } from "./token.js";
import { describeFailure } from "./words.js";

const find = (id) => document.getElementById(id);
const LIST_MS = 5000, CURVE_MS = 1500;
const LEFT = 44, RIGHT = 8, BOTTOM = 26, TOP = 28, MAX_POINTS = 700, FEWEST_TICKS = 3;
const SVG = "http://www.w3.org/2000/svg";

let chosen = null; // { name, losses, state, isFollowed }
let listTimer = 0, shownJson = "";

function cell(label, ...children) {
  const td = document.createElement("td");
  td.setAttribute("role", "cell");
  td.dataset.label = label;
  td.append(...children);
  return td;
}

function describe(run) {
  const row = document.createElement("tr");
  row.setAttribute("role", "row");
  const state = Object.assign(document.createElement("span"), { className: `chip ${run.state}`, textContent: run.state });
  const look = cell("");
  if (run.kind === "run" && run.has_losses !== false) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Loss" });
    button.setAttribute("aria-label", `Loss curve of ${run.name}`);
    button.addEventListener("click", () => show(run.name));
    look.append(button, " ");
  }
  if (run.has_report) {
    const link = Object.assign(document.createElement("a"), { href: `/runs/${encodeURIComponent(run.name)}/report`, textContent: "Report" });
    link.setAttribute("aria-label", `Report of ${run.name}`);
    look.append(link);
  }
  const accuracy = run.accuracy === null ? "–" : `${(100 * run.accuracy).toFixed(2)} %`;
  const seed = run.kind === "study" ? "several" : String(run.seed ?? "–");
  row.append(cell("", run.name), cell("recipe", run.recipe ?? "–"), cell("seed", seed), cell("", state), cell("accuracy", accuracy), look);
  return row;
}

async function list() {
  clearTimeout(listTimer);
  try {
    const { is_shown: isShown, runs } = await fetchJson("/v1/runs");
    const json = JSON.stringify(runs);
    if (json !== shownJson) find("rows").replaceChildren(...runs.map(describe)); // else a focus would be lost
    shownJson = json;
    find("table-card").hidden = runs.length === 0;
    const running = runs.filter((run) => run.state === "running" && run.kind === "run");
    find("note").textContent = !isShown ? "This server shows no runs. Start it with: tenfold serve --runs runs/"
      : runs.length === 0 ? "There are no runs yet. Train one: tenfold train"
        : `${runs.length} in the folder${running.length ? `; ${running[0].name} is being trained` : ""}.`;
    if (!chosen) {
      const first = running.find((run) => run.has_losses !== false);
      if (first) show(first.name);
    } else if (running.some((run) => run.name === chosen.name)) {
      follow(chosen); // it may have been stopped and resumed
    }
  } catch (error) {
    find("note").textContent = describeFailure(error);
  }
  clearTimeout(listTimer);
  listTimer = setTimeout(list, LIST_MS);
}

function show(name) {
  chosen = { name, losses: [], state: "", isFollowed: false };
  find("curve-card").hidden = false;
  find("curve-title").textContent = `Training loss of ${name}`;
  find("curve-note").textContent = "Looking…";
  find("curve-place").hidden = true;
  follow(chosen);
}

/** Asks for new losses until the run ends. A failure is said, and asked again. */
async function follow(mine) {
  if (mine.isFollowed) return;
  mine.isFollowed = true;
  while (mine === chosen && mine.isFollowed) {
    try {
      const { losses, state } = await fetchJson(`/v1/runs/${encodeURIComponent(mine.name)}/losses?first=${mine.losses.length}`);
      mine.losses.push(...losses);
      mine.state = state;
      if (mine === chosen) draw(mine);
      mine.isFollowed = state === "running";
    } catch (error) {
      const isMissing = error.details?.code === "not-found";
      if (mine === chosen) find("curve-note").textContent = isMissing ? "This run has no losses." : describeFailure(error);
      mine.isFollowed = !isMissing;
    }
    if (mine.isFollowed) await new Promise((resolve) => setTimeout(resolve, CURVE_MS));
  }
}

function element(name, attributes, text) {
  const one = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) one.setAttribute(key, value);
  if (text !== undefined) one.textContent = text;
  return one;
}

/** Means of equal stretches, so that there are no more points than pixels. */
function thin(values, count) {
  const size = Math.max(1, values.length / count);
  const means = [];
  for (let start = 0; start < values.length; start += size) {
    const part = values.slice(Math.floor(start), Math.max(Math.floor(start) + 1, Math.floor(start + size)));
    means.push(part.reduce((sum, value) => sum + value, 0) / part.length);
  }
  return means;
}

/** Values of a logarithmic axis to be named: powers of ten, else 1, 2 and 5 times those, else even steps. */
function findTicks(low, high) {
  for (const factors of [[1], [1, 2, 5]]) {
    const ticks = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
      ticks.push(...factors.map((factor) => factor * 10 ** power).filter((value) => value >= low && value <= high));
    }
    if (ticks.length >= FEWEST_TICKS) return ticks;
  }
  const rough = (high - low) / (FEWEST_TICKS + 1), power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5].findLast((factor) => factor * power <= rough);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
}

const name = (value) => String(Number(value.toPrecision(3)));

function draw({ losses, state }) {
  const last = losses.slice(-100);
  const mean = last.reduce((sum, value) => sum + value, 0) / Math.max(1, last.length);
  find("curve-note").textContent = losses.length === 0 ? "No batch has finished yet."
    : `${losses.length.toLocaleString("en")} batches, ${state}; the last ${last.length} have a mean of ${mean.toPrecision(3)}.`;
  const positive = losses.filter((value) => value > 0);
  find("curve-place").hidden = positive.length < 2;
  if (positive.length < 2) return;
  // As large as it is shown, so that words have the size of words.
  const width = find("curve-place").clientWidth, height = Math.round(Math.min(320, Math.max(220, 0.4 * width)));
  find("curve").setAttribute("viewBox", `0 0 ${width} ${height}`);
  const lowest = positive.reduce((a, b) => Math.min(a, b)), highest = Math.max(positive.reduce((a, b) => Math.max(a, b)), 1.001 * lowest);
  const low = Math.log10(lowest), high = Math.log10(highest);
  const y = (value) => TOP + (height - TOP - BOTTOM) * (1 - (Math.log10(Math.max(value, lowest)) - low) / (high - low));
  const line = (values) => values.map((value, i) => `${i ? "L" : "M"}${(LEFT + ((width - LEFT - RIGHT) * i) / Math.max(1, values.length - 1)).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const parts = [element("text", { x: 0, y: 12 }, "loss, on a logarithmic axis")];
  for (const tick of findTicks(lowest, highest)) {
    parts.push(element("line", { x1: LEFT, x2: width - RIGHT, y1: y(tick), y2: y(tick) }));
    parts.push(element("text", { x: LEFT - 8, y: y(tick) + 4, "text-anchor": "end" }, name(tick)));
  }
  parts.push(element("path", { d: line(thin(losses, MAX_POINTS)), class: "each" }));
  parts.push(element("path", { d: line(thin(losses, 60)) }));
  parts.push(element("text", { x: LEFT, y: height - 6 }, "first batch"));
  parts.push(element("text", { x: width - RIGHT, y: height - 6, "text-anchor": "end" }, `batch ${losses.length.toLocaleString("en")}`));
  find("curve").replaceChildren(...parts);
}

addEventListener("resize", () => { if (chosen?.losses.length) draw(chosen); });
offerToken(list);
list();
