// A load on a server, by autocannon: distinct images, each answer checked. For bench_serving.py.
//
// In: a JSON object on standard input: url, path, connections, rate (0: as fast as answers come),
// seconds, amount (0: by time), images: [{body (base64), text}]. Out: a JSON object.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const autocannon = createRequire(`${process.argv[2]}/`)("autocannon");
const { url, path, connections, rate, seconds, amount, images } = JSON.parse(readFileSync(0, "utf8"));
const times = { accepted: [], refused: [] };
let wrong = 0, other = 0;

const requests = images.map(({ body, text }) => ({
  method: body ? "POST" : "GET",
  path,
  headers: body ? { "content-type": "image/png" } : {},
  body: body ? Buffer.from(body, "base64") : undefined,
  onResponse(status, answer) {
    if (status === 200 && text !== null && JSON.parse(answer).text !== text) wrong += 1;
  },
}));
let number = 0;
const run = autocannon({
  url,
  connections,
  ...(rate ? { overallRate: rate } : {}),
  ...(amount ? { amount } : { duration: seconds }),
  timeout: 30,
  requests,
  setupClient(client) {
    // Each connection begins at another image, so that those that meet are different ones.
    const first = (number++ * 37) % requests.length;
    client.setRequests([...requests.slice(first), ...requests.slice(0, first)]);
  },
});
run.on("response", (client, status, bytes, milliseconds) => {
  if (status === 200) times.accepted.push(milliseconds);
  else if (status === 503) times.refused.push(milliseconds);
  else other += 1;
});
const result = await run;
const find = (values, share) => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] : null;
};
console.log(JSON.stringify({
  seconds: result.duration,
  accepted: times.accepted.length,
  refused: times.refused.length,
  other, wrong,
  errors: result.errors,
  p50: find(times.accepted, 0.5),
  p99: find(times.accepted, 0.99),
  refused_p99: find(times.refused, 0.99),
}));
