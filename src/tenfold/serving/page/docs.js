// The API's documentation, made from /openapi.json.

function make(name, text, ...children) {
  const element = document.createElement(name);
  if (text) element.textContent = text;
  element.append(...children);
  return element;
}

function describe(path, method, operation) {
  const section = make("section", "");
  section.className = "endpoint card";
  const verb = make("span", method.toUpperCase());
  verb.className = "method";
  section.append(make("h2", "", verb, ` ${path}`), make("p", operation.summary));
  const list = make("dl", "");
  for (const { name, schema, description } of operation.parameters ?? []) {
    list.append(make("dt", name), make("dd", [schema.type, description].filter(Boolean).join("; ")));
  }
  const types = Object.keys(operation.requestBody?.content ?? {});
  if (types.length) list.append(make("dt", "body"), make("dd", types.join(", ")));
  for (const [status, { description }] of Object.entries(operation.responses)) {
    list.append(make("dt", status), make("dd", description));
  }
  section.append(list);
  return section;
}

document.getElementById("example").textContent = `curl -H 'content-type: image/jpeg' --data-binary @photo.jpg ${location.origin}/v1/read`;
const place = document.getElementById("endpoints");
try {
  const { paths } = await (await fetch("/openapi.json")).json();
  place.replaceChildren(...Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => describe(path, method, operation))));
} catch {
  place.replaceChildren(make("p", "The server does not answer."));
}
