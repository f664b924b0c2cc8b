// What went wrong, in a person's words with advice, by the problem's stable code.

const WORDS = {
  "unreadable-image": "This file cannot be read as an image. It may be damaged, too large or of another kind: try a photo, or a PNG or JPEG file.",
  "unsupported-media-type": "This file is no image. Try a photo, or a PNG or JPEG file.",
  "too-large": "This image has too many bytes. Save it smaller, or cut it to the digits.",
  "too-costly": "This image takes too long to read. Cut it to the digits, or save it smaller.",
  "request-timeout": "The image did not arrive in time. Try again, or a smaller image.",
  "not-found": "It is no longer there. Load the page again.",
  unauthorized: "This server wants a token.",
  "no-cookie": "The browser keeps no cookie of this server, which stands for the token. Allow cookies here, then load the page again.",
  "cross-site": "The server does not take requests from this address. Open it by the address that its owner gave you.",
  "unknown-host": "The server does not go by this name. Open it by the address that its owner gave you.",
  busy: "The server has too much to do just now. Try again in a moment.",
  stopping: "The server is being stopped. Try again when it is back.",
  internal: "Something went wrong in the server. Try again; its log says more.",
};

/** A failure in words; `error` is a Problem, or what fetch throws when no answer comes. */
export function describeFailure(error) {
  const { details } = error;
  if (!details) return "The server does not answer. See whether it still runs, then try again.";
  return WORDS[details.code] ?? `The server refused this${details.code ? ` (${details.code})` : ""}. Load the page again.`;
}
