// The command line that reads the same image.

import { needsToken } from "./api.js";
import { save } from "./results.js";

const MAX_INLINE_BYTES = 48_000; // longer ones do not fit on a command line everywhere

/** Whether the image does not fit into the line, so that it is to be saved beside it. */
export const isSaved = (blob) => blob.size > MAX_INLINE_BYTES;

/** Copies a line for a shell, and saves an image that does not fit into it. What was done, in words. */
export async function copyCurl(blob, { single }) {
  const url = new URL(`v1/read${single ? "?single=true" : ""}`, location.href);
  const type = blob.type || "application/octet-stream";
  const isLocked = await needsToken();
  const token = isLocked ? ` -H "Authorization: Bearer $TENFOLD_TOKEN"` : "";
  const send = `curl -sS${token} -H 'content-type: ${type}' --data-binary @`;
  const words = ["Copied."];
  if (isSaved(blob)) {
    const name = `tenfold-image.${blob.type.split("/")[1]?.replace(/[^a-z0-9]/g, "") || "bin"}`;
    await navigator.clipboard.writeText(`${send}${name} '${url}'`);
    save(blob, name);
    words.push(`The image is saved as ${name}. Run the command in its folder.`);
  } else {
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const text = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    await navigator.clipboard.writeText(`echo '${text}' | base64 -d | ${send}- '${url}'`);
  }
  if (isLocked) words.push("Set TENFOLD_TOKEN to the server's token first.");
  return words.join(" ");
}
