// Requests to the server that this page came from.

/** An answer's problem details (RFC 9457) as an error. */
export class Problem extends Error {
  constructor(details) {
    super(details.detail || details.title);
    this.details = details;
  }
}

const dialog = document.getElementById("token-dialog");

/** Asks for the server's token, which a cookie that scripts cannot read then carries. */
async function askForToken() {
  if (!dialog) return false;
  const field = dialog.querySelector("input");
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  const token = field.value;
  field.value = "";
  if (dialog.returnValue !== "ok" || !token) return false;
  const answer = await fetch("/v1/session", { method: "POST", headers: { authorization: `Bearer ${token}` } });
  if (!answer.ok) return askForToken();
  sessionStorage.setItem("has-token", "");
  return true;
}

let asking = null;

/** Whether this page was asked for a token. */
export const hasToken = () => sessionStorage.getItem("has-token") !== null;

/** Fetches JSON. Throws a Problem, or an error if the server does not answer. */
export async function fetchJson(path, options = {}) {
  const response = await fetch(path, options);
  if (response.status === 401) {
    asking ??= askForToken().finally(() => { asking = null; });
    if (await asking) return fetchJson(path, options);
  }
  const isJson = (response.headers.get("content-type") || "").includes("json");
  if (!response.ok) throw new Problem(isJson ? await response.json() : { title: `status ${response.status}` });
  return response.json();
}

/** Reads an image. A busy server is asked once more. */
export async function readImage(blob, { single, signal }) {
  const path = `/v1/read?stages=true${single ? "&single=true" : ""}`;
  const type = blob.type.startsWith("image/") ? blob.type : "application/octet-stream";
  const options = { method: "POST", body: blob, headers: { "content-type": type }, signal };
  try {
    return await fetchJson(path, options);
  } catch (error) {
    if (!(error instanceof Problem) || error.details.code !== "busy") throw error;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    return fetchJson(path, options);
  }
}
