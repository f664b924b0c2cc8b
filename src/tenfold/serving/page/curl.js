// The command line that reads the same image.

import { hasToken } from "./api.js";

const MAX_INLINE_BYTES = 48_000; // longer ones do not fit on a command line everywhere

/** A line for a shell; a large image is to be saved under a name first. */
export async function writeCurl(blob, { single }) {
  const url = `${location.origin}/v1/read${single ? "?single=true" : ""}`;
  const type = blob.type || "application/octet-stream";
  const token = hasToken() ? ` -H "authorization: Bearer $TENFOLD_TOKEN"` : "";
  const send = `curl -sS${token} -H 'content-type: ${type}' --data-binary @`;
  if (blob.size <= MAX_INLINE_BYTES) {
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const text = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    return `echo '${text}' | base64 -d | ${send}- '${url}'`;
  }
  return `${send}${saveAs(blob)} '${url}'`;
}

/** Saves what was sent among the user's downloads, and says under which name. */
function saveAs(blob) {
  const name = `tenfold-image.${blob.type.split("/")[1]?.replace(/[^a-z0-9]/g, "") || "bin"}`;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  return name;
}
