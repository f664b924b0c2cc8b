// Asks for the server's token, which a cookie that scripts cannot read then carries.

import { describeFailure } from "./words.js";

let asking = null; // a promise, while the dialog is open
let isDeclined = false;
let isNeeded = null; // a promise of whether the server wants a token

/** Asks for the token, unless that was declined; whether the server now knows this browser. */
export function askForToken() {
  if (isDeclined) return Promise.resolve(false);
  isNeeded = Promise.resolve(true);
  asking ??= ask().finally(() => { asking = null; });
  return asking;
}

async function ask() {
  const dialog = document.getElementById("token-dialog");
  const form = dialog.querySelector("form"), field = dialog.querySelector("input"), note = document.getElementById("token-note");
  note.textContent = field.value = "";
  dialog.showModal();
  const isGiven = await new Promise((resolve) => {
    form.onsubmit = async (event) => {
      event.preventDefault();
      note.textContent = "";
      const wrong = await giveToken(field.value.trim());
      if (!dialog.open) return; // it was cancelled meanwhile, and whoever asked has been told
      if (!wrong) return resolve(true);
      note.textContent = wrong;
      field.select();
    };
    document.getElementById("token-cancel").onclick = () => resolve(false);
    dialog.oncancel = () => resolve(false);
  });
  field.value = "";
  dialog.close();
  isDeclined = !isGiven;
  const button = document.getElementById("give-token");
  if (button) button.hidden = isGiven;
  return isGiven;
}

/** Trades a token for the cookie: what is wrong in words, null if nothing is. */
async function giveToken(token) {
  if (!token) return "Enter the token first.";
  // What a token cannot have, a header cannot either.
  if (!/^[A-Za-z0-9._~+/=-]+$/.test(token)) return "A token has only letters, digits and - . _ ~ + / =. Look whether all of it was copied.";
  try {
    const answer = await fetch("/v1/session", { method: "POST", headers: { authorization: `Bearer ${token}` } });
    if (answer.ok) return null;
    const details = await answer.json().catch(() => ({}));
    return answer.status === 401 ? "That is not this server's token. Try again." : describeFailure({ details });
  } catch (error) {
    return describeFailure(error);
  }
}

/** Lets a button that the page shows ask again for a token that was declined; then `retry` is called. */
export function offerToken(retry) {
  document.getElementById("give-token").addEventListener("click", async () => {
    isDeclined = false;
    if (await askForToken()) retry();
  });
}

/**
 * Whether programs must send a token. Another tab may have given it: the cookie is shared.
 */
export function needsToken() {
  isNeeded ??= findOut().catch(() => {
    isNeeded = null;
    return false;
  });
  return isNeeded;
}

async function findOut() {
  const response = await fetch("/v1/model");
  if (!response.ok) return response.status === 401;
  const { needs_token: isSaid } = await response.json();
  return isSaid ?? (await fetch("/v1/model", { credentials: "omit" })).status === 401;
}
