// The page: what is drawn or opened goes to the server, what it says is shown.

import { readImage } from "./api.js";
import { showAnswer, showFailure, showNothing } from "./answer.js";
import { writeCurl } from "./curl.js";
import { Drawing } from "./drawing.js";
import { findImage, reducePicture } from "./picture.js";

const find = (id) => document.getElementById(id);
const canvas = find("canvas"), picture = find("picture"), sheet = find("sheet"), single = find("single");
const PAUSE_MS = 120; // after a stroke, before it is read: another one may follow

let sent = null; // { blob, size } of what is shown
let request = null; // an AbortController
let timer = 0;

const drawing = new Drawing(canvas, () => {
  clearTimeout(timer);
  updateTools();
  if (drawing.isEmpty) forget();
  else timer = setTimeout(readDrawing, PAUSE_MS);
});

function updateTools() {
  find("undo").disabled = drawing.strokes.length === 0;
  find("clear").disabled = drawing.isEmpty && picture.hidden;
  find("hint").hidden = !drawing.isEmpty || !picture.hidden;
}

function forget() {
  request?.abort();
  sent = null;
  find("copy").disabled = true;
  find("copied").textContent = "";
  showNothing();
}

function hidePicture() {
  if (picture.hidden) return;
  URL.revokeObjectURL(picture.src);
  picture.hidden = true;
  picture.removeAttribute("src");
  updateTools();
}

async function readDrawing() {
  const blob = await drawing.toBlob();
  await read(blob, [canvas.width, canvas.height]);
}

async function read(blob, size) {
  request?.abort();
  const mine = (request = new AbortController());
  sent = { blob, size };
  find("copied").textContent = "";
  try {
    const answer = await readImage(blob, { single: single.checked, signal: mine.signal });
    if (mine.signal.aborted) return;
    showAnswer(answer, size);
    find("copy").disabled = false;
  } catch (error) {
    if (!mine.signal.aborted) showFailure(error);
  }
}

async function openPicture(file) {
  clearTimeout(timer);
  drawing.clear();
  hidePicture();
  showNothing("Reading…");
  const { blob, width, height } = await reducePicture(file);
  if (width) {
    picture.src = URL.createObjectURL(blob);
    picture.hidden = false;
  }
  updateTools();
  await read(blob, width ? [width, height] : [canvas.width, canvas.height]);
}

canvas.addEventListener("stroke", () => {
  clearTimeout(timer);
  updateTools();
  find("boxes").replaceChildren();
});
find("undo").addEventListener("click", () => drawing.undo());
find("clear").addEventListener("click", () => {
  hidePicture();
  drawing.clear();
});
find("open").addEventListener("click", () => find("file").click());
find("file").addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = "";
  if (file) openPicture(file);
});
single.addEventListener("change", () => { if (sent) read(sent.blob, sent.size); });
document.addEventListener("paste", (event) => {
  const file = findImage(event.clipboardData);
  if (file) openPicture(file);
});
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "z" && drawing.strokes.length) {
    event.preventDefault();
    drawing.undo();
  }
});
let depth = 0; // of elements that a dragged image is over
for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    depth = { dragenter: depth + 1, dragover: depth, dragleave: depth - 1, drop: 0 }[name];
    sheet.classList.toggle("over", depth > 0);
    const file = name === "drop" ? findImage(event.dataTransfer) : null;
    if (file) openPicture(file);
  });
}
find("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(await writeCurl(sent.blob, { single: single.checked }));
    find("copied").textContent = "Copied.";
  } catch {
    find("copied").textContent = "The browser does not let this page copy.";
  }
});
updateTools();
