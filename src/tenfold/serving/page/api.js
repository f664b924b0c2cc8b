// Requests to the server that this page came from.

/** An answer's problem details (RFC 9457) as an error. */
export class Problem extends Error {
  constructor(details) {
    super(details.detail || details.title);
    this.details = details;
  }
}

/** Fetches JSON. Throws a Problem, or an error if the server does not answer. */
async function fetchJson(path, options = {}) {
  const response = await fetch(path, options);
  const isJson = (response.headers.get("content-type") || "").includes("json");
  if (!response.ok) throw new Problem(isJson ? await response.json() : { title: `status ${response.status}` });
  return response.json();
}

/** Reads an image. A busy server is asked again, so many times. */
export async function readImage(blob, { single, stages, retries = 1 }) {
  const query = new URLSearchParams({ ...(single && { single }), ...(stages && { stages }) });
  return post(`v1/read${query.size ? `?${query}` : ""}`, blob, retries);
}

/** Posts an image, or other bytes. A busy server is asked again, so many times. */
async function post(path, blob, retries = 0) {
  const type = blob.type.startsWith("image/") ? blob.type : "application/octet-stream";
  const options = { method: "POST", body: blob, headers: { "content-type": type } };
  for (;;) {
    try {
      return await fetchJson(path, options);
    } catch (error) {
      if (error.details?.code !== "busy" || retries-- <= 0) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/** The fields that are proposed for a sheet, and its picture. */
export async function proposeForm(blob) {
  return post("v1/propose-form", blob);
}

/** The forms that the server has. */
export async function listForms() {
  return (await fetchJson("v1/forms")).forms;
}

/** What is read of a sheet, with pictures of its doubtful fields. A busy server is asked again, so many times. */
export async function readSheet(form, blob, retries) {
  return post(`v1/forms/${encodeURIComponent(form)}?pictures`, blob, retries);
}

/** A correct value as it stands in the table, or the fault that it has. */
export async function checkValue(form, field, value) {
  const body = new Blob([JSON.stringify({ field, value })]);
  return post(`v1/forms/${encodeURIComponent(form)}/check`, body, 5);
}

/** Whether programs must send a token; the browser has sent it by itself. */
export async function needsToken() {
  return (await fetchJson("v1/model")).needs_token;
}
