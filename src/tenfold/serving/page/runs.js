// Runs and studies: a table, and a loss curve that grows while a run is trained.

import { fetchJson } from "./api.js";

const find = (id) => document.getElementById(id);
const LIST_MS = 5000, CURVE_MS = 1500;
const WIDTH = 800, HEIGHT = 300, LEFT = 48, BOTTOM = 30, TOP = 12, MAX_POINTS = 700;
const SVG = "http://www.w3.org/2000/svg";

let chosen = null; // { name, losses }

function cell(...children) {
  const td = document.createElement("td");
  td.append(...children);
  return td;
}

function describe(run) {
  const row = document.createElement("tr");
  const state = Object.assign(document.createElement("span"), { className: `chip ${run.state}`, textContent: run.state });
  const look = cell();
  if (run.kind === "run") {
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
  row.append(cell(run.name), cell(run.recipe ?? "–"), cell(run.kind === "study" ? "several" : String(run.seed ?? "–")), cell(state), cell(accuracy), look);
  return row;
}

let shownJson = "";

async function list() {
  try {
    const { is_shown: isShown, runs } = await fetchJson("/v1/runs");
    const json = JSON.stringify(runs);
    if (json !== shownJson) find("rows").replaceChildren(...runs.map(describe)); // else a focus would be lost
    shownJson = json;
    find("table-card").hidden = runs.length === 0;
    const running = runs.find((run) => run.state === "running" && run.kind === "run");
    find("note").textContent = !isShown ? "This server shows no runs. Start it with: tenfold serve --runs runs/"
      : runs.length === 0 ? "There are none yet. Train one: tenfold train"
        : `${runs.length} in the folder${running ? `; ${running.name} is being trained` : ""}.`;
    if (running && !chosen) show(running.name);
  } catch (error) {
    find("note").textContent = error.message;
  }
  setTimeout(list, LIST_MS);
}

function show(name) {
  chosen = { name, losses: [] };
  find("curve-card").hidden = false;
  find("curve-title").textContent = `Training loss of ${name}`;
  follow(chosen);
}

async function follow(mine) {
  if (mine !== chosen) return;
  try {
    const { losses, state } = await fetchJson(`/v1/runs/${encodeURIComponent(mine.name)}/losses?first=${mine.losses.length}`);
    mine.losses.push(...losses);
    if (mine === chosen) draw(mine.losses, state);
    if (state === "running") setTimeout(() => follow(mine), CURVE_MS);
  } catch (error) {
    find("curve-note").textContent = error.message;
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

function draw(losses, state) {
  const last = losses.slice(-100);
  const mean = last.reduce((sum, value) => sum + value, 0) / Math.max(1, last.length);
  find("curve-note").textContent = losses.length === 0 ? "No batch is done yet." : `${losses.length.toLocaleString("en")} batches, ${state}; the last hundred have a mean of ${mean.toPrecision(3)}. Logarithmic.`;
  if (losses.length < 2) return;
  const positive = losses.filter((value) => value > 0);
  const low = Math.log10(positive.reduce((a, b) => Math.min(a, b), Infinity)), high = Math.log10(positive.reduce((a, b) => Math.max(a, b), 0));
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - (Math.log10(Math.max(value, 10 ** low)) - low) / Math.max(high - low, 1e-9));
  const line = (values) => values.map((value, i) => `${i ? "L" : "M"}${(LEFT + ((WIDTH - LEFT - 8) * i) / Math.max(1, values.length - 1)).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const parts = [];
  for (let power = Math.ceil(low); power <= high; power++) {
    parts.push(element("line", { x1: LEFT, x2: WIDTH - 8, y1: y(10 ** power), y2: y(10 ** power) }));
    parts.push(element("text", { x: LEFT - 8, y: y(10 ** power) + 4, "text-anchor": "end" }, String(Number((10 ** power).toPrecision(1)))));
  }
  parts.push(element("path", { d: line(thin(losses, MAX_POINTS)), class: "each" }));
  parts.push(element("path", { d: line(thin(losses, 60)) }));
  parts.push(element("text", { x: LEFT, y: HEIGHT - 8 }, "first batch"));
  parts.push(element("text", { x: WIDTH - 8, y: HEIGHT - 8, "text-anchor": "end" }, `batch ${losses.length.toLocaleString("en")}`));
  find("curve").replaceChildren(...parts);
}

list();
