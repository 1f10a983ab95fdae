import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { smallestOf } from './core/long-lists.js';

function readNumber(path: string): number | null {
  if (!existsSync(path)) return null;
  const text = readFileSync(path, 'utf8').trim();
  return /^\d+$/.test(text) ? Number(text) : null;
}

/** The memory this process may use, in bytes: the cgroup's limit (v2, then v1) where it is lower than the machine's. */
export function memoryLimitBytes(root = '/sys/fs/cgroup'): number {
  const limits = [join(root, 'memory.max'), join(root, 'memory', 'memory.limit_in_bytes')].map(readNumber);
  return smallestOf([totalmem(), ...limits.filter((n) => n !== null && n > 0).map(Number)]);
}

/** The cores this process may use: the cgroup's CPU quota (v2, then v1) where it is lower than the machine's. */
export function coreLimit(root = '/sys/fs/cgroup'): number {
  const cores = availableParallelism();
  const v2 = join(root, 'cpu.max');
  if (existsSync(v2)) {
    const [quota, period] = readFileSync(v2, 'utf8').trim().split(' ').map(Number);
    if (quota && period) return Math.max(1, Math.min(cores, Math.ceil(quota / period)));
  }
  const quota = readNumber(join(root, 'cpu', 'cpu.cfs_quota_us'));
  const period = readNumber(join(root, 'cpu', 'cpu.cfs_period_us'));
  return quota && period ? Math.max(1, Math.min(cores, Math.ceil(quota / period))) : cores;
}

/** How many files this process may have open; infinite where the system doesn't say. */
export function openFilesLimit(path = '/proc/self/limits'): number {
  if (!existsSync(path)) return Number.POSITIVE_INFINITY;
  const [, soft] = /^Max open files +(\d+|unlimited)/m.exec(readFileSync(path, 'utf8')) ?? [];
  return soft === undefined || soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}
