// Reports a dead bearer and prints what the broker says of the report.
//
//   node reporter.mjs --provider op --link L1 --generation 7
//   node reporter.mjs --provider op --link L1 --bearer-stdin < bearer
import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { jetstream } from "@nats-io/jetstream";
import { RequestError } from "@nats-io/transport-node";
import { open } from "./cell.mjs";
import { fingerprint, message } from "./report.mjs";

const { values: given } = parseArgs({
  options: {
    tenant: { type: "string", default: "default" },
    provider: { type: "string" },
    link: { type: "string" },
    generation: { type: "string" }, // the one that came with the bearer
    "bearer-stdin": { type: "boolean", default: false }, // where it is not known
    reason: { type: "string", default: "unauthorized" },
    status: { type: "string", default: "401" }, // the API's
    error: { type: "string" }, // its error code, one word
    source: { type: "string", default: "//node-service" },
  },
});
if (!given.provider || !given.link || !given.generation === !given["bearer-stdin"]) {
  console.error("needs --provider, --link, and one of --generation and --bearer-stdin");
  process.exit(2);
}

const data = { tenant: given.tenant, provider: given.provider, link: given.link, reason: given.reason };
if (given.generation) data.generation = Number(given.generation);
else data.fingerprint = fingerprint((await text(process.stdin)).trim());
if (data.reason === "unauthorized") data.status = Number(given.status);
if (given.error) data.error = given.error;

const nc = await open("reporter");
try {
  const report = message(given.source, data);
  // Once it is acknowledged the report is on disk. Sending it again is harmless.
  const ack = await jetstream(nc).publish(report.subject, report.body, { headers: report.headers, retries: 3 });
  console.log(JSON.stringify({ stream: ack.stream, seq: ack.seq, duplicate: ack.duplicate, event: JSON.parse(report.body) }));
} catch (cause) {
  // Nobody listens on the subject of a provider that the cell does not serve.
  const unserved = cause.cause instanceof RequestError && cause.cause.isNoResponders();
  console.error(unserved ? `not reported: is there a provider ${given.provider} in this cell?` : `not reported: ${cause.message}`);
  process.exitCode = 1;
} finally {
  await nc.close();
}
