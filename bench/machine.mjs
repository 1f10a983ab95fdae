import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { coreLimit } from '../dist/src/machine.js';

/** What the figures were measured on; nothing that names the machine. */
export function describeMachine() {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: coreLimit(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release().split('-')[0]}`,
    load: Number(readFileSync('/proc/loadavg', 'utf8').split(' ')[0]),
  };
}
