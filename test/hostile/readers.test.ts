import { join } from 'node:path';
import t from 'tap';
import { makePhantom } from '../../src/demo/phantom.js';
import { ask, openSession } from '../fixtures/client.js';
import { rawConnection } from '../fixtures/raw-http.js';
import { startTestServer, temporaryFolder } from '../helper.js';

const folder = join(temporaryFolder(t), 'data');
await makePhantom(folder, { studies: 1, slices: 4, phases: 2, rows: 32, columns: 32 });

t.test(
  'a reader that takes nothing for long loses its connection, one that waits for its batch does not',
  async (t) => {
    const server = await startTestServer(t, folder, { READER_MINUTES: '0.005' });
    await server.ready();
    const { id } = await openSession(server.url, {
      batchSize: 8,
      shape: { fit: 'pad', rows: 1200, columns: 1200 },
    });
    const connection = await rawConnection(t, server.url);
    connection.get(`/v1/sessions/${id}/stream?to=2`);
    await connection.some(1);
    t.match(await server.logged(({ msg }) => msg === 'a reader stood still and was left'), { level: 30 });
    await server.logged(({ msg }) => msg === 'batch not taken: the reader left');
    t.equal(server.service.sessions.get(id).sending, 0, 'it holds nothing any more');
    t.equal((await ask(`${server.url}/v1/sessions/${id}/batches/0`)).status, 200, 'and may ask again');
  },
);
