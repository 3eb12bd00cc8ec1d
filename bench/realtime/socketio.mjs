// The peer: Socket.IO with its Redis adapter. `node socketio.mjs server|publish`; see bench/realtime/systems.py.
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { createAdapter } from "@socket.io/redis-adapter";
import { Emitter } from "@socket.io/redis-emitter";
import { createClient } from "redis";
import { Server } from "socket.io";

const { BENCH_REDIS_URL: url, BENCH_SECRET: secret, BENCH_PORT: port } = process.env;
const opened = async () => { const client = createClient({ url }); await client.connect(); return client; };

function principal(token) {
  const [head, body, signature] = token.split(".");
  const right = createHmac("sha256", secret).update(`${head}.${body}`).digest("base64url");
  const claims = JSON.parse(Buffer.from(body, "base64url").toString());
  if (signature !== right || claims.exp * 1000 < Date.now()) throw new Error("unauthenticated");
  return claims.sub;
}

async function serve() {
  const [pub, sub, history] = [await opened(), await opened(), await opened()];
  const http = createServer((_, answer) => answer.end("ok"));
  const io = new Server(http, { transports: ["websocket"], perMessageDeflate: false, serveClient: false, adapter: createAdapter(pub, sub) });
  io.use((socket, next) => {
    try { socket.data.user = principal(socket.handshake.auth.token); next(); } catch (error) { next(error); }
  });
  io.on("connection", (socket) => {
    socket.on("subscribe", async ({ ticket, after }) => {
      socket.join(ticket);
      const missed = after === null ? [] : await history.lRange(`history:${ticket}`, after, -1);
      socket.emit("subscribed", { ticket, seq: (after ?? 0) + missed.length });
      for (const text of missed) socket.emit("update", JSON.parse(text));
    });
  });
  http.listen({ port: Number(port), host: "127.0.0.1", backlog: 4096 });
}

async function publish() {
  const client = await opened();
  const emitter = new Emitter(client);
  for await (const line of createInterface({ input: process.stdin })) {
    const { ticket, live, data } = JSON.parse(line);
    const seq = await client.rPush(`history:${ticket}`, JSON.stringify(data));
    if (live) emitter.to(ticket).emit("update", { ...data, seq });
    console.log("done");
  }
  process.exit(0);
}

await (process.argv[2] === "server" ? serve() : publish());
