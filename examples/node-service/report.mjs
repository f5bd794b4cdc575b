// A token-expired report as a message: subject, headers and body, as
// schemas/asyncapi.yaml describes them.
import { createHash, randomUUID } from "node:crypto";
import { CloudEvent, HTTP } from "cloudevents";
import { headers } from "@nats-io/transport-node";
import { prefix } from "./cell.mjs";

// digest is the first 16 bytes of a SHA-256, base64url without padding.
const digest = (bytes) => createHash("sha256").update(bytes).digest().subarray(0, 16).toString("base64url");

// fingerprint names a bearer without revealing it.
export const fingerprint = (bearer) => digest(bearer);

// messageId is the same whoever reports one expiry, so that the broker stores one
// report of a storm. Each part stands behind its length; a length below 128 is one
// byte, and no part can be longer.
export function messageId({ tenant, provider, link, generation, fingerprint, reason }) {
  const which = generation ? ["expired-generation", String(generation)] : ["expired-fingerprint", fingerprint];
  const parts = [which[0], tenant, provider, link, which[1], reason];
  return digest(Buffer.concat(parts.flatMap((part) => [Buffer.from([part.length]), Buffer.from(part)])));
}

// message wraps the data of a report. source is this service's, a URI reference.
export function message(source, data) {
  const address = `${data.tenant}.${data.provider}.${data.link}`;
  const event = new CloudEvent({
    type: "dev.regrant.token-expired.v1",
    source,
    id: randomUUID(),
    subject: data.link,
    datacontenttype: "application/json",
    partitionkey: address,
    data,
  });
  const http = HTTP.structured(event);
  const h = headers();
  h.set("content-type", http.headers["content-type"]);
  h.set("Nats-Msg-Id", messageId(data));
  h.set("Regrant-Reason", data.reason);
  if (data.generation) h.set("Regrant-Generation", String(data.generation));
  return { subject: `${prefix}.in.${address}.token-expired`, headers: h, body: http.body };
}
