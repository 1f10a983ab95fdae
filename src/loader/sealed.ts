import { deserialize, serialize } from 'node:v8';
import type { Extent } from '../core/extent.js';
import type { PairSource } from './messages.js';

/** What a slot is loaded from: a frame of a file, and where each structure is on it. */
export interface SlotSource {
  readonly source: PairSource;
  readonly extents: readonly Extent[];
}

/** A slot's source as bytes, which cost the channel to a loader a copy and nothing else, however often the slot's pair is loaded. */
export type SealedSource = Uint8Array;

export function sealSource(from: SlotSource): SealedSource {
  return serialize(from);
}

export function openSource(sealed: SealedSource): SlotSource {
  return deserialize(sealed) as SlotSource;
}
