// The API's documentation, made from /openapi.json.

function make(name, text, ...children) {
  const element = document.createElement(name);
  if (text) element.textContent = text;
  element.append(...children);
  return element;
}

/** What a reference inside the description stands for. */
const resolve = (whole, { $ref, ...rest }) => $ref ? $ref.slice(2).split("/").reduce((part, key) => part[key], whole) : rest;

function describe(whole, path, method, operation) {
  const section = make("section", "");
  section.className = "endpoint card";
  const verb = make("span", method.toUpperCase());
  verb.className = "method";
  section.append(make("h2", "", verb, ` ${path}`), make("p", operation.description ?? operation.summary));
  const list = make("dl", "");
  for (const { name, schema, description } of operation.parameters ?? []) {
    list.append(make("dt", name), make("dd", [schema.type, description].filter(Boolean).join("; ")));
  }
  const types = Object.keys(operation.requestBody?.content ?? {});
  if (types.length) list.append(make("dt", "body"), make("dd", types.join(", ")));
  for (const [status, response] of Object.entries(operation.responses)) {
    list.append(make("dt", status), make("dd", resolve(whole, response).description));
  }
  section.append(list);
  return section;
}

const url = new URL("v1/read", location.href);
document.getElementById("example").textContent = [
  ["# one image", `curl -H 'content-type: image/jpeg' --data-binary @photo.jpg ${url}`],
  ["# several files: the answer is a list", `curl -F image=@a.png -F image=@b.png ${url}`],
  ["# JSON, with the image in base64 or as a data URL", `curl -H 'content-type: application/json' -d '{"image": "data:image/png;base64,..."}' ${url}`],
].map((lines) => lines.join("\n")).join("\n\n");
const place = document.getElementById("endpoints");
try {
  const whole = await (await fetch("openapi.json")).json();
  place.replaceChildren(...Object.entries(whole.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => describe(whole, path, method, operation))));
} catch {
  place.replaceChildren(make("p", "The server does not answer."));
}
