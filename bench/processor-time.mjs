import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const TICK_US = 1e6 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** What follows the name in the status of a process, or of a thread of it: its state, its parent and so on. */
function fieldsOf(pid, thread = '') {
  return readFileSync(`/proc/${pid}${thread}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
}

const timesOf = (fields) => ({ user: Number(fields[11]) * TICK_US, system: Number(fields[12]) * TICK_US });

/** The processes whose parent is `pid`. */
export function childrenOf(pid) {
  return readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && Number(fieldsOf(name)[1]) === pid;
    } catch {
      return false;
    }
  });
}

/** The processor time that processes have used so far, all their threads, in µs; `helpers` is that of all threads but the first of each. */
export function processorTime(pids) {
  const time = { user: 0, system: 0, helpers: 0 };
  for (const pid of pids) {
    const first = timesOf(fieldsOf(pid, `/task/${pid}`));
    const all = timesOf(fieldsOf(pid));
    time.user += all.user;
    time.system += all.system;
    time.helpers += all.user + all.system - first.user - first.system;
  }
  return time;
}

/** How long the first thread of a process has been ready to run and had no core so far, in µs. */
export function queuedTime(pid) {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1000;
}

/** Runs `work` and answers what it cost these processes, each name with its pids, in µs. */
export async function costOf(processes, work) {
  const look = () => Object.entries(processes).map(([name, pids]) => ({ name, ...processorTime(pids) }));
  const before = look();
  await work();
  return look().map(({ name, user, system, helpers }, i) => ({
    name,
    user: user - before[i].user,
    system: system - before[i].system,
    helpers: helpers - before[i].helpers,
  }));
}
