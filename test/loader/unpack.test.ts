import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Unpacked } from '../../src/loader/messages.js';
import { unpack } from '../../src/loader/unpack.js';
import { openBelow } from '../fixtures/open-files.js';
import { type ZipEntry, zipFile } from '../fixtures/zip-file.js';
import { temporaryFolder } from '../helper.js';

const MIB = 1024 * 1024;

/**
 * Expands the first part of a zip with room for `bytesLeft`, and waits until nothing of its folder is open.
 */
async function firstPart(t: Test, zip: Uint8Array, bytesLeft = 100 * MIB): Promise<Unpacked> {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, '0'), zip);
  const unit = {
    folder,
    zip: 0,
    from: 0,
    number: 1,
    filesLeft: 1000,
    limitDetail: 'too large',
    durable: false,
  };
  const [outcome] = await unpack({ kind: 'unpack', units: [{ ...unit, bytesLeft }] });
  while (openBelow(process.pid, folder).length > 0) await new Promise((resolve) => setImmediate(resolve));
  return outcome!;
}

const text: ZipEntry = { name: '1.txt', content: 'one' };
const large: ZipEntry = { name: 'large', content: new Uint8Array(8 * MIB) };

t.test('a zip is closed when it is expanded, and when it is refused, for whatever reason', async (t) => {
  t.match(await firstPart(t, zipFile([text])), { kind: 'unpacked', next: null });
  const refusals: readonly [string, Uint8Array, number?][] = [
    ['an entry is a link or a device', zipFile([text, { ...text, name: 'l', mode: 0o120777 }])],
    ['an entry is encrypted', zipFile([text, { ...text, name: 'e', flags: 1, deflate: true }])],
    ['an entry of the zip does not have its checksum', zipFile([text, { ...text, name: 'c', crc: 1 }])],
    [
      'the name of an entry is no relative path: it is absolute, or has ".."',
      zipFile([{ ...text, name: '/etc/a' }]),
    ],
    [
      'the name of an entry is no relative path: it is absolute, or has ".."',
      zipFile([{ ...text, name: 'a\\..\\..\\b' }]),
    ],
    ['two entries have one name', zipFile([text, text])],
    ['too large', zipFile([large]), MIB],
    ['too large', zipFile([{ ...large, deflate: true }]), MIB],
    ['the zip is damaged or contradicts itself', zipFile([{ ...large, deflate: true, sizeBytes: 10 }])],
    ['the zip is damaged or contradicts itself', zipFile([text]).subarray(0, -30)],
    ['the zip is damaged or contradicts itself', Buffer.from('PK\u0003\u0004 and nothing of a zip')],
  ];
  for (const [detail, zip, bytesLeft] of refusals)
    t.match(await firstPart(t, zip, bytesLeft), { kind: 'refused', detail });
});

t.test('a zip is closed if its sender leaves between two parts', async (t) => {
  const entries = Array.from({ length: 300 }, (_, at) => ({ name: `${at}.txt`, content: String(at) }));
  t.match(await firstPart(t, zipFile(entries)), { kind: 'unpacked', next: 250 });
});

t.test('names with the separators of Windows are paths', async (t) => {
  const zip = zipFile([
    { name: 'P\\a\\0.dcm', content: '0' },
    { name: 'P\\empty\\', content: '', mode: 0o040755 },
    { name: 'P\\__MACOSX\\0.dcm', content: 'x' },
  ]);
  const outcome = await firstPart(t, zip);
  t.same(outcome.kind === 'unpacked' && outcome.files.map(({ name }) => name), ['P/a/0.dcm']);
});
