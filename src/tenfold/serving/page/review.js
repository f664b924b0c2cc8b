// Sheets of a form: read one after another; what is doubtful is checked, and the table is saved.

import { listForms, readSheet } from "./api.js";
import { quote, save } from "./results.js";
import { describeFailure } from "./words.js";

const element = (id) => document.getElementById(id);
const [list, message] = ["doubts", "review-message"].map(element);
const RETRIES = 60; // of a sheet where the server is busy, a second apart
const TICKED = { yes: ["yes", "y", "x", "true", "1"], no: ["no", "n", "false", "0", "-"] };

let forms = [];
let columns = []; // the names of the form's fields
let sheets = []; // { name, answer, checked }, where `checked` maps the name of a field to its right value
let turn = 0;

const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
const findDoubtful = ({ answer, checked }) => answer.fields.filter((one) => !one.is_sure && !checked.has(one.name));

/** Reads all files; the doubtful fields of each are shown at once. */
async function read(files) {
  const mine = ++turn;
  const form = forms[element("which").selectedIndex];
  columns = form.fields.map((one) => one.name);
  sheets = [];
  list.replaceChildren();
  element("refused").replaceChildren();
  element("save-table").disabled = true;
  for (const [number, file] of files.entries()) {
    message.textContent = `Reading ${number + 1} of ${files.length} …`;
    const sheet = { name: file.name, checked: new Map(), answer: null };
    try {
      sheet.answer = await readSheet(form.name, file, RETRIES);
    } catch (error) {
      sheet.answer = error.details?.sheet ?? { status: "error", fields: [], message: describeFailure(error) };
    }
    if (mine !== turn) return;
    sheets.push(sheet);
    show(sheet);
  }
  element("save-table").disabled = false;
  sumUp();
  list.querySelector("input")?.focus();
}

/** Shows why a sheet was refused, or its doubtful fields. */
function show(sheet) {
  const { answer, name } = sheet;
  if (answer.message) {
    const line = document.createElement("li");
    line.textContent = `${name}: ${answer.message}`;
    element("refused").append(line);
  }
  const expected = new Map(forms[element("which").selectedIndex].fields.map((one) => [one.name, one.expect]));
  list.append(...findDoubtful(sheet).map((field) => build(sheet, { ...field, expect: expected.get(field.name) })));
  element("review-keys").hidden = !list.children.length;
}

function build(sheet, field) {
  const item = document.createElement("li");
  item.innerHTML = `<label><span class="place"></span><img><input autocomplete="off" spellcheck="false" enterkeyhint="next"></label><p class="small"></p>`;
  const [place, image, input, why] = ["span", "img", "input", "p"].map((name) => item.querySelector(name));
  place.textContent = `${field.name}, ${sheet.name}`;
  why.textContent = field.message ?? "not sure";
  why.id = `why-${list.children.length}-${sheets.length}-${columns.indexOf(field.name)}`;
  input.setAttribute("aria-describedby", why.id);
  input.value = field.value;
  if (field.picture) Object.assign(image, { src: field.picture, alt: "" });
  else image.remove();
  input.addEventListener("focus", () => input.select());
  input.addEventListener("input", () => {
    sheet.checked.delete(field.name); // until Enter takes it
    delete item.dataset.done;
    sumUp();
  });
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    take(sheet, field, item, input);
  });
  return item;
}

/** Takes the value of a field as right, and goes to the next that is not checked. */
function take(sheet, field, item, input) {
  const { value, problem } = normalise(input.value.trim(), field);
  if (problem) {
    message.textContent = `${field.name}: ${problem}`;
    return;
  }
  sheet.checked.set(field.name, value);
  item.dataset.done = "";
  sumUp();
  const items = [...list.children];
  const at = items.indexOf(item);
  const next = [...items.slice(at + 1), ...items.slice(0, at)].find((one) => !("done" in one.dataset));
  (next?.querySelector("input") ?? element("save-table")).focus();
}

/** A value as it stands in the table, or what is wrong with it. */
function normalise(text, { kind, expect }) {
  if (kind === "tick") {
    const value = Object.keys(TICKED).find((key) => TICKED[key].includes(text.toLowerCase()));
    return value ? { value } : { problem: "enter yes or no." };
  }
  if (!text) return { problem: "enter its value, or - if it is empty." };
  if (text === "-") return { value: "" };
  if (kind !== "digits" || !expect || /[a-z]/i.test(expect)) return { value: text }; // a named format
  const source = expect.replace(/ /g, "").replace(/[.+$/]/g, "\\$&").replaceAll("#", "[0-9]");
  return new RegExp(`^(?:${source})$`).test(text.replace(/ /g, "")) ? { value: text } : { problem: `not of the format ${expect}.` };
}

function sumUp() {
  const numLeft = list.children.length - list.querySelectorAll("[data-done]").length;
  const numRefused = sheets.filter(({ answer }) => answer.status === "error").length;
  const parts = [count(sheets.length, "sheet"), numLeft ? `${count(numLeft, "field")} to check` : "nothing left to check"];
  if (numRefused) parts.push(`${numRefused} not read`);
  message.textContent = `${parts.join(", ")}.`;
}

/** The table with the values that were checked, as `tenfold form merge` writes it. */
function toCsv() {
  const rows = sheets.map((sheet) => {
    const { name, answer, checked } = sheet;
    const left = findDoubtful(sheet).map((one) => one.name);
    const values = new Map(answer.fields.map((one) => [one.name, checked.get(one.name) ?? one.value]));
    const notes = [answer.message, left.length ? `doubtful: ${left.join(", ")}` : null].filter(Boolean);
    const status = answer.status === "error" ? "error" : notes.length ? "uncertain" : "read";
    return [name, answer.page ?? "", status, notes.join("; "), ...columns.map((one) => values.get(one) ?? "")];
  });
  return [["file", "page", "status", "message", ...columns], ...rows].map((row) => `${row.map(quote).join(",")}\r\n`).join("");
}

element("open-sheets").addEventListener("click", () => element("sheets").click());
element("sheets").addEventListener("change", (event) => {
  const files = [...event.target.files];
  event.target.value = "";
  if (files.length) read(files);
});
element("save-table").addEventListener("click", () => {
  save(new Blob([toCsv()], { type: "text/csv" }), `${element("which").value}.csv`);
});

forms = await listForms().catch(() => []);
element("which").replaceChildren(...forms.map(({ name }) => new Option(name)));
element("review").hidden = !forms.length;
