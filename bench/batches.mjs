import { packedPartsAt } from '../dist/src/catalog/parts.js';
import { openDatabase } from '../dist/src/catalog/schema.js';
import { listSlices } from '../dist/src/catalog/slices.js';
import { listStudies } from '../dist/src/catalog/studies.js';
import { DEFAULT_LIMITS } from '../dist/src/core/dicom.js';
import { sealSource } from '../dist/src/loader/sealed.js';

export const SLOTS = 8;
export const LOADER_MEMORY = 2 ** 30;

/** What loaders are held to. */
export const LIMITS = {
  ...DEFAULT_LIMITS,
  headerBytes: LOADER_MEMORY / 4,
  frameBytes: LOADER_MEMORY / 4,
  fileBytes: LOADER_MEMORY,
  contourPoints: 100_000,
  keptBytes: 2 ** 24,
};

/** As a session has it that says no more than a dtype. */
export function recipeOf(dtype) {
  return { values: 'rescaled', normalize: 'none', fit: 'exact', fill: 0, dtype, rule: 'pixel-center' };
}

/** Every pair of the catalogue in the folder `state`, as a loader gets it, in batches of `SLOTS` of one shape. */
export function readBatches(state, root, structure, dtype) {
  const db = openDatabase(state);
  const units = listStudies(db, '', 100_000).flatMap(({ id }) =>
    listSlices(db, id, -1, 1000, false)
      .filter(({ structures }) => structures.includes(structure))
      .map(({ file, revision, ordinal, guard, header, headerDigest, checksum, frame }, place) => ({
        slot: 0,
        place,
        source: sealSource({
          source: { root, path: file, guard, header: JSON.stringify(header), headerDigest, checksum, frame },
          drawn: {
            parts: packedPartsAt(db, [{ revision, ordinal }], [structure])[0],
            outlining: { names: [[structure]], holes: 'standard', originShift: 0 },
          },
        }),
      })),
  );
  db.close();
  const batches = [];
  for (let from = 0; from + SLOTS <= units.length; from += SLOTS)
    batches.push(units.slice(from, from + SLOTS).map((unit, slot) => ({ ...unit, slot })));
  const { rows, columns } = JSON.parse(batches[0][0].source.content.source.header);
  const shape = {
    slots: SLOTS,
    channels: 1,
    rows,
    columns,
    structures: 1,
    imageDtype: dtype,
    maskDtype: 'bool',
  };
  return { batches, shape };
}
