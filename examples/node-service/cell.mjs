// The cell: where it is, and what its subjects and streams are called.
import { readFile } from "node:fs/promises";
import { connect, credsAuthenticator } from "@nats-io/transport-node";

// The cell's nats.prefix. A stream's name has it in upper case, a dot as _.
export const prefix = process.env.REGRANT_PREFIX ?? "regrant";
export const stream = (kind) => `${prefix.replaceAll(".", "_").toUpperCase()}_${kind}`;

// open connects as a role, whose permissions name the subjects that its replies
// come on. While NATS is away, publishing waits and then fails; nothing is lost.
export async function open(role) {
  const creds = process.env.NATS_CREDS;
  return connect({
    servers: (process.env.NATS_URL ?? "nats://127.0.0.1:4222").split(","),
    name: `node-service ${role}`,
    inboxPrefix: `_INBOX_${prefix.replaceAll(".", "_")}_${role}`,
    maxReconnectAttempts: -1,
    authenticator: creds ? [credsAuthenticator(await readFile(creds))] : undefined,
  });
}
