// The anchor of the wire: a bare node:http server that sends the bytes of FILE from one Buffer, `node fixed.mjs FILE`.
// `/stream/N` is N of them in one answer, every other path is one. Prints its port as a JSON line.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const bytes = readFileSync(process.argv[2]);

const server = createServer(async (request, response) => {
  const [, count] = /^\/stream\/(\d+)$/.exec(request.url) ?? [];
  if (count === undefined) {
    response.end(bytes);
    return;
  }
  for (let sent = 0; sent < Number(count); sent++) if (!response.write(bytes)) await once(response, 'drain');
  response.end();
});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
