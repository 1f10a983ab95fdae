// Preloaded into a server: notes by the system's monotonic clock, in ns, when each request is there and when each write of its answer to a
// connection begins and ends. A SIGWINCH writes what was noted to the file MARKS, one list a request, and forgets it.
import { renameSync, writeFileSync } from 'node:fs';
import { Server } from 'node:http';
import { Socket } from 'node:net';

let requests = [];
const now = () => Number(process.hrtime.bigint());

const { emit } = Server.prototype;
Server.prototype.emit = function (event, ...given) {
  if (event === 'request') requests.push([now()]);
  return emit.call(this, event, ...given);
};

for (const name of ['_write', '_writev']) {
  const write = Socket.prototype[name];
  Socket.prototype[name] = function (...given) {
    if (!this.server) return write.apply(this, given);
    const begins = now();
    write.apply(this, given);
    requests.at(-1)?.push(begins, now());
  };
}

process.on('SIGWINCH', () => {
  writeFileSync(`${process.env.MARKS}.part`, JSON.stringify(requests));
  renameSync(`${process.env.MARKS}.part`, process.env.MARKS);
  requests = [];
});
