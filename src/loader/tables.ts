import { type LookupTable, lookupTable, type TablePlace } from '../core/colour.js';
import type { ImageHeader } from '../core/dicom.js';
import { PixelError } from '../core/pixels.js';
import { type ImageTables, NO_TABLES } from '../core/shown.js';
import type { Values } from '../core/values.js';
import { type SourceFile, scratchBytes } from './files.js';

/**
 * Reads the tables that values of this kind go through, from the file that the header's offsets are in, which is asked for
 * where there is one. Throws `PixelError`.
 */
export function readTables(dataFile: () => SourceFile, header: ImageHeader, values: Values): ImageTables {
  const { palette, modalityTable, voiTable, samplesPerPixel, photometric } = header;
  if (values === 'stored' || samplesPerPixel !== 1) return NO_TABLES;
  if (photometric === 'PALETTE COLOR')
    return { ...NO_TABLES, palette: palette?.map((place) => readTable(dataFile(), place)) ?? null };
  return {
    palette: null,
    modality: modalityTable && readTable(dataFile(), modalityTable),
    voi: values === 'windowed' && voiTable ? readTable(dataFile(), voiTable) : null,
  };
}

function readTable(data: SourceFile, place: TablePlace): LookupTable {
  const bytes = scratchBytes(place.length);
  data.read(bytes, place.offset, place.length);
  const table = lookupTable(place, bytes);
  if (!table) throw new PixelError('HEADER_BROKEN', 'a lookup table has fewer entries than it says');
  return table;
}
