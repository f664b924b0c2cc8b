// Loads a server by loadtest with distinct images and checks each answer. For bench_serving.py.
//
// The argument is a folder with node_modules. Standard input is a JSON object: url, path,
// connections, rate (requests a second, independent of answers; 0: as fast as answers come),
// seconds, amount (0: by time), images: [{body (base64) or null, type, text}], photo (null, or such an
// image that is sent instead of one in 50, and timed apart). Prints a JSON object.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const module = resolve(process.argv[2], "loadtest/index.js");
const { loadTest } = await import(pathToFileURL(module));
const PHOTO_EVERY = 50;
const { url, path, connections, rate, seconds, amount, images, photo } = JSON.parse(readFileSync(0, "utf8"));
const unpack = ({ body, ...rest }) => ({ ...rest, body: body && Buffer.from(body, "base64") });
const small = images.map(unpack), large = photo && unpack(photo);
const times = { accepted: [], refused: [], photos: [] };
let number = 0, next = 0, wrong = 0, other = 0, lost = 0, cut = 0; // cut: lost, but not for want of a listener

/** Sends the next image and checks the answer. */
function send(params, options, client, callback) {
  const isPhoto = large && ++number % PHOTO_EVERY === 0;
  const image = isPhoto ? large : small[++next % small.length];
  const began = performance.now();
  options.headers["content-length"] = image.body?.length ?? 0;
  if (image.body) options.headers["content-type"] = image.type;
  const request = client(options, callback);
  request.on("error", ({ code }) => {
    lost += 1;
    if (code !== "ECONNREFUSED") cut += 1;
  });
  request.on("response", (response) => {
    let answer = "";
    response.on("data", (chunk) => { answer += chunk; });
    response.on("end", () => {
      const elapsed = performance.now() - began;
      if (response.statusCode === 200) {
        (isPhoto ? times.photos : times.accepted).push(elapsed);
        if (image.body && JSON.parse(answer).text !== image.text) wrong += 1;
      } else if (response.statusCode === 503) times.refused.push(elapsed);
      else other += 1;
    });
  });
  if (image.body) request.write(image.body);
  return request;
}

const began = performance.now();
await loadTest({
  url: url + path,
  method: small[0].body ? "POST" : "GET",
  headers: {},
  concurrency: connections,
  agentKeepAlive: true,
  quiet: true,
  requestGenerator: send,
  ...(rate ? { requestsPerSecond: rate } : {}),
  ...(amount ? { maxRequests: amount } : { maxSeconds: seconds }),
});
const took = (performance.now() - began) / 1000;
const find = (values, share) => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] : 0;
};
console.log(JSON.stringify({
  seconds: took,
  accepted: times.accepted.length,
  refused: times.refused.length,
  photos: times.photos.length,
  wrong, other, lost, cut,
  p50: find(times.accepted, 0.5),
  p99: find(times.accepted, 0.99),
  photos_p50: find(times.photos, 0.5),
  refused_p99: find(times.refused, 0.99),
}));
process.exit(0);
