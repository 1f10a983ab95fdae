import type { ScanFinding } from './messages.js';

/** Of a message: one of hundreds of megabytes holds its receiver up for as long as it takes to be read. */
const PIECE_BYTES = 2 * 1024 * 1024;

/** A part of the numbers of a finding that are too many for one message; `unit`: its place in the task. */
export interface NumbersPiece {
  readonly unit: number;
  readonly from: number;
  readonly totalBytes: number;
  readonly bytes: Uint8Array;
}

/** Findings without the numbers of those that have too many, and these piece by piece; the findings follow the pieces. */
export function takeLongNumbers(findings: readonly ScanFinding[]): {
  readonly pieces: readonly NumbersPiece[];
  readonly findings: readonly ScanFinding[];
} {
  const pieces: NumbersPiece[] = [];
  const told = findings.map((finding, unit): ScanFinding => {
    const numbers = numbersOf(finding);
    if (numbers === null || numbers.byteLength <= PIECE_BYTES) return finding;
    const whole = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
    for (let from = 0; from < whole.length; from += PIECE_BYTES)
      pieces.push({
        unit,
        from,
        totalBytes: whole.length,
        bytes: whole.subarray(from, from + PIECE_BYTES),
      });
    return withNumbers(finding, new ArrayBuffer(0));
  });
  return { pieces, findings: told };
}

/** Gathers the pieces of a task's findings. */
export class GatheredNumbers {
  readonly #buffers = new Map<number, ArrayBuffer>();

  add({ unit, from, totalBytes, bytes }: NumbersPiece): void {
    let buffer = this.#buffers.get(unit);
    if (!buffer) {
      buffer = new ArrayBuffer(totalBytes);
      this.#buffers.set(unit, buffer);
    }
    new Uint8Array(buffer).set(bytes, from);
  }

  /** The findings as they were before their numbers were taken. */
  giveBack(findings: readonly ScanFinding[]): ScanFinding[] {
    return findings.map((finding, unit) => {
      const buffer = this.#buffers.get(unit);
      return buffer ? withNumbers(finding, buffer) : finding;
    });
  }
}

function numbersOf(finding: ScanFinding): Float64Array | Uint32Array | null {
  if (finding.kind === 'structures') return finding.structures.points;
  return finding.kind === 'segmentation' ? finding.segmentation.runs : null;
}

function withNumbers(finding: ScanFinding, buffer: ArrayBuffer): ScanFinding {
  if (finding.kind === 'structures')
    return { ...finding, structures: { ...finding.structures, points: new Float64Array(buffer) } };
  if (finding.kind === 'segmentation')
    return { ...finding, segmentation: { ...finding.segmentation, runs: new Uint32Array(buffer) } };
  return finding;
}
