// Messages for people by the problem's code.

const WORDS = {
  "unreadable-image": "This file cannot be read as an image. It may be damaged, too large or of another type: try a photo, or a PNG or JPEG file.",
  "unsupported-media-type": "This file is not an image. Try a photo, or a PNG or JPEG file.",
  "too-large": "This image is too large. Save it smaller, or crop it to the digits.",
  "too-costly": "This image takes too long to read. Crop it to the digits, or save it smaller.",
  "request-timeout": "The image did not arrive in time. Try again, or a smaller image.",
  "not-found": "It no longer exists. Reload the page.",
  unauthorized: "This server needs a token.",
  "no-cookie": "The browser blocks the cookie that stands for the token. Allow cookies for this page, then reload it.",
  "cross-site": "The server does not accept requests from this address. Use the address that its owner gave you.",
  "unknown-host": "The server is not known by this name. Use the address that its owner gave you.",
  busy: "The server is busy. Try again in a moment.",
  stopping: "The server is shutting down. Try again when it is back.",
  internal: "Something went wrong in the server. Try again; see its log.",
};

/** A failure in words; `error` is a Problem, or what fetch throws when no answer comes. */
export function describeFailure(error) {
  const { details } = error;
  if (!details) return "The server does not answer. Check that it is running, then try again.";
  return WORDS[details.code] ?? `The server refused this${details.code ? ` (${details.code})` : ""}. Reload the page.`;
}
