// Words for people: of statuses, and of problems where the server's own words are for programs.

export const STATUS_WORDS = { read: "read", uncertain: "uncertain", blank: "blank", not_digits: "not digits", error: "not an image" };

const WORDS = {
  "too-large": "This image is too large. Save it smaller, or crop it to the digits.",
  "request-timeout": "The image did not arrive in time. Try again, or a smaller image.",
  unauthorized: "This server needs a token: reload the page, and give it as the password.",
  "cross-site": "The server does not accept requests from this address. Use the address that its owner gave you.",
  "unknown-host": "The server is not known by this name. Use the address that its owner gave you.",
  busy: "The server is busy. Try again in a moment.",
  internal: "Something went wrong in the server. Try again; see its log.",
};

/** A failure in words; `error` is a Problem, or what fetch throws when no answer comes. */
export function describeFailure(error) {
  const { details } = error;
  if (!details) return "The server does not answer. Check that it is running, then try again.";
  return WORDS[details.code] ?? `Not read: ${details.detail || details.title}.`;
}
