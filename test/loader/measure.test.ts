import t from 'tap';
import { measure } from '../../src/loader/measure.js';
import { temporaryFolder } from '../helper.js';
import { LIMITS } from './scripted.js';
import { writeImage } from './sources.js';

const SIDE = 48;
/** A bright disc in the middle, something else around it, and padding in the upper left half. */
const pixelsWith = (padding: number) =>
  Int16Array.from({ length: SIDE * SIDE }, (_, at) => {
    const [x, y] = [(at % SIDE) - 24, Math.floor(at / SIDE) - 24];
    if (Math.hypot(x, y) < 12) return 900 + (at % 7);
    return x + y < -12 ? padding : 200 + (at % 5);
  });
const DISC = Float64Array.from({ length: 128 }, (_, at) => {
  const angle = (2 * Math.PI * Math.floor(at / 2)) / 64;
  return 24 + 12 * (at % 2 === 0 ? Math.cos(angle) : Math.sin(angle));
});

t.test('padding counts for no measure of brightness, whatever value it has', async (t) => {
  const folder = temporaryFolder(t);
  const measured = async (padding: number, isTold: boolean) => {
    const extra = isTold ? [{ tag: '00280120', vr: 'US', value: padding & 0xffff }] : [];
    const source = writeImage(folder, 'a.dcm', {
      rows: SIDE,
      columns: SIDE,
      pixels: pixelsWith(padding),
      extra,
    });
    const structures = [
      { structure: 'disc', extent: { regions: [[DISC]], rasters: [] }, others: [] },
    ] as const;
    const [found] = await measure(
      { kind: 'measure', containments: [], units: [{ source, structures }] },
      LIMITS,
      null,
    );
    if (found?.kind !== 'measured' || found.unread !== null) throw new Error(JSON.stringify(found));
    const { around, edge, turned } = found.structures[0]!;
    return { around, edge, turned };
  };
  const dark = await measured(-2000, true);
  t.strictSame(await measured(30_000, true), dark);
  t.equal(dark.around?.brighter, 1, 'the disc is brighter than all that is image around it');
  t.notSame(await measured(30_000, false), dark, 'where it is not told it is brightness like any other');
});
