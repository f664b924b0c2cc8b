// Several images: read one after another, and shown as a table.

import { readImage } from "./api.js";
import { reducePicture } from "./picture.js";
import { describeFailure, STATUS_WORDS } from "./words.js";

const find = (id) => document.getElementById(id);
const RETRIES = 60; // of an image where the server is busy, a second apart
const THUMBNAIL_PX = 96;

/** The table of several images. `choose` is called with the number of the image that is to be shown. */
export class Batch {
  constructor(choose) {
    this.choose = choose;
    this.items = []; // { name, blob, frame, answer, failure, corrections }
    this.turn = 0;
  }

  clear() {
    this.turn++;
    this.items = [];
    find("batch").hidden = true;
  }

  /** Reads all of the files; the first is chosen. */
  async open(files, single) {
    this.clear();
    this.items = files.map((file) => ({ name: file.name, file, corrections: new Map() }));
    find("batch").hidden = false;
    find("rows").replaceChildren(...this.items.map((item, i) => this.buildRow(item, i)));
    await this.read(single);
  }

  /** Reads them, anew if they were read before. */
  async read(single) {
    const mine = ++this.turn;
    for (const [i, item] of this.items.entries()) {
      [item.answer, item.failure] = [null, null];
      item.corrections.clear();
      this.show(i);
    }
    for (const [i, item] of this.items.entries()) {
      try {
        if (!item.blob) Object.assign(item, await prepare(item.file));
        if (mine !== this.turn) return;
        this.showPicture(i);
        if (i === 0) this.choose(0);
        const answer = await readImage(item.blob, { single, retries: RETRIES });
        if (mine !== this.turn) return;
        item.answer = answer;
      } catch (error) {
        if (mine !== this.turn) return;
        item.failure = describeFailure(error);
      }
      this.show(i);
    }
  }

  buildRow(item, i) {
    const row = document.createElement("tr");
    row.innerHTML = `<td><img alt="" width="48" height="48"></td><td><button type="button" class="link"></button></td>
      <td class="digits-cell"></td><td><span class="chip" hidden></span></td>`;
    const button = row.querySelector("button");
    button.textContent = item.name;
    button.addEventListener("click", () => this.choose(i));
    return row;
  }

  async showPicture(i) {
    const image = find("rows").children[i].querySelector("img");
    const mine = this.turn;
    const picture = await thumbnail(this.items[i].blob);
    if (picture && mine === this.turn) image.src = picture;
    else image.remove();
  }

  /** Shows what is known of an image, after it was read or corrected. */
  show(i) {
    const { failure } = this.items[i], answer = this.items[i].corrected ?? this.items[i].answer;
    const row = find("rows").children[i];
    row.querySelector(".digits-cell").textContent = failure ?? answer?.text.replaceAll("\n", " / ") ?? "";
    row.querySelector(".digits-cell").classList.toggle("quiet", Boolean(failure));
    const chip = row.querySelector(".chip"), status = failure ? "error" : answer?.status;
    chip.hidden = !status;
    chip.className = `chip ${status}`;
    chip.textContent = failure ? "not read" : STATUS_WORDS[status];
    const numDone = this.items.filter((item) => item.answer || item.failure).length;
    const numSure = this.items.filter((item) => item.answer?.status === "read").length;
    find("batch-note").textContent = numDone < this.items.length
      ? `Read ${numDone} of ${this.items.length} …`
      : `${this.items.length} images; ${numSure} read, ${this.items.length - numSure} to look at.`;
    find("csv").disabled = numDone < this.items.length;
  }

  mark(chosen) {
    [...find("rows").children].forEach((row, i) => row.toggleAttribute("data-chosen", i === chosen));
  }
}

/** A file as it is sent: { blob, frame }. */
export async function prepare(file) {
  const { blob, width, height } = await reducePicture(file);
  return { blob, frame: width ? [0, 0, width, height] : null };
}

async function thumbnail(blob) {
  try {
    const bitmap = await createImageBitmap(blob);
    const scale = Math.min(1, THUMBNAIL_PX / Math.min(bitmap.width, bitmap.height));
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = THUMBNAIL_PX;
    const [width, height] = [bitmap.width * scale, bitmap.height * scale];
    canvas.getContext("2d").drawImage(bitmap, (THUMBNAIL_PX - width) / 2, (THUMBNAIL_PX - height) / 2, width, height);
    bitmap.close();
    return canvas.toDataURL("image/jpeg", 0.8);
  } catch {
    return null;
  }
}
