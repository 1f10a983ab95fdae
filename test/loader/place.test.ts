import t, { type Test } from 'tap';
import { readContours } from '../../src/core/found-contours.js';
import type { PlacedImage } from '../../src/core/located-image.js';
import { ImagePacker } from '../../src/core/packed-images.js';
import { planeOf } from '../../src/core/plane.js';
import type { PlaceOutcome, PlaceUnit } from '../../src/loader/messages.js';
import { place } from '../../src/loader/place.js';
import { objectPlacer } from '../../src/loader/place-objects.js';
import { scan } from '../../src/loader/scan.js';
import * as bombs from '../fixtures/bombs.js';
import { writeFiles } from '../fixtures/study-folder.js';
import { temporaryFolder } from '../helper.js';
import { LIMITS, startPool } from './scripted.js';
import { guardAt } from './sources.js';

const GENEROUS = { ...LIMITS, fileBytes: 2 ** 30, contourPoints: 100_000 };
const CONTOURS = { kind: 'contours', limitBytes: 2 ** 29 } as const;

/** The images of a folder as a scan finds them, all in one frame of reference. */
async function imagesOf(root: string, paths: readonly string[]): Promise<PlacedImage[]> {
  const units = paths.map((path) => ({ path, kind: 'image' as const, sizeBytes: 0, withChecksums: false }));
  const findings = await scan({ kind: 'scan', root, units }, GENEROUS);
  return findings.flatMap((finding) => {
    if (finding.kind !== 'image') throw new Error(JSON.stringify(finding));
    const { header, frames } = finding;
    return Array.from({ length: header.frames }, (_, frame): PlacedImage => {
      const own = { ...header, ...frames?.[frame]?.header };
      const plane = planeOf(own.position, own.orientation, own.spacingMm);
      return { ...own, frame, plane };
    });
  });
}

interface Asked {
  readonly limitBytes?: number;
  readonly guard?: string | null;
  readonly touched?: boolean;
}

/** Places the only object of a folder on its images, in this process. */
async function placeIn(t: Test, files: Readonly<Record<string, Uint8Array>>, asked: Asked = {}) {
  const { limitBytes = CONTOURS.limitBytes, guard = null, touched = false } = asked;
  const root = temporaryFolder(t);
  writeFiles(root, files);
  const [path] = Object.keys(files).filter((name) => /^s/.test(name));
  const packer = new ImagePacker();
  for (const image of await imagesOf(
    root,
    Object.keys(files).filter((name) => name !== path),
  ))
    packer.add(image);
  const unit: PlaceUnit = {
    path: path!,
    type: path!.startsWith('seg') ? 'seg' : 'rtstruct',
    sizeBytes: files[path!]!.length,
    guard: guard === null ? guardAt(root, path!) : guard,
    wanted: touched ? { kind: 'touched' } : { kind: 'contours', limitBytes },
  };
  const task = { kind: 'place', root, images: packer.finish(), toleranceMm: 0.1, units: [unit] } as const;
  const [outcome] = await place(task, GENEROUS);
  return outcome!;
}

/** How many contours there are, and the codes of the problems; of one that was refused why. */
function told(outcome: PlaceOutcome): string {
  if (outcome.kind === 'refused') return `${outcome.code} ${outcome.detail}`;
  if (outcome.kind !== 'placed') return outcome.kind;
  const count = [...readContours(outcome.contours, outcome.structures)].length;
  return [count, ...new Set(outcome.problems.map(({ code }) => code))].join(' ');
}

t.test(
  'contours that hold or nearly hold each other are compared as far as a bound of work goes',
  async (t) => {
    t.equal(told(await placeIn(t, bombs.nestedContours(20, 30))), '20');
    const many = await placeIn(t, bombs.nestedContours(300, 400));
    t.equal(told(many), '300 CONTOUR_NESTED');
    t.match(many, { problems: [{ detail: /it is not known whether one lies inside another$/ }] });
  },
);

t.test('an object with too many contours on a slice is left out as a whole', async (t) => {
  t.equal(told(await placeIn(t, bombs.lightContours(4_096))), '4096');
  t.equal(
    told(await placeIn(t, bombs.lightContours(4_097))),
    'LIMIT_EXCEEDED on a slice there are more than 4096 contours; it is left out',
  );
  t.match(told(await placeIn(t, bombs.manySegments(65))), /^LIMIT_EXCEEDED on a slice/);
});

t.test('an object whose contours would take more than its file allows is left out as a whole', async (t) => {
  const over =
    /^LIMIT_EXCEEDED its contours take more than \d+ bytes on the images of its study; it is left out$/;
  t.match(told(await placeIn(t, bombs.onEveryFrame(5_000, 4_096))), over);
  t.equal(told(await placeIn(t, bombs.onEveryFrame(5, 40))), '40');
  t.match(told(await placeIn(t, bombs.onEveryFrame(5, 40), { limitBytes: 1_000 })), over);
  t.match(told(await placeIn(t, bombs.segmentOnEveryFrame(64, 4_096), { limitBytes: 10_000_000 })), over);
  t.equal(told(await placeIn(t, bombs.segmentOnEveryFrame(4, 40))), '40');
});

t.test('many points, frames and contours that touch nothing end with a few words', async (t) => {
  t.equal(told(await placeIn(t, bombs.beyondFrames(99_000, 4_096, false))), '0 CONTOUR_WITHOUT_PLACE');
  t.strictSame(await placeIn(t, bombs.beyondFrames(99_000, 4_096, true), { touched: true }), {
    kind: 'touched',
    places: new Uint32Array(0),
  });
  t.match(told(await placeIn(t, bombs.onSomeFrame(100, 4_096))), /^0 FRAME_NOT_NAMED/);
  const rois = await placeIn(t, bombs.manyRois(2_100));
  t.match(rois, { kind: 'placed', problems: { length: 1_001 } });
});

t.test('a file that is not the one that was scanned is not placed', async (t) => {
  t.equal(told(await placeIn(t, bombs.lightContours(1), { guard: '1.2.3.4' })), 'changed');
});

t.test('images say which of them an object lies in', async (t) => {
  const outcome = await placeIn(t, bombs.checkeredSegments(4, 3), { touched: true });
  t.strictSame(outcome, { kind: 'touched', places: Uint32Array.of(0, 1, 2) });
});

t.test('a file of more frames than its bytes allow is refused', async (t) => {
  const root = temporaryFolder(t);
  const scanned = async (frames: number) => {
    writeFiles(root, bombs.tinyFrames(1, frames));
    const units = [{ path: '0.dcm', kind: 'image' as const, sizeBytes: 0, withChecksums: false }];
    return (await scan({ kind: 'scan', root, units }, GENEROUS))[0];
  };
  t.match(await scanned(32), { kind: 'image', header: { frames: 32 } });
  t.match(await scanned(4_096), {
    kind: 'refused',
    code: 'LIMIT_EXCEEDED',
    detail: /^4096 frames in \d+ bytes/,
  });
});

t.test('placing is done in a loader: one that ends, or takes too long, refuses its object', async (t) => {
  const { pool } = await startPool(t);
  const placeObject = objectPlacer(() => pool, 500, { priority: 'scan', turn: 'scan' });
  const outcomeOf = (path: string) => {
    const unit: PlaceUnit = { path, type: 'rtstruct', sizeBytes: 0, guard: null, wanted: CONTOURS };
    return placeObject('/', unit, new ImagePacker().finish(), 0.1);
  };
  t.strictSame(await outcomeOf('segv'), {
    kind: 'refused',
    code: 'LOADER_ENDED',
    detail: 'to put it on its images ended its loader (crash); it is left out',
  });
  t.match(await outcomeOf('hang'), { code: 'LOADER_ENDED', detail: /\(deadline\)/ });
  t.match(await outcomeOf('fine'), { detail: /"path":"fine"/ });
});
