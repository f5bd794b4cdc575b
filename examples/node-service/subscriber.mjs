// Prints what becomes of links, one CloudEvent a line.
//
//   node subscriber.mjs --name prompts [--from all] [--count 1]
import { parseArgs } from "node:util";
import { AckPolicy, DeliverPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import { HTTP } from "cloudevents";
import { open, prefix, stream } from "./cell.mjs";

const { values: given } = parseArgs({
  options: {
    name: { type: "string" }, // processes of one name share the events
    from: { type: "string", default: "new" }, // or all: where a new subscription begins
    count: { type: "string", default: "0" }, // events to end after; 0: go on
  },
});
if (!given.name || !["new", "all"].includes(given.from)) {
  console.error("needs --name, and --from new or all");
  process.exit(2);
}

// What was handled, by source and id: an event may come again. This remembers no more
// than the process lives. An effect in a database is had once if the pair is
// written in the same transaction.
const handled = new Set();
const remembered = 10_000;

// handle is where a service acts: drops its copy of a token, prompts its user.
function handle(event) {
  console.log(JSON.stringify(event));
}

function once(event) {
  const key = JSON.stringify([event.source, event.id]);
  if (handled.has(key)) return false;
  handle(event);
  handled.add(key);
  if (handled.size > remembered) handled.delete(handled.values().next().value);
  return true;
}

// read refuses what is no CloudEvent: it would be none the next time either.
function read(m) {
  try {
    return HTTP.toEvent({ headers: { "content-type": m.headers?.get("content-type") }, body: m.string() });
  } catch (cause) {
    console.error(`not an event: ${m.subject} ${m.seq}: ${cause.message}`);
    m.term("undecodable");
  }
}

const nc = await open("subscriber");
const consumer = await bind();
const messages = await consumer.consume({ max_messages: 16 }); // no more than are handled within ack_wait
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => messages.stop());
console.error("subscribed");

let left = Number(given.count) || Infinity;
for await (const m of messages) {
  const event = read(m);
  if (!event) continue;
  try {
    if (once(event)) left--;
    m.ack(); // once it is handled: a process that ends before then has it again
  } catch (cause) {
    console.error(`not handled: ${m.subject} ${m.seq}: ${cause.message}`);
    m.nak(Math.min(1000 * 2 ** m.info.deliveryCount, 300_000));
  }
  if (left === 0) break;
}
await nc.drain();

// bind finds the subscription, or makes it. It outlives this process, and goes on
// where its last one left off.
async function bind() {
  const manager = await jetstreamManager(nc);
  await manager.consumers.add(stream("OUT"), {
    durable_name: `sub-${given.name}`,
    filter_subject: `${prefix}.out.>`,
    deliver_policy: given.from === "all" ? DeliverPolicy.All : DeliverPolicy.New,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(30_000),
    max_ack_pending: 1000,
    max_deliver: -1, // running out of deliveries would drop an event in silence
  });
  return jetstream(nc).consumers.get(stream("OUT"), `sub-${given.name}`);
}
