// The page: what is drawn or opened goes to the server, what it says is shown, corrected and taken along.

import { readImage } from "./api.js";
import { showAllLines, showAnswer, showFailure, showNothing } from "./answer.js";
import { Batch, prepare } from "./batch.js";
import { offerCamera } from "./camera.js";
import { copyCurl, isSaved } from "./curl.js";
import { Drawing } from "./drawing.js";
import { findImages } from "./picture.js";
import { correct, save, toCsv } from "./results.js";

const find = (id) => document.getElementById(id);
const canvas = find("canvas"), picture = find("picture"), sheet = find("sheet"), single = find("single");
const PAUSE_MS = 120; // after a stroke, before it is read: another one may follow
const NARROWEST = 3 / 4, WIDEST = 2; // of a sheet that shows a picture: width by height

let turn = 0; // counts what is to be read; whatever belongs to an earlier turn comes too late
let sent = null; // what is read or shown: { name, blob, frame, answer, corrections }
let isReading = false;
let isOpened = false; // an image, and not a drawing
let timer = 0;

const batch = new Batch(showItem);
const drawing = new Drawing(canvas, () => {
  clearTimeout(timer);
  updateTools();
  if (drawing.isEmpty) forget();
  else timer = setTimeout(readDrawing, PAUSE_MS);
});

function updateTools() {
  find("undo").disabled = drawing.strokes.length === 0;
  find("undo").hidden = isOpened;
  find("clear").disabled = drawing.isEmpty && !isOpened;
  find("clear").textContent = isOpened ? "Draw instead" : "Clear";
  find("sheet-title").textContent = isOpened ? "What you opened" : "Write some digits";
  find("hint").hidden = !drawing.isEmpty || isOpened;
  find("examples").hidden = !drawing.isEmpty || isOpened;
  canvas.hidden = isOpened;
}

function forget() {
  turn++;
  sent = null;
  offerCopy(null);
  showNothing();
}

function offerCopy(image) {
  for (const id of ["copy", "copy-text", "save-text"]) find(id).disabled = !image;
  find("save-text").hidden = batch.items.length > 0; // all of them are saved together
  find("copy").textContent = image && isSaved(image.blob) ? "Save the image, copy as curl" : "Copy as curl";
  find("copied").textContent = "";
}

function hidePicture() {
  isOpened = false;
  if (!picture.hidden) URL.revokeObjectURL(picture.src);
  picture.hidden = true;
  picture.removeAttribute("src");
  sheet.style.aspectRatio = "";
  updateTools();
}

async function readDrawing() {
  const mine = ++turn;
  const made = await drawing.toImage();
  if (mine === turn) await read({ name: "drawing.png", ...made, corrections: new Map() });
}

/** Reads an image, after the one that is being read if there is one; of those that wait the newest. */
async function read(image) {
  sent = image;
  offerCopy(null);
  if (isReading) return;
  isReading = true;
  try {
    for (let last = null; sent && sent !== last;) await readNow(last = sent);
  } finally {
    isReading = false;
  }
}

async function readNow(image) {
  try {
    const answer = await readImage(image.blob, { single: single.checked, stages: true });
    if (image !== sent) return;
    if (isOpened && picture.hidden) { // the browser cannot show it, the server can
      picture.src = answer.stages[0].picture;
      picture.hidden = false;
    }
    image.details = answer;
    showCorrected(image);
    offerCopy(image);
  } catch (error) {
    if (image !== sent) return;
    // It cannot be shown.
    if (error.details?.code === "unreadable-image" && picture.hidden && !batch.items.length) hidePicture();
    showFailure(error);
  }
}

/** Shows an answer with what people corrected, and takes the next correction. */
function showCorrected(image, focused) {
  image.corrected = correct(image.details, image.corrections);
  showAnswer(image.corrected, image.frame, (i, digit) => {
    if (digit === image.details.digits[i].digit) image.corrections.delete(i);
    else image.corrections.set(i, digit);
    showCorrected(image, i + 1);
    if (batch.items.includes(image)) batch.show(batch.items.indexOf(image));
  }, focused);
}

/** Shows one of several images, with all about it. */
function showItem(i) {
  const item = batch.items[i];
  if (!item.blob) return;
  batch.mark(i);
  showPicture(item);
  read(item);
}

function showPicture({ blob, frame }) {
  hidePicture();
  isOpened = true;
  updateTools();
  showNothing("Reading…");
  turn++;
  if (frame) {
    picture.src = URL.createObjectURL(blob);
    picture.hidden = false;
    sheet.style.aspectRatio = String(Math.min(WIDEST, Math.max(NARROWEST, frame[2] / frame[3])));
  }
}

async function openFiles(files) {
  if (!files.length) return;
  hidePicture();
  batch.clear();
  drawing.clear();
  isOpened = true;
  updateTools();
  showNothing("Reading…");
  const mine = ++turn;
  if (files.length > 1) return batch.open(files, single.checked);
  const [file] = files;
  const item = { name: file.name, ...await prepare(file), corrections: new Map() };
  if (mine !== turn) return;
  showPicture(item);
  await read(item);
}

canvas.addEventListener("stroke", () => {
  clearTimeout(timer);
  updateTools();
  find("boxes").replaceChildren();
});
find("undo").addEventListener("click", () => drawing.undo());
find("clear").addEventListener("click", () => {
  batch.clear();
  hidePicture();
  drawing.clear();
});
find("open").addEventListener("click", () => find("file").click());
find("file").addEventListener("change", (event) => {
  const files = [...event.target.files];
  event.target.value = "";
  openFiles(files);
});
offerCamera((file) => openFiles([file]));
for (const button of find("examples").querySelectorAll("button")) {
  button.addEventListener("click", async () => {
    const { src } = button.querySelector("img");
    const blob = await (await fetch(src)).blob();
    openFiles([new File([blob], src.split("/").at(-1), { type: blob.type })]);
  });
}
single.addEventListener("change", () => {
  if (batch.items.length) batch.read(single.checked);
  else if (sent) read({ ...sent, corrections: new Map() });
});
find("more").addEventListener("click", showAllLines);
document.addEventListener("paste", (event) => openFiles(findImages(event.clipboardData)));
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
    if (name === "drop") openFiles(findImages(event.dataTransfer));
  });
}

const CLIPBOARD_FAILED = "The browser does not allow this page to copy.";
const tell = (words) => { find("copied").textContent = words; };
find("copy").addEventListener("click", async () => {
  const mine = turn;
  const words = await copyCurl(sent.blob, { single: single.checked }).catch(() => CLIPBOARD_FAILED);
  if (mine === turn) tell(words);
});
find("copy-text").addEventListener("click", async () => {
  const copying = navigator.clipboard?.writeText(sent.corrected.text) ?? Promise.reject();
  tell(await copying.then(() => "Copied.", () => CLIPBOARD_FAILED));
});
function saveCsv(items) {
  const rows = items.map((item) => ({ ...item, answer: item.corrected ?? item.answer }));
  save(new Blob([toCsv(rows)], { type: "text/csv" }), "digits.csv");
}
find("save-text").addEventListener("click", () => saveCsv([sent]));
find("csv").addEventListener("click", () => saveCsv(batch.items));
updateTools();
