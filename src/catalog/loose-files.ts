import type { LinkTable } from '../core/link-table.js';
import { kindOf } from '../core/pairing.js';
import type { Problem } from '../core/problem.js';
import type { FoundFile } from '../core/study-files.js';
import type { FoundFiles } from './files.js';

/** The link tables by path, null for one that cannot be used; what is wrong with them is a problem. */
export function linkTables(
  found: readonly FoundFile[],
  files: FoundFiles,
  loose: Problem[],
): Map<string, LinkTable | null> {
  const tables = new Map<string, LinkTable | null>();
  for (const { path } of found.filter(({ path }) => kindOf(path) === 'table')) {
    const finding = files.get(path)?.finding;
    if (finding?.kind === 'refused') loose.push({ code: 'LINK_TABLE', file: path, detail: finding.detail });
    if (finding?.kind === 'table')
      for (const { code, detail } of finding.table.problems) loose.push({ code, file: path, detail });
    tables.set(path, finding?.kind === 'table' ? finding.table : null);
  }
  return tables;
}

/** Why a structure set or a segmentation has no image. */
export const NO_IMAGE_OF_IT =
  'the images that it names are missing, and there is none of its series or study or in its planes';

const DICOM_NAME = /\.(dcm|dicom|ima)$/i;
const ENDING = /\.[A-Za-z]\w*$/;

/**
 * Why files belong to no study. What is no DICOM at all is told of where its name says that it is, and counted where it says nothing:
 * texts, tables and pictures lie beside images everywhere.
 */
export function leftProblems(left: readonly string[], files: FoundFiles): Problem[] {
  const problems: Problem[] = [];
  let nameless = 0;
  for (const path of left) {
    // What is wrong with a table is told already.
    if (kindOf(path) === 'table') continue;
    const finding = files.get(path)?.finding;
    if (finding?.kind === 'drawn')
      problems.push({
        code: 'CONTOUR_WITHOUT_IMAGE',
        file: path,
        detail: NO_IMAGE_OF_IT,
      });
    if (finding?.kind !== 'refused' && finding?.kind !== 'object') continue;
    const { code, detail } = finding;
    if (code !== 'NOT_DICOM' || DICOM_NAME.test(path)) problems.push({ code, file: path, detail });
    else if (!ENDING.test(path)) nameless++;
  }
  if (nameless > 0)
    problems.push({
      code: 'NOT_DICOM',
      file: null,
      detail: `${nameless} file(s) whose names have no ending are no DICOM`,
    });
  return problems;
}
