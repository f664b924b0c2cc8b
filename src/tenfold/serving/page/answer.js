// The answer as it is shown: text, digits, probabilities, pictures, boxes.

const STATUS_WORDS = { read: "read", uncertain: "uncertain", blank: "blank", not_digits: "no digits", error: "no image" };
const STAGE_WORDS = {
  decoded: "as it came", "bright-ink": "ink made bright", "without-paper": "paper taken away",
  cut: "cut out", boxed: "into a box of 20", centred: "centred by mass", network: "what the network sees",
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

/** Nothing is there to be read. */
export function showNothing(message = "Nothing is written yet.") {
  find("text").textContent = "";
  find("status").hidden = true;
  find("message").textContent = message;
  for (const id of ["digits", "why", "way"]) find(id).hidden = true;
  find("boxes").replaceChildren();
}

/** A failure in words. */
export function showFailure(error) {
  const details = error.details ?? {};
  showNothing(details.detail ?? "The server does not answer.");
}

/** A reading with its stages. `size` is that of the image that was sent: width, height. */
export function showAnswer(answer, size) {
  const text = find("text");
  text.textContent = answer.text;
  text.classList.toggle("long", answer.text.length > 9);
  text.classList.toggle("faint", answer.status === "uncertain");
  const status = find("status");
  status.hidden = false;
  status.className = `chip ${answer.status}`;
  status.textContent = STATUS_WORDS[answer.status];
  find("message").textContent = answer.message ? `${answer.message}.` : "";
  const shown = answer.status === "blank" ? [] : answer.digits;
  drawBoxes(shown, size);
  listDigits(answer, shown);
  find("stages").replaceChildren(...answer.stages.map(({ name, picture }) => {
    const image = make("img", { src: picture, alt: "" }); // its caption says it
    image.addEventListener("load", () => image.classList.toggle("small-image", image.naturalWidth < 60));
    return make("li", {}, make("figure", {}, image, make("figcaption", { text: STAGE_WORDS[name] ?? name })));
  }));
  find("way").hidden = answer.stages.length === 0;
  find("why").hidden = answer.seen.length === 0;
  if (answer.seen.length) choose(answer, 0);
}

function listDigits(answer, shown) {
  const group = find("digits");
  group.hidden = shown.length < 2;
  group.replaceChildren(...(group.hidden ? [] : answer.seen.map((_, i) => {
    const { digit, confidence, is_sure: isSure } = shown[i];
    const label = `digit ${i + 1}: ${digit}, ${percent(confidence)}`;
    const button = make("button", { type: "button", "aria-pressed": "false", "aria-label": label }, String(digit), make("span", { text: percent(confidence) }));
    button.classList.toggle("doubtful", !isSure);
    button.addEventListener("click", () => choose(answer, i));
    return button;
  })));
}

function choose(answer, number) {
  [...find("digits").children].forEach((button, i) => button.setAttribute("aria-pressed", String(i === number)));
  [...find("boxes").children].forEach((box, i) => box.classList.toggle("chosen", i === number && find("boxes").children.length > 1));
  const { probabilities, none, image, occlusion } = answer.seen[number];
  const best = answer.digits[number].digit;
  const rows = probabilities.map((share, digit) => {
    const fill = make("div", { class: "fill" });
    fill.style.width = `${100 * share}%`;
    return make("li", digit === best ? { class: "best" } : {},
      make("span", { text: digit }), make("div", { class: "track", "aria-hidden": "true" }, fill), make("span", { class: "share", text: percent(share) }));
  });
  rows.push(make("li", {}, make("span", { class: "none", text: `no digit at all: ${percent(none)}` })));
  find("bars").replaceChildren(...rows);
  find("seen").src = image;
  find("occlusion").src = occlusion;
}

function drawBoxes(digits, [width, height]) {
  const svg = find("boxes");
  const sheet = find("sheet").getBoundingClientRect();
  // As `object-fit: contain` places the image.
  const scale = Math.min(sheet.width / width, sheet.height / height);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.style.width = `${(100 * width * scale) / sheet.width}%`;
  svg.style.height = `${(100 * height * scale) / sheet.height}%`;
  svg.style.left = `${50 * (1 - (width * scale) / sheet.width)}%`;
  svg.style.top = `${50 * (1 - (height * scale) / sheet.height)}%`;
  const pad = 6 / scale;
  svg.replaceChildren(...digits.map(({ box: [left, top, right, bottom], is_sure: isSure }) => {
    const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const values = { x: left - pad, y: top - pad, width: right - left + 2 * pad, height: bottom - top + 2 * pad };
    for (const [key, value] of Object.entries(values)) rect.setAttribute(key, value);
    if (!isSure) rect.classList.add("doubtful");
    return rect;
  }));
}
