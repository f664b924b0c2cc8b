// The editor of forms: draws, moves, names and deletes the fields of a sheet, and saves the TOML file.

import { proposeForm } from "./api.js";
import { formatForm } from "./toml.js";

const element = (id) => document.getElementById(id);
const [svg, panel, message] = ["boxes", "field", "message"].map(element);
const INPUTS = ["name", "kind", "expect", "digits", "rows", "columns", "labels"];
const LEAST = 0.004; // of the sheet's sides: the smallest box
const STEP = 0.0015;

let form = null; // { name, picture, size_mm, filled, fields }, with boxes as shares of the sheet
let chosen = null;
let dragged = null; // { what, from, box }

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** Draws all boxes, and the handle of the one that is chosen. */
function draw() {
  svg.setAttribute("viewBox", "0 0 1 1");
  svg.setAttribute("preserveAspectRatio", "none");
  const focused = document.activeElement?.dataset?.number;
  svg.replaceChildren(...form.fields.map(drawField));
  if (chosen) {
    const [, , right, bottom] = chosen.box;
    const handle = drawBox([right - 0.006, bottom - 0.0045, right + 0.006, bottom + 0.0045]);
    handle.classList.add("handle");
    svg.append(handle);
  }
  if (focused !== undefined) svg.children[focused]?.focus();
  element("save").disabled = !form.fields.length;
}

function drawBox([left, top, right, bottom]) {
  const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  const sides = { x: left, y: top, width: right - left, height: bottom - top };
  for (const [name, value] of Object.entries(sides)) rect.setAttribute(name, value);
  return rect;
}

function drawField(field, number) {
  const rect = drawBox(field.box);
  rect.dataset.number = number;
  rect.dataset.kind = field.kind;
  rect.classList.toggle("chosen", field === chosen);
  rect.setAttribute("tabindex", "0");
  rect.setAttribute("role", "button");
  rect.setAttribute("aria-label", `Field ${field.name}, ${field.kind}`);
  return rect;
}

/** Chooses a field, or none, and shows what it has. */
function choose(field) {
  chosen = field;
  panel.hidden = !field;
  if (field) {
    for (const key of INPUTS) element(key).value = field[key] ?? "";
    element("labels").value = (field.labels ?? []).join(", ");
    showKind();
  }
  draw();
}

function showKind() {
  for (const each of panel.querySelectorAll(".of")) each.hidden = !each.classList.contains(chosen.kind);
}

/** Takes what was typed about the chosen field. */
function take() {
  chosen.name = element("name").value.trim();
  chosen.kind = element("kind").value;
  chosen.expect = element("expect").value.trim() || null;
  for (const key of ["digits", "rows", "columns"]) chosen[key] = Number(element(key).value) || null;
  chosen.labels = element("labels").value.split(",").map((one) => one.trim()).filter(Boolean);
  showKind();
  draw();
}

function addField(box) {
  let number = form.fields.length + 1;
  while (form.fields.some((one) => one.name === `field${number}`)) number += 1;
  const field = { name: `field${number}`, kind: "digits", box, labels: [] };
  form.fields.push(field);
  return field;
}

function remove() {
  form.fields = form.fields.filter((one) => one !== chosen);
  choose(null);
}

/** Moves or resizes a box, within the sheet. */
function change(field, box, what, x, y) {
  const [left, top, right, bottom] = box;
  if (what === "move") {
    const [dx, dy] = [clamp(x, -left, 1 - right), clamp(y, -top, 1 - bottom)];
    field.box = [left + dx, top + dy, right + dx, bottom + dy];
  } else {
    field.box = [left, top, clamp(right + x, left + LEAST, 1), clamp(bottom + y, top + LEAST, 1)];
  }
  draw();
}

function locate(event) {
  const { left, top, width, height } = svg.getBoundingClientRect();
  return [(event.clientX - left) / width, (event.clientY - top) / height];
}

svg.addEventListener("pointerdown", (event) => {
  if (!form) return;
  const [x, y] = locate(event);
  let what = "size";
  if (event.target.dataset.number !== undefined) {
    choose(form.fields[event.target.dataset.number]);
    what = "move";
  } else if (!event.target.classList.contains("handle")) {
    choose(addField([x, y, Math.min(1, x + LEAST), Math.min(1, y + LEAST)]));
  }
  dragged = { what, from: [x, y], box: chosen.box };
  svg.setPointerCapture(event.pointerId);
  event.preventDefault();
});
svg.addEventListener("pointermove", (event) => {
  if (!dragged) return;
  const [x, y] = locate(event);
  change(chosen, dragged.box, dragged.what, x - dragged.from[0], y - dragged.from[1]);
});
svg.addEventListener("pointerup", () => {
  dragged = null;
  if (!chosen) return;
  const [left, top, right, bottom] = chosen.box;
  if (right - left <= 1.01 * LEAST && bottom - top <= 1.01 * LEAST) return remove(); // a mere click
  svg.querySelector(".chosen")?.focus();
});
svg.addEventListener("focusin", (event) => {
  const field = form.fields[event.target.dataset.number];
  if (field && field !== chosen) choose(field);
});
svg.addEventListener("keydown", (event) => {
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (!chosen) return;
  if (event.key === "Delete" || event.key === "Backspace") remove();
  else if (ways[event.key]) {
    const [x, y] = ways[event.key];
    change(chosen, chosen.box, event.shiftKey ? "size" : "move", x * STEP, y * STEP);
  } else return;
  event.preventDefault();
});

panel.addEventListener("input", take);
panel.addEventListener("submit", (event) => event.preventDefault());
element("delete").addEventListener("click", remove);
element("add").addEventListener("click", () => {
  choose(addField([0.45, 0.48, 0.55, 0.52]));
  element("name").select();
});
element("open").addEventListener("click", () => element("file").click());
element("file").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  event.target.value = "";
  if (!file) return;
  message.textContent = "Looking for boxes …";
  try {
    form = await proposeForm(file);
  } catch (error) {
    message.textContent = error.message;
    return;
  }
  form.name = file.name.replace(/\.[^.]*$/, "").replace(/[^\w.-]+/g, "-") || "form";
  element("picture").src = form.picture;
  element("canvas").hidden = false;
  element("add").disabled = false;
  message.textContent = `${form.fields.length} fields; the sheet seems ${form.filled ? "filled in" : "blank"}.`;
  choose(null);
});
element("save").addEventListener("click", () => {
  const problem = findProblem();
  if (problem) {
    message.textContent = problem;
    return;
  }
  const text = new Blob([formatForm(form)], { type: "application/toml" });
  download(`${form.name}.toml`, URL.createObjectURL(text));
  download(`${form.name}.png`, form.picture);
  message.textContent = `Saved ${form.name}.toml and ${form.name}.png; keep them in one folder.`;
});

/** What keeps the form from being saved, if anything. */
function findProblem() {
  const names = form.fields.map((one) => one.name);
  if (names.includes("")) return "A field has no name.";
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice) return `Two fields are named ${twice}.`;
  const bare = form.fields.find((one) => one.kind === "bubbles" && !one.labels.length);
  return bare ? `${bare.name}: bubbles need labels.` : null;
}

function download(name, address) {
  const link = document.createElement("a");
  Object.assign(link, { href: address, download: name });
  link.click();
}
