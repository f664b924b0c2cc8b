// The text of a form's TOML file.

const quote = (text) => JSON.stringify(text);

function round(value, digits) {
  return String(Number(value.toFixed(digits)));
}

/** The file of a form whose boxes are shares of the sheet. */
export function formatForm({ name, size_mm: size, filled, fields }) {
  const lines = [`name = ${quote(name)}`, `reference = ${quote(`${name}.png`)}`];
  if (size) lines.push(`size_mm = [${size.join(", ")}]`);
  if (filled) lines.push("filled = true");
  const [width, height] = size ?? [1, 1];
  for (const field of fields) {
    const box = field.box.map((share, i) => round(share * (i % 2 ? height : width), size ? 2 : 5));
    lines.push("", "[[field]]", `name = ${quote(field.name)}`, `box = [${box.join(", ")}]`);
    if (field.kind !== "digits") lines.push(`kind = ${quote(field.kind)}`);
    if (field.kind === "digits" && field.digits) lines.push(`digits = ${field.digits}`);
    if (field.kind === "digits" && field.expect) lines.push(`expect = ${quote(field.expect)}`);
    if (field.kind === "bubbles") {
      lines.push(`rows = ${field.rows ?? 1}`, `columns = ${field.columns ?? 1}`);
      lines.push(`labels = [${field.labels.map(quote).join(", ")}]`);
    }
  }
  return `${lines.join("\n")}\n`;
}
