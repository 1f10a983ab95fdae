// The service with its loaders looked at: as `serve`, with SLICEFEED_BENCH_OUT and SLICEFEED_BENCH_LOOK. A SIGUSR2 begins, the next one
// ends and writes.
import { parseArgs } from 'node:util';
import { readConfig } from '../dist/src/config.js';
import { makeLog } from '../dist/src/log.js';
import { startServer } from '../dist/src/server.js';
import { Look } from './look.mjs';
import { beside } from './processes.mjs';

const names = ['data', 'state', 'host', 'port'];
const { values } = parseArgs({
  options: Object.fromEntries(names.map((name) => [name, { type: 'string' }])),
});
const config = readConfig({}, Object.fromEntries(names.map((name) => [name.toUpperCase(), values[name]])));
const { SLICEFEED_BENCH_OUT: out, SLICEFEED_BENCH_LOOK: kind } = process.env;
const server = await startServer(config, makeLog(config), {
  loaderMain: beside('profiled-loader.mjs'),
  loaderEnv: { SLICEFEED_BENCH_OUT: out, SLICEFEED_BENCH_LOOK: kind },
});
const look = new Look('service', out, kind);
process.on('SIGUSR2', () => {
  for (const pid of server.service.pool.pids) process.kill(pid, 'SIGUSR2');
  look.toggle();
});
process.on('SIGTERM', async () => {
  await server.close();
  process.exit();
});
