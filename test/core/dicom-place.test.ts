import t from 'tap';
import { DEFAULT_LIMITS, type ImageHeader, readHeader } from '../../src/core/dicom.js';
import { type ImageOptions, imageElements } from '../../src/demo/image-elements.js';
import { type Element, EXPLICIT_LITTLE, writePart10 } from '../../src/demo/part10.js';

const UNKNOWN = 'where the image lies is unknown, and its order goes by time and number';
const BAD_POSITION = `ImagePositionPatient is not three numbers; ${UNKNOWN}`;
const BAD_ORIENTATION = `ImageOrientationPatient is not two directions of length 1 at right angles; ${UNKNOWN}`;

const element = (tag: string, vr: string, value: Element['value']): Element => ({ tag, vr, value });

function header(extra: readonly Element[], image: Partial<ImageOptions> = {}): ImageHeader {
  const elements = imageElements({ rows: 1, columns: 2, pixels: Uint16Array.of(1, 2), ...image, extra });
  const bytes = writePart10(elements, { transferSyntax: EXPLICIT_LITTLE });
  const found = readHeader(bytes, bytes.length, DEFAULT_LIMITS);
  if (found.kind !== 'header') throw new Error(JSON.stringify(found));
  return found.header;
}

const details = ({ notes }: ImageHeader): string[] => notes.map(({ detail }) => detail);

t.test('a position or orientation that cannot be read is reported', async (t) => {
  const [position, orientation] = ['1\\2\\3', '1\\0\\0\\0\\1\\0'];
  for (const [place, direction, told] of [
    [position, orientation, []],
    ['', '', []],
    ['1,5\\2,5\\3,5', orientation, [BAD_POSITION]],
    ['1\\2', orientation, [BAD_POSITION]],
    ['1\\2\\3\\4', orientation, [BAD_POSITION]],
    ['one\\2\\3', orientation, [BAD_POSITION]],
    [position, '1,0\\0\\0\\0\\1\\0', [BAD_ORIENTATION]],
    [position, '1\\0\\0', [BAD_ORIENTATION]],
    [position, '0\\0\\0\\0\\0\\0', [BAD_ORIENTATION]],
    [position, '1\\0\\0\\1\\0\\0', [BAD_ORIENTATION]],
    [position, '2\\0\\0\\0\\2\\0', [BAD_ORIENTATION]],
    [position, '1\\0\\0\\0\\0.98\\0', [BAD_ORIENTATION]],
    [position, '1\\0\\0\\.6\\.8\\0', [BAD_ORIENTATION]],
    [position, '1\\0\\0\\.02\\1\\0', [BAD_ORIENTATION]],
    [position, '.999\\.04\\0\\-.04\\.999\\.005', []],
    ['NaN\\2\\3', '1\\0', [BAD_POSITION, BAD_ORIENTATION]],
  ] as const) {
    const found = header([element('00200032', 'DS', place), element('00200037', 'DS', direction)]);
    t.strictSame(details(found), told, `${place} ${direction}`);
    t.equal(found.position === null, place === '' || told.some((text) => text === BAD_POSITION));
    t.equal(found.orientation === null, direction === '' || told.some((text) => text === BAD_ORIENTATION));
  }
});

t.test('a mosaic has no place, which is reported', async (t) => {
  const placed = { position: [1, 2, 3], orientation: [1, 0, 0, 0, 1, 0], spacingMm: [2, 2] } as const;
  const type = (value: string) => element('00080008', 'CS', value);
  const siemens = (images: number, creator: string, block = '10') => [
    element(`001900${block}`, 'LO', creator),
    element(`0019${block}0a`, 'US', images),
  ];
  for (const [extra, isMosaic] of [
    [[type('ORIGINAL\\PRIMARY\\M\\ND\\MOSAIC')], true],
    [[type('ORIGINAL\\PRIMARY\\M\\ND\\NORM')], false],
    [siemens(36, 'SIEMENS MR HEADER'), true],
    [siemens(36, 'SIEMENS MR HEADER', '11'), true],
    [siemens(36, 'ACME', '11'), false],
    [siemens(1, 'SIEMENS MR HEADER'), false],
    [siemens(36, 'ACME'), false],
  ] as const) {
    const found = header(extra, placed);
    t.strictSame(
      found.notes.map(({ code }) => code),
      isMosaic ? ['MOSAIC'] : [],
    );
    t.strictSame(
      [found.position, found.orientation],
      isMosaic
        ? [null, null]
        : [
            [1, 2, 3],
            [1, 0, 0, 0, 1, 0],
          ],
    );
    t.strictSame(found.spacingMm, [2, 2]);
  }
});

t.test('an unreadable number or time that the order depends on is reported', async (t) => {
  for (const [tag, vr, value, detail] of [
    ['00200013', 'IS', '1,5', 'InstanceNumber is no whole number; it is taken as unknown'],
    ['00200011', 'IS', 'one', 'SeriesNumber is no whole number; it is taken as unknown'],
    ['00181060', 'DS', '12,5', 'a trigger time or temporal position is no number; order goes without it'],
    ['00200100', 'IS', 'x', 'a trigger time or temporal position is no number; order goes without it'],
    ['00080032', 'TM', 'noon', 'a date or time cannot be read; order goes without it'],
    ['00080023', 'DA', 'today', 'a date or time cannot be read; order goes without it'],
  ] as const)
    t.strictSame(details(header([element(tag, vr, value)])), [detail], tag);
});
