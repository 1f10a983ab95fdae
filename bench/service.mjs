import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { beside, Lines, start } from './processes.mjs';

/** Of the sessions that are timed. A DataLoader keeps two batches ahead for each of its workers; two for its only rank keeps ours. */
export const SPEC = { batchSize: 8, prefetch: 2 };

const LOOK_EVERY_MS = 10;

/** The barest server of this design over what a service knows of its data; `node` and `options` are of its process. */
export async function startFloor({ state, data }, { spec, room }, node = [], options = {}) {
  const { structures, image } = spec;
  const args = [...node, beside('floor.mjs'), state, data, structures[0], image.dtype];
  const floor = new Lines(process.execPath, args, options);
  const { port } = await floor.next();
  let next = 0;
  const take = (count) => {
    const first = next;
    next += count;
    return { first, last: next };
  };
  return {
    pid: floor.pid,
    /** Its next so many batches, for the reader; it gives each once. */
    steps: (count) => ({ do: 'read', path: '/', ...take(count), room, port }),
    /** The same as one answer. */
    stream(count) {
      const { first, last } = take(count);
      return { do: 'stream', path: `/${first}-${last}`, count, room, port };
    },
    end: () => floor.end(),
  };
}

/** The server of the fixed Buffer, which holds the first batch of a session; asked like `startFloor`. */
export async function startFixed(service, { path, room }, folder, node = [], options = {}) {
  const file = join(folder, `batch-${randomUUID()}`);
  const body = await fetch(service.url(`${path}0`));
  writeFileSync(file, Buffer.from(await body.arrayBuffer()));
  const fixed = new Lines(process.execPath, [...node, beside('fixed.mjs'), file], options);
  const { port } = await fixed.next();
  return {
    pid: fixed.pid,
    steps: (count) => ({ do: 'read', path: '/', first: 0, last: count, room, port }),
    stream: (count) => ({ do: 'stream', path: `/stream/${count}`, count, room, port }),
    end: () => fixed.end(),
  };
}

function withoutSettings(env) {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('SLICEFEED_')));
}

const { scripts } = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8'));
/** What `npm start` gives node. */
export const [, ...SERVE] = scripts.start.split(' ');

/** `slicefeed serve` as `npm start` starts it, all settings at their defaults, with a state folder that nobody used before. */
export class Service {
  port = 0;
  /** What the first scan said of itself: files, ms. */
  scan = null;
  #child;
  #log;

  constructor(data, folder, { entry = SERVE, env = {} } = {}) {
    this.data = data;
    this.state = join(folder, `state-${randomUUID()}`);
    mkdirSync(this.state, { recursive: true });
    this.#log = join(this.state, 'log');
    const log = openSync(this.#log, 'w');
    const settings = ['--data', data, '--state', this.state, '--host', '127.0.0.1', '--port', '0'];
    this.#child = start(process.execPath, [...entry, ...settings], {
      cwd: join(import.meta.dirname, '..'),
      stdio: ['ignore', log, log],
      env: { ...withoutSettings(process.env), ...env },
    });
    closeSync(log);
  }

  /** Starts one and waits until it is scanned and ready. */
  static async ready(data, folder, options) {
    const service = new Service(data, folder, options);
    service.port = Number(new URL((await service.#line('slicefeed serves')).url).port);
    service.scan = await service.#line('scan done');
    while (!(await fetch(service.url('/readyz'))).ok) await pause(LOOK_EVERY_MS);
    return service;
  }

  get pid() {
    return this.#child.pid;
  }

  url(path) {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  /** Asks for JSON. Throws where the answer is an error. */
  async call(method, path, body) {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const answer = await fetch(this.url(path), { method, headers, body: body && JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.status === 204 ? null : answer.json();
  }

  /** Opens a session of a name of its own; `path` is that of its batches without the step, `room` enough for a body. */
  async open(spec, name = `bench-${randomUUID()}`) {
    const session = await this.call('PUT', `/v1/sessions/${name}`, spec);
    return { ...session, path: `/v1/sessions/${name}/batches/`, room: session.batchBytes + 65_536 };
  }

  /** What the reader is told to take steps of a session, each by a request of its own. */
  asked({ path, room }, first, last) {
    return { do: 'read', port: this.port, path, first, last, room };
  }

  /** The same as one answer. */
  streamed({ path, room }, first, last) {
    const stream = path.replace(/batches\/$/, `stream?from=${first}&to=${last}`);
    return { do: 'stream', port: this.port, path: stream, count: last - first, room };
  }

  /** Resident memory of the service process alone, in MiB. */
  residentMiB() {
    const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'));
    return Number(kib) / 1024;
  }

  async stop() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const end = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await end;
  }

  async #line(message) {
    for (;;) {
      const lines = readFileSync(this.#log, 'utf8').split('\n').slice(0, -1);
      const found = lines.filter((line) => line.includes(`"${message}"`)).map((line) => JSON.parse(line));
      if (found.length > 0) return found[0];
      if (this.#child.exitCode !== null) throw new Error(`the service ended:\n${lines.join('\n')}`);
      await pause(LOOK_EVERY_MS);
    }
  }
}
