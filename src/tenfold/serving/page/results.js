// Readings as people use them: corrected, copied, saved as a table.

/**
 * The answer with other digits where people corrected them: `corrections` maps the number of a digit
 * to the right one.
 */
export function correct(answer, corrections) {
  const digits = answer.digits.map((one, i) => corrections.has(i) ? { ...one, digit: corrections.get(i), was: one.digit } : one);
  let number = 0;
  const text = answer.text.replace(/[0-9]/g, () => digits[number++].digit);
  return { ...answer, digits, text };
}

/** A table with a row for each line of digits, for spreadsheets. `items` are { name, answer, failure }. */
export function toCsv(items) {
  const rows = [["file", "line", "digits", "status", "corrected", "message"]];
  for (const { name, answer, failure } of items) {
    if (!answer) rows.push([name, "", "", "error", "", failure ?? ""]);
    else {
      const isCorrected = answer.digits.some(({ was }) => was !== undefined) ? "yes" : "";
      answer.text.split("\n").forEach((line, i) => {
        rows.push([name, i + 1, line, answer.status, isCorrected, answer.message ?? ""]);
      });
    }
  }
  return rows.map((row) => row.map(quote).join(",")).join("\r\n") + "\r\n";
}

/** A value as a cell of CSV. */
export function quote(value) {
  // What begins like a formula would be one in a spreadsheet, unless it is a number.
  const isNumber = /^[+-]?[0-9.,]+$/.test(value);
  const text = isNumber ? String(value) : String(value).replace(/^[=+\-@\t\r]/, "'$&");
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Saves a file where the browser keeps downloads. */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
