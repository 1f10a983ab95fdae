import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const TICK_US = 1e6 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** What follows the name in a process's status: its state, its parent and so on. */
function fieldsOf(pid) {
  return readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
}

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

/** The processor time that processes have used so far, all their threads, in µs. */
export function processorTime(pids) {
  const all = pids.map(fieldsOf);
  const sum = (at) => all.reduce((total, fields) => total + Number(fields[at]) * TICK_US, 0);
  return { user: sum(11), system: sum(12) };
}

/** Runs `work` and answers what it cost these processes, each name with its pids, in µs. */
export async function costOf(processes, work) {
  const look = () => Object.entries(processes).map(([name, pids]) => ({ name, ...processorTime(pids) }));
  const before = look();
  await work();
  return look().map(({ name, user, system }, i) => ({
    name,
    user: user - before[i].user,
    system: system - before[i].system,
  }));
}
