// The page: what is drawn or opened goes to the server, what it says is shown.

import { readImage } from "./api.js";
import { showAllLines, showAnswer, showFailure, showNothing } from "./answer.js";
import { copyCurl, isSaved } from "./curl.js";
import { Drawing } from "./drawing.js";
import { findImage, reducePicture } from "./picture.js";
import { offerToken } from "./token.js";

const find = (id) => document.getElementById(id);
const canvas = find("canvas"), picture = find("picture"), sheet = find("sheet"), single = find("single");
const PAUSE_MS = 120; // after a stroke, before it is read: another one may follow
const NARROWEST = 3 / 4, WIDEST = 2; // of a sheet that shows a picture: width by height

let turn = 0; // counts what is to be read; whatever belongs to an earlier turn comes too late
let sent = null; // { blob, frame } of what is read or shown
let isReading = false;
let isOpened = false; // an image, and not a drawing
let timer = 0;

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
  canvas.hidden = isOpened;
}

function forget() {
  turn++;
  sent = null;
  offerCopy(null);
  showNothing();
}

function offerCopy(blob) {
  find("copy").disabled = !blob;
  find("copy").textContent = blob && isSaved(blob) ? "Save the image, copy as curl" : "Copy as curl";
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
  const { blob, frame } = await drawing.toImage();
  if (mine === turn) await read({ blob, frame });
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
    const answer = await readImage(image.blob, { single: single.checked });
    if (image !== sent) return;
    if (isOpened && picture.hidden) { // the browser cannot show it, the server can
      picture.src = answer.stages[0].picture;
      picture.hidden = false;
    }
    showAnswer(answer, image.frame);
    offerCopy(image.blob);
  } catch (error) {
    if (image !== sent) return;
    if (error.details?.code === "unreadable-image" && picture.hidden) hidePicture(); // nobody can show it
    showFailure(error);
  }
}

async function openPicture(file) {
  hidePicture();
  drawing.clear();
  isOpened = true;
  updateTools();
  showNothing("Reading…");
  const mine = ++turn;
  const { blob, width, height } = await reducePicture(file);
  if (mine !== turn) return;
  if (width) {
    picture.src = URL.createObjectURL(blob);
    picture.hidden = false;
    sheet.style.aspectRatio = String(Math.min(WIDEST, Math.max(NARROWEST, width / height)));
  }
  await read({ blob, frame: width ? [0, 0, width, height] : null });
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
const readAgain = () => { if (sent) read({ ...sent }); };
single.addEventListener("change", readAgain);
offerToken(readAgain);
find("more").addEventListener("click", showAllLines);
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
  const mine = turn;
  let words;
  try {
    words = await copyCurl(sent.blob, { single: single.checked });
  } catch {
    words = "The browser does not allow this page to copy.";
  }
  if (mine === turn) find("copied").textContent = words;
});
updateTools();
