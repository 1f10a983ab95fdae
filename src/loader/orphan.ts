import { Worker } from 'node:worker_threads';

const PERIOD_MS = 500;

/**
 * Ends this process when its parent is gone: at once when idle, within half a second in the middle of a task, where
 * the event loop does not turn and only another thread can look.
 */
export function leaveWithParent(): void {
  process.on('disconnect', () => process.exit(0));
  const parent = process.ppid;
  const watch = `
    setInterval(() => { if (process.ppid !== ${parent}) process.kill(process.pid, 'SIGKILL'); }, ${PERIOD_MS});
  `;
  new Worker(watch, { eval: true, env: {}, resourceLimits: { maxOldGenerationSizeMb: 8 } }).unref();
}
