import t from 'tap';
import { CHUNK_BYTES, SendBuffers } from '../../src/wire/buffers.js';

function counted() {
  const held = { bytes: 0 };
  const buffers = new SendBuffers((bytes) => {
    held.bytes += bytes;
  });
  return { buffers, held };
}

t.test('a buffer whose bytes have left is used again, one that may still be looked at is not', async (t) => {
  const { buffers, held } = counted();
  const first = buffers.take(CHUNK_BYTES);
  t.equal(held.bytes, CHUNK_BYTES);
  buffers.end(first, true);
  t.equal(held.bytes, 0);
  const second = buffers.take(CHUNK_BYTES);
  t.equal(second.buffer, first.buffer);
  buffers.end(second, false);
  t.not(buffers.take(CHUNK_BYTES).buffer, first.buffer);
});
