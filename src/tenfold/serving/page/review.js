// Sheets of a form: read one after another; what is doubtful is checked, and the table is saved.

import { checkValue, listForms, readSheet } from "./api.js";
import { quote, save } from "./results.js";
import { describeFailure } from "./words.js";

const element = (id) => document.getElementById(id);
const [list, message] = ["doubts", "review-message"].map(element);
const RETRIES = 60; // of a sheet where the server is busy, a second apart

let forms = [];
let columns = []; // the names of the form's fields
let sheets = []; // { form, name, answer, checked }, where `checked` maps the name of a field to its right value
let isSaved = true; // the table with all that was checked
let isReading = false;

const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
const findDoubtful = ({ answer, checked }) => answer.fields.filter((one) => !one.is_sure && !checked.has(one.name));

/** Reads all files; the doubtful fields of each are shown at once. Sheets of the same form are added. */
async function read(files) {
  const form = forms[element("which").selectedIndex];
  if (sheets.some((one) => one.form !== form.name)) {
    if (!isSaved && !confirm(`The table of ${sheets[0].form} is not saved. Drop its corrections?`)) return;
    clear();
  }
  columns = form.fields.map((one) => one.name);
  setReading(true);
  for (const [number, file] of files.entries()) {
    message.textContent = `Reading ${number + 1} of ${files.length} …`;
    const sheet = { form: form.name, name: file.name, checked: new Map(), answer: null };
    try {
      sheet.answer = await readSheet(form.name, file, RETRIES);
    } catch (error) {
      sheet.answer = error.details?.sheet ?? { status: "error", fields: [], message: describeFailure(error) };
    }
    sheets.push(sheet);
    isSaved = false;
    show(sheet);
  }
  setReading(false);
  sumUp();
  list.querySelector("li:not([data-done]) input")?.focus();
}

/** Begins a new table. */
function clear() {
  sheets = [];
  isSaved = true;
  list.replaceChildren();
  element("refused").replaceChildren();
  element("review-keys").hidden = true;
  element("clear").disabled = element("save-table").disabled = true;
  message.textContent = "The table is empty.";
}

/** While sheets are read, no others are opened, as all become rows of one table. */
function setReading(now) {
  isReading = now;
  for (const id of ["open-sheets", "which"]) element(id).disabled = now;
  for (const id of ["clear", "save-table"]) element(id).disabled = now || !sheets.length;
}

/** Shows why a sheet was refused, or its doubtful fields. */
function show(sheet) {
  const { answer, name } = sheet;
  if (answer.message) {
    const line = document.createElement("li");
    line.textContent = `${name}: ${answer.message}`;
    element("refused").append(line);
  }
  list.append(...findDoubtful(sheet).map((field) => build(sheet, field)));
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
    isSaved = false;
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

/** Takes the value of a field as right, if the server finds that it can be, and goes to the next. */
async function take(sheet, field, item, input) {
  const entered = input.value;
  let checked;
  try {
    checked = await checkValue(sheet.form, field.name, entered);
  } catch (error) {
    checked = { fault: `is not checked. ${describeFailure(error)}` };
  }
  if (input.value !== entered) return; // changed meanwhile
  input.setAttribute("aria-invalid", String(Boolean(checked.fault)));
  if (checked.fault) {
    message.textContent = `${field.name}: ${entered.trim()} ${checked.fault}`;
    item.querySelector("p").textContent = `${entered.trim()} ${checked.fault}`; // the other may be out of sight
    return;
  }
  sheet.checked.set(field.name, checked.value);
  isSaved = false;
  item.dataset.done = "";
  sumUp();
  const items = [...list.children];
  const at = items.indexOf(item);
  const next = [...items.slice(at + 1), ...items.slice(0, at)].find((one) => !("done" in one.dataset));
  (next?.querySelector("input") ?? element("save-table")).focus();
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
  save(new Blob([toCsv()], { type: "text/csv" }), `${sheets[0].form}.csv`);
  isSaved = true;
});
element("clear").addEventListener("click", () => {
  if (isSaved || confirm("The table is not saved. Drop its corrections?")) clear();
});
addEventListener("beforeunload", (event) => {
  if (!isSaved || isReading) event.preventDefault(); // the browser asks
});

forms = await listForms().catch(() => []);
element("which").replaceChildren(...forms.map(({ name }) => new Option(name)));
element("review").hidden = !forms.length;
