// The answer as it is shown: text, digits, probabilities, pictures, boxes.

import { describeFailure, STATUS_WORDS } from "./words.js";

const STAGE_WORDS = {
  decoded: "original", "bright-ink": "ink made bright", "without-paper": "paper removed",
  cut: "cropped", boxed: "scaled to 20 pixels", centred: "centred by mass", network: "what the network sees",
};
const find = (id) => document.getElementById(id);

function make(name, { text, ...attributes } = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  element.append(...children);
  return element;
}

const percent = (share) => `${(100 * share).toFixed(share > 0.9995 || share < 0.0005 ? 0 : 1)} %`;
const MOST_WITH_SHARES = 12; // digits; more buttons say no more than their digit
const FEW_LINES = 10; // more are shown when they are asked for
const BOX_PAD = 0.12, MOST_PAD_PX = 6; // around a digit, of its smaller side and on the screen
const SMALL_BOX_PX = 48; // on the screen; smaller ones have thin lines

/** Nothing is there to be read. */
export function showNothing(message = "Nothing is written yet.") {
  find("text").replaceChildren();
  find("status").hidden = true;
  find("message").textContent = message;
  for (const id of ["more", "correct-note", "digits-note", "digits", "why", "way", "actions"]) find(id).hidden = true;
  find("boxes").replaceChildren();
}

export const showFailure = (error) => showNothing(describeFailure(error));

/**
 * A reading with its stages. `frame` is where the sheet lies on the image that was sent, if that is
 * known. `correct` is called with the number of a digit and what it should be; the digit `focused`
 * then has the keyboard.
 */
export function showAnswer(answer, frame, correct, focused = null) {
  const shown = answer.status === "blank" ? [] : answer.digits;
  showText(answer, correct);
  const status = find("status");
  status.hidden = false;
  status.className = `chip ${answer.status}`;
  status.textContent = STATUS_WORDS[answer.status];
  find("message").textContent = describe(answer);
  drawBoxes(frame ? shown : [], frame);
  listDigits(answer, shown);
  showStages(answer);
  find("way").hidden = answer.stages.length === 0;
  find("actions").hidden = false;
  find("why").hidden = answer.seen.length === 0;
  if (answer.seen.length) choose(answer, 0);
  if (focused !== null) focusDigit(focused);
}

function describe({ status, message, digits }) {
  if (status === "not_digits" && digits.length === 0) return "There is more than digits on this image. Crop it to the digits.";
  if (!message) return "";
  // The server names the digits that make a line doubtful; none of that line is sure.
  const isMore = digits.filter((digit) => !digit.is_sure).length > Number.parseInt(message, 10);
  return `${message[0].toUpperCase()}${message.slice(1)}.${isMore ? " The whole of their line is marked." : ""}`;
}

/** The text, a line for each line of digits; each can be corrected, those that are not sure are marked. */
function showText({ text, status, digits }, correct) {
  const lines = text ? text.split("\n") : [];
  const place = find("text");
  let number = 0;
  const made = lines.flatMap((line, i) => {
    const parts = [];
    for (const sign of line) {
      if (/[0-9]/.test(sign)) {
        parts.push(buildDigit(sign, digits[number], number, correct));
        number += 1;
      } else parts.push(make("span", { class: "mark", text: sign }));
    }
    return [...(i ? ["\n"] : []), make("span", { class: "line" }, ...parts)];
  });
  place.replaceChildren(...made);
  place.style.setProperty("--longest", String(Math.max(1, ...lines.map((line) => line.length))));
  place.classList.toggle("lines", lines.length > 1);
  place.classList.toggle("faint", status === "uncertain" && digits.every((digit) => digit.is_sure));
  place.querySelector("button")?.setAttribute("tabindex", "0");
  const numCorrected = digits.filter(({ was }) => was !== undefined).length;
  find("correct-note").hidden = !text;
  find("correct-note").textContent = numCorrected
    ? `${numCorrected} ${numCorrected === 1 ? "digit" : "digits"} corrected.`
    : "Something wrong? Click a digit and type the right one.";
  const isLong = lines.length > FEW_LINES + 2;
  place.classList.toggle("cut", isLong);
  find("more").hidden = !isLong;
  find("more").textContent = `Show all ${lines.length} lines`;
}

/** A digit of the text: a button, which turns into a field for the right digit. */
function buildDigit(sign, { is_sure: isSure, was }, number, correct) {
  const isCorrected = was !== undefined;
  const label = `Correct digit ${number + 1}: ${sign}${isCorrected ? `, corrected from ${was}` : isSure ? "" : ", not sure"}`;
  const button = make("button", { type: "button", class: "sign", tabindex: "-1", "aria-label": label, text: sign });
  button.classList.toggle("doubtful", !isSure && !isCorrected);
  button.classList.toggle("corrected", isCorrected);
  button.addEventListener("click", () => {
    // A field, as a phone shows its keyboard for nothing else.
    const field = make("input", { class: "sign", inputmode: "numeric", maxlength: "1", "aria-label": `${label}. The right digit`, value: sign });
    const leave = () => {
      field.onblur = null; // removing it is no second leaving
      field.replaceWith(button);
    };
    button.replaceWith(field);
    field.focus();
    field.select();
    field.addEventListener("input", () => {
      if (!/^[0-9]$/.test(field.value)) field.value = "";
      else {
        leave();
        correct(number, Number(field.value));
      }
    });
    field.addEventListener("keydown", ({ key }) => {
      if (key === "Escape" || key === "Enter") {
        leave();
        button.focus();
      }
    });
    field.onblur = leave;
  });
  button.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) focusDigit(number + step);
    else if (/^[0-9]$/.test(event.key) && !event.ctrlKey && !event.metaKey) correct(number, Number(event.key));
    else return;
    event.preventDefault();
  });
  return button;
}

/** Gives a digit of the text the keyboard. Of all of them one is reached by Tab. */
function focusDigit(number) {
  const buttons = [...find("text").querySelectorAll(".sign")];
  const chosen = buttons[Math.min(number, buttons.length - 1)];
  if (!chosen || number < 0) return;
  for (const one of buttons) one.tabIndex = one === chosen ? 0 : -1;
  chosen.focus();
}

/** Shows the lines that were left out. */
export function showAllLines() {
  find("text").classList.remove("cut");
  find("more").hidden = true;
}

function showStages({ stages, digits, seen }) {
  const isSeveral = digits.length > 1;
  const items = stages.map(({ name, picture }) => showStage(picture, STAGE_WORDS[name] ?? name));
  if (isSeveral && seen.length) items.push(showStage(seen[0].image, ""));
  find("stages").replaceChildren(...items);
  find("way-note").hidden = !isSeveral;
}

function showStage(picture, words) {
  const image = make("img", { src: picture, alt: "" }); // its caption says it
  image.addEventListener("load", () => image.classList.toggle("small-image", image.naturalWidth < 60));
  return make("li", {}, make("figure", {}, image, make("figcaption", { text: words })));
}

function listDigits({ seen }, shown) {
  const group = find("digits"), note = find("digits-note");
  group.hidden = shown.length < 2;
  note.hidden = group.hidden || seen.length === shown.length;
  note.textContent = `The first ${seen.length} of ${shown.length} digits, to inspect one by one:`;
  const withShares = shown.length <= MOST_WITH_SHARES;
  group.replaceChildren(...(group.hidden ? [] : seen.map((_, i) => {
    const { digit, confidence, is_sure: isSure, was } = shown[i];
    const share = was === undefined ? percent(confidence) : `was ${was}`;
    const label = `digit ${i + 1}: ${digit}, ${share}`;
    const button = make("button", { type: "button", "aria-pressed": "false", "aria-label": label }, String(digit));
    if (withShares) button.append(make("span", { text: share }));
    button.classList.toggle("doubtful", !isSure);
    button.addEventListener("click", () => choose({ seen, digits: shown }, i));
    return button;
  })));
}

function choose({ seen, digits }, number) {
  [...find("digits").children].forEach((button, i) => button.setAttribute("aria-pressed", String(i === number)));
  [...find("boxes").children].forEach((box, i) => box.classList.toggle("chosen", i === number && find("boxes").children.length > 1));
  const { probabilities, none, image, occlusion } = seen[number];
  const best = digits[number].was ?? digits[number].digit;
  const rows = probabilities.map((share, digit) => {
    const fill = make("div", { class: "fill" });
    fill.style.width = `${100 * share}%`;
    const kind = digit === best ? "best" : share < 0.0005 ? "zero" : "";
    return make("li", { class: kind },
      make("span", { text: digit }), make("div", { class: "track", "aria-hidden": "true" }, fill), make("span", { class: "share", text: percent(share) }));
  });
  rows.push(make("li", {}, make("span", { class: "none", text: `no digit at all: ${percent(none)}` })));
  find("bars").replaceChildren(...rows);
  find("seen").src = image;
  find("occlusion").src = occlusion;
  if (digits.length > 1) {
    const last = find("stages").lastElementChild;
    last.querySelector("img").src = image;
    last.querySelector("figcaption").textContent = `digit ${number + 1} as seen`;
  }
}

/** Boxes on the sheet; a frame's left, top, width and height are in pixels of the image. */
function drawBoxes(digits, frame) {
  const svg = find("boxes");
  svg.replaceChildren();
  if (!digits.length) return;
  const [left, top, width, height] = frame;
  const sheet = find("sheet").getBoundingClientRect();
  // As `object-fit: contain` places the image.
  const scale = Math.min(sheet.width / width, sheet.height / height);
  svg.setAttribute("viewBox", `${left} ${top} ${width} ${height}`);
  svg.style.width = `${(100 * width * scale) / sheet.width}%`;
  svg.style.height = `${(100 * height * scale) / sheet.height}%`;
  svg.style.left = `${50 * (1 - (width * scale) / sheet.width)}%`;
  svg.style.top = `${50 * (1 - (height * scale) / sheet.height)}%`;
  const sides = digits.map(({ box: [x1, y1, x2, y2] }) => scale * Math.max(x2 - x1, y2 - y1)).sort((a, b) => a - b);
  svg.classList.toggle("small-boxes", sides[sides.length >> 1] < SMALL_BOX_PX);
  const pad = Math.min(MOST_PAD_PX, BOX_PAD * sides[sides.length >> 1]) / scale;
  svg.append(...digits.map(({ box: [x1, y1, x2, y2], is_sure: isSure }) => {
    const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const values = { x: x1 - pad, y: y1 - pad, width: x2 - x1 + 2 * pad, height: y2 - y1 + 2 * pad };
    for (const [key, value] of Object.entries(values)) rect.setAttribute(key, value);
    if (!isSure) rect.classList.add("doubtful");
    return rect;
  }));
}
