// The load client: so many viewers on plain sockets, counting frames and looking at their ids.
// Usage: node client.mjs PORT PATH KEY VIEWERS; each line on stdin is answered with the counts since.
import { connect } from "node:net";

const [port, path, key, count] = process.argv.slice(2);
const REQUEST = `GET ${path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer ${key}\r\n` +
  `Accept: text/event-stream\r\n\r\n`;
const ID = Buffer.from("\nid: ");
const IDS_READ = 100; // of so many viewers one has its ids looked at
let frames = 0;
let wrong = 0;
let opened = 0;
let cpu = process.cpuUsage();

for (let n = 0; n < Number(count); n++) {
  const socket = connect(Number(port), "127.0.0.1", () => socket.write(REQUEST));
  let rest = Buffer.alloc(0); // from the last whole frame's end on
  let last = 0;
  socket.once("data", () => {
    if (++opened === Number(count)) process.stdout.write("open\n");
  });
  socket.on("data", (chunk) => {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    let done = 0;
    for (;;) {
      const id = bytes.indexOf(ID, done);
      const end = id < 0 ? -1 : bytes.indexOf(10, id + ID.length);
      if (end < 0) break;
      frames++;
      if (n % IDS_READ === 0) {
        const seq = Number(bytes.latin1Slice(bytes.lastIndexOf(45, end) + 1, end));
        if (!(seq > last)) wrong++;
        last = seq;
      }
      done = end;
    }
    rest = bytes.subarray(done);
  });
  socket.on("error", (error) => {
    console.error(`client: viewer ${n}: ${error.message}`);
    process.exit(1);
  });
}

process.stdin.on("data", () => {
  const { user, system } = process.cpuUsage(cpu);
  process.stdout.write(`${JSON.stringify({ frames, wrong, cpuUs: user + system })}\n`);
  frames = 0;
  cpu = process.cpuUsage();
});
