import { readdirSync, readFileSync } from 'node:fs';
import t from 'tap';
import { LoaderChild } from '../../src/loader/child.js';
import { sharedMemory } from '../../src/loader/shared-memory.js';
import { LIMITS } from './scripted.js';

const BATCH = 3;

/** The scheduling policy of each thread of a process, by proc_pid_stat(5). */
function policies(pid: number): number[] {
  const folder = `/proc/${pid}/task`;
  return readdirSync(folder).map((thread) => {
    const [, behindName = ''] = /^.*\) (.*)$/s.exec(readFileSync(`${folder}/${thread}/stat`, 'utf8')) ?? [];
    return Number(behindName.split(' ')[38]);
  });
}

const skip = sharedMemory() === null && 'needs Linux and a build of koffi: npm install koffi';

t.test(
  'a loader takes no processor from who sends or reads a batch, the service is as others are',
  { skip },
  async (t) => {
    const child = new LoaderChild({ limits: LIMITS, memoryBytes: 2 ** 30 });
    await child.ready;
    t.strictSame([...new Set(policies(child.pid!))], [BATCH]);
    t.notOk(policies(process.pid).includes(BATCH));
    child.kill('closing');
    await child.exited;
  },
);
