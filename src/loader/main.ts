import { DecodedCache } from './decoded-cache.js';
import { isRoomError } from './files.js';
import { load } from './load.js';
import { takeLongBytes } from './long-bytes.js';
import type { FromLoader, LoaderLimits, PlaceOutcome, Task, ToLoader } from './messages.js';
import { leaveWithParent } from './orphan.js';
import { scan } from './scan.js';
import { KeptSources } from './sealed.js';
import { MappedSegments, SegmentGone } from './segments.js';
import { sharedMemory } from './shared-memory.js';

process.title = 'slicefeed loader';

let limits: LoaderLimits | null = null;
let cache: DecodedCache | null = null;
let kept: KeptSources | undefined;
let segments: MappedSegments | null = null;

function send(message: FromLoader): void {
  // A send after the parent is gone throws; the disconnect event ends this process.
  if (process.connected) process.send?.(message);
}

// What few tasks need is loaded with the first of them: a loader that replaces another is ready the sooner.
async function carryOut(task: Task, held: LoaderLimits): Promise<readonly unknown[]> {
  switch (task.kind) {
    case 'scan':
      return scan(task, held);
    case 'load':
      return load(task, held, cache, kept, segments);
    case 'decode':
      return (await import('./decode.js')).decode(task, held);
    case 'draw':
      return (await import('./draw.js')).draw(task);
    case 'measure':
      return (await import('./measure.js')).measure(task, held, cache);
    case 'place':
      return (await import('./place.js')).place(task, held);
    case 'unpack':
      return (await import('./unpack.js')).unpack(task);
    default:
      throw new Error(`unknown task ${JSON.stringify((task as { kind?: unknown }).kind)}`);
  }
}

function mappedSegments(): MappedSegments | null {
  const memory = sharedMemory();
  return memory && new MappedSegments(memory);
}

/** Sends ahead what would make the answer too long; what is left of it. */
function sendLongBytes(id: number, task: Task, outcomes: readonly unknown[]): readonly unknown[] {
  if (task.kind !== 'place') return outcomes;
  const { pieces, outcomes: rest } = takeLongBytes(outcomes as readonly PlaceOutcome[]);
  for (const piece of pieces) send({ type: 'bytes', id, piece });
  return rest;
}

async function answer(id: number, task: Task): Promise<void> {
  if (!limits) throw new Error('a task came before the limits');
  try {
    const outcomes = sendLongBytes(id, task, await carryOut(task, limits));
    const decodes = cache?.takeTally();
    send({ type: 'done', id, outcomes, ...(decodes ? { decodes } : {}) });
  } catch (error) {
    const reason = isRoomError(error) || error instanceof SegmentGone ? 'room' : 'failed';
    send({ type: reason, id, reason: whereOf(error) });
  }
}

/** An error's kind and frames; its message may quote the file, so it stays here. */
function whereOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const code = (error as NodeJS.ErrnoException).code;
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return [
    code ?? error.name,
    ...frames.slice(0, 4).map((line) => line.trim().replace(/\(?file:.*\/dist\//, '(')),
  ].join(' ');
}

process.on('message', (message: ToLoader) => {
  switch (message.type) {
    case 'limits':
      limits = message.limits;
      kept = new KeptSources(limits);
      if (message.decodedFolder !== null) cache = new DecodedCache(message.decodedFolder);
      if (message.sharesSegments) segments = mappedSegments();
      send({ type: 'ready' });
      break;
    case 'task':
      if (message.forgets) kept = limits ? new KeptSources(limits) : undefined;
      void answer(message.id, message.task);
      break;
    default:
      throw new Error(`unknown message ${JSON.stringify((message as { type?: unknown }).type)}`);
  }
});

// A terminal's Ctrl-C reaches the whole process group; the parent decides when its loaders leave.
process.on('SIGINT', () => {});
leaveWithParent();
