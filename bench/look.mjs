import { renameSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { join } from 'node:path';
import { writeHeapSnapshot } from 'node:v8';

const INTERVAL_US = 200;

/** Looks at this process from one `toggle` to the next: a CPU profile of that time, or a snapshot of the heap at its end. */
export class Look {
  #name;
  #folder;
  #kind;
  #session = null;
  #begun = false;

  constructor(name, folder, kind) {
    this.#name = `${name}-${process.pid}`;
    this.#folder = folder;
    this.#kind = kind;
  }

  async toggle() {
    if (!this.#begun) await this.#begin();
    else await this.#end();
  }

  async #begin() {
    this.#begun = true;
    if (this.#kind !== 'cpu') return;
    this.#session = new Session();
    this.#session.connect();
    await this.#session.post('Profiler.enable');
    await this.#session.post('Profiler.setSamplingInterval', { interval: INTERVAL_US });
    await this.#session.post('Profiler.start');
  }

  async #end() {
    if (this.#kind === 'heap') {
      this.#publish('heapsnapshot', (path) => writeHeapSnapshot(path));
      return;
    }
    const { profile } = await this.#session.post('Profiler.stop');
    this.#session.disconnect();
    this.#publish('cpuprofile', (path) => writeFileSync(path, JSON.stringify(profile)));
  }

  /** Who waits for the file never sees half of it. */
  #publish(extension, write) {
    const path = join(this.#folder, `${this.#name}.${extension}`);
    write(`${path}.part`);
    renameSync(`${path}.part`, path);
  }
}
