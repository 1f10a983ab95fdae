import t from 'tap';
import { type FileStatus, guardedSizeBytes, guardOf } from '../../src/core/guard.js';

const STATUS: FileStatus = {
  size: 131_540n,
  mtimeNs: 1_700_000_000_123_456_789n,
  ctimeNs: 1_700_000_000_123_456_790n,
  ino: 2n ** 63n,
};

t.test('every part of a status counts, to the last nanosecond', async (t) => {
  const guards = [
    STATUS,
    { ...STATUS, size: 131_541n },
    { ...STATUS, mtimeNs: STATUS.mtimeNs + 1n },
    { ...STATUS, ctimeNs: STATUS.ctimeNs + 1n },
    { ...STATUS, ino: STATUS.ino + 1n },
    { ...STATUS, mtimeNs: STATUS.ctimeNs, ctimeNs: STATUS.mtimeNs },
  ].map(guardOf);
  t.equal(new Set(guards).size, guards.length);
  t.equal(guardOf({ ...STATUS }), guards[0]);
});

t.test('a guard knows the size', async (t) => {
  t.equal(guardedSizeBytes(guardOf(STATUS)), 131_540);
  t.equal(guardedSizeBytes(guardOf({ ...STATUS, size: 0n })), 0);
});
