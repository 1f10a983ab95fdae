import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROBLEMS } from '../../src/core/problem.js';
import { LoaderChild, LoaderDeath } from '../../src/loader/child.js';
import { loaderLimits } from '../../src/loader/limits.js';
import type { DecodeFinding } from '../../src/loader/messages.js';
import { mutate, randomNumbers } from './mutate.js';

const MEMORY_BYTES = 1024 ** 3;
const DEADLINE_MS = 10_000;

export interface FuzzReport {
  readonly tried: number;
  readonly decoded: number;
  readonly refused: number;
  readonly slowestMs: number;
  /** What must not be: a dead loader, a fault of ours, a result without a code or with text of the file. */
  readonly failures: readonly string[];
}

/** Decodes `count` mutated files in loaders, one after the other; the same seed gives the same files. */
export async function fuzz(
  files: readonly string[],
  options: {
    readonly seed: number;
    readonly count: number;
    readonly folder: string;
    /** Keeps each file that fails in the folder. */
    readonly keep?: boolean;
    readonly onProgress?: (tried: number) => void;
  },
): Promise<FuzzReport> {
  const { seed, count, folder, keep = false } = options;
  const failures: string[] = [];
  const valid = new Map<string, Buffer>();
  let [decoded, refused, slowestMs] = [0, 0, 0];
  let child: LoaderChild | null = null;
  for (let tried = 0; tried < count; tried++) {
    const random = randomNumbers(seed * 1_000_003 + tried);
    const file = files[random() % files.length]!;
    const original = valid.get(file) ?? readFileSync(file);
    valid.set(file, original);
    const name = `${seed}-${tried}.dcm`;
    const path = join(folder, name);
    writeFileSync(path, mutate(original, random));
    if (!child || child.leaving) {
      child = new LoaderChild({ limits: loaderLimits(MEMORY_BYTES), memoryBytes: MEMORY_BYTES });
      await child.ready;
    }
    const values = (['stored', 'rescaled', 'windowed'] as const)[random() % 3]!;
    const began = performance.now();
    let failure: string | null = null;
    try {
      const unit = { root: folder, path: name, frame: 0, values, withValues: false };
      const [outcome] = await child.run({ kind: 'decode', units: [unit] }, DEADLINE_MS);
      const found = outcome as DecodeFinding;
      if (found.kind === 'decoded') decoded += 1;
      else {
        refused += 1;
        if (!(found.code in PROBLEMS) || /[^ -~]/.test(found.detail))
          failure = `${found.code}: ${found.detail}`;
      }
    } catch (error) {
      failure = error instanceof LoaderDeath ? `the loader ended: ${error.death}` : (error as Error).message;
    }
    slowestMs = Math.max(slowestMs, performance.now() - began);
    if (failure !== null) failures.push(`${file} seed ${seed} number ${tried}: ${failure}`);
    if (failure === null || !keep) rmSync(path);
    options.onProgress?.(tried + 1);
  }
  child?.kill('closing');
  await child?.exited;
  return { tried: count, decoded, refused, slowestMs: Math.round(slowestMs), failures };
}
