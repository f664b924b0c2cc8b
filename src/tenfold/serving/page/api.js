// Requests to the server that this page came from.

import { askForToken } from "./token.js";

/** An answer's problem details (RFC 9457) as an error. */
export class Problem extends Error {
  constructor(details) {
    super(details.detail || details.title);
    this.details = details;
  }
}

/**
 * Fetches JSON, and asks for a token where one is wanted. Throws a Problem, or an error if the
 * server does not answer.
 */
export async function fetchJson(path, options = {}) {
  let response = await fetch(path, options);
  if (response.status === 401 && await askForToken()) {
    response = await fetch(path, options);
    if (response.status === 401) throw new Problem({ code: "no-cookie" });
  }
  const isJson = (response.headers.get("content-type") || "").includes("json");
  if (!response.ok) throw new Problem(isJson ? await response.json() : { title: `status ${response.status}` });
  return response.json();
}

/** Reads an image. A busy server is asked once more. */
export async function readImage(blob, { single }) {
  const path = `/v1/read?stages=true${single ? "&single=true" : ""}`;
  const type = blob.type.startsWith("image/") ? blob.type : "application/octet-stream";
  const options = { method: "POST", body: blob, headers: { "content-type": type } };
  try {
    return await fetchJson(path, options);
  } catch (error) {
    if (error.details?.code !== "busy") throw error;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    return fetchJson(path, options);
  }
}
