// Loads a server by loadtest with distinct images and checks each answer. For bench_serving.py.
//
// The argument is a folder with node_modules. Standard input is a JSON object: url, path,
// connections, rate (requests a second, independent of answers; 0: as fast as answers come),
// seconds, amount (0: by time), images: [{body (base64) or null, text}]. Prints a JSON object.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const module = resolve(process.argv[2], "loadtest/index.js");
const { loadTest } = await import(pathToFileURL(module));
const { url, path, connections, rate, seconds, amount, images } = JSON.parse(readFileSync(0, "utf8"));
const bodies = images.map(({ body }) => (body === null ? null : Buffer.from(body, "base64")));
const times = { accepted: [], refused: [] };
let number = 0, wrong = 0, other = 0, lost = 0;

/** Sends the next image and checks the answer. */
function send(params, options, client, callback) {
  const which = number++ % images.length;
  const began = performance.now();
  options.headers["content-length"] = bodies[which]?.length ?? 0;
  const request = client(options, callback);
  request.on("error", () => { lost += 1; });
  request.on("response", (response) => {
    let answer = "";
    response.on("data", (chunk) => { answer += chunk; });
    response.on("end", () => {
      const elapsed = performance.now() - began;
      if (response.statusCode === 200) {
        times.accepted.push(elapsed);
        if (bodies[which] && JSON.parse(answer).text !== images[which].text) wrong += 1;
      } else if (response.statusCode === 503) times.refused.push(elapsed);
      else other += 1;
    });
  });
  if (bodies[which]) request.write(bodies[which]);
  return request;
}

const began = performance.now();
await loadTest({
  url: url + path,
  method: bodies[0] ? "POST" : "GET",
  headers: bodies[0] ? { "content-type": "image/png" } : {},
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
  wrong, other, lost,
  p50: find(times.accepted, 0.5),
  p99: find(times.accepted, 0.99),
  refused_p99: find(times.refused, 0.99),
}));
process.exit(0);
