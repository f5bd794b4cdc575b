// Calls an API with a link's grant, and prints how that went. A bearer that turns out
// to be dead is reported, its successor waited for, and the call made once more.
//
//   node caller.mjs --provider op --link L1 --api https://api.bank.example/accounts
import http from "node:http";
import https from "node:https";
import { parseArgs } from "node:util";
import { jetstream } from "@nats-io/jetstream";
import { open, prefix } from "./cell.mjs";
import { message } from "./report.mjs";

const { values: given } = parseArgs({
  options: {
    tenant: { type: "string", default: "default" },
    provider: { type: "string" },
    link: { type: "string" },
    api: { type: "string" },
    source: { type: "string", default: "//node-service" },
    wait: { type: "string", default: "10" }, // seconds for a token, 30 at most
  },
});
if (!given.provider || !given.link || !given.api) {
  console.error("needs --provider, --link and --api");
  process.exit(2);
}
const { tenant, provider, link, api } = given;

const nc = await open("service");
try {
  let bearer = await token();
  let answer = await call(bearer);
  let calls = 1;
  if (dead(answer)) {
    await report(bearer.generation);
    bearer = await token(bearer.generation + 1);
    answer = await call(bearer);
    calls++;
  }
  console.log(JSON.stringify({ status: answer.statusCode, generation: bearer.generation, calls }));
} catch (cause) {
  // A refusal has a code to act on: consent_required, say. See docs/api.md.
  console.error(`no answer: ${cause.message}${cause.code ? ` (${cause.code})` : ""}`);
  process.exitCode = 1;
} finally {
  await nc.close();
}

// token asks the workers for the link's bearer. Its generation goes into reports;
// least is that of the one which is waited for. A service keeps it until it ends.
async function token(least) {
  const wait = Number(given.wait);
  const question = JSON.stringify({ min_generation: least, wait });
  const reply = await nc.request(`${prefix}.api.${tenant}.${provider}.${link}.token`, question, { timeout: (wait + 5) * 1000 });
  const body = reply.json();
  if (reply.headers?.get("Nats-Service-Error-Code")) throw Object.assign(new Error(body.message), body);
  return body;
}

function call(bearer) {
  const { get } = api.startsWith("https:") ? https : http;
  return new Promise((resolve, reject) => {
    get(api, { headers: { authorization: `Bearer ${bearer.access_token}` } }, (response) => {
      response.resume();
      response.on("end", () => resolve(response)).on("error", reject);
    }).on("error", reject);
  });
}

// dead tells a 401 that means the bearer from one for want of scope (RFC 6750 section 3.1).
function dead(answer) {
  const error = /error="?([a-z_]+)/.exec(answer.headers["www-authenticate"] ?? "")?.[1];
  return answer.statusCode === 401 && (error ?? "invalid_token") === "invalid_token";
}

async function report(generation) {
  const data = { tenant, provider, link, generation, reason: "unauthorized", status: 401 };
  const { subject, body, headers } = message(given.source, data);
  await jetstream(nc).publish(subject, body, { headers, retries: 3 });
}
