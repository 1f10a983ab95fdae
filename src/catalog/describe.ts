import type { SliceId } from '../core/ids.js';
import type { ContourFile, StudyFiles } from '../core/pairing.js';
import { leavesImage } from '../core/place-outlines.js';
import type { Problem, ProblemCode } from '../core/problem.js';
import type { FileFinding } from './files.js';
import type { StructurePart } from './parts.js';
import type { FoundSlice } from './revision.js';

/** What was read of each file, by its path. */
export interface FoundFiles {
  get(path: string): FileFinding | null;
}

/**
 * Joins what pairing by names said of a study with what was read of its files: its slices in canonical order, a file of
 * several frames giving one slice each, and every problem of its files.
 */
export function describeSlices(
  study: StudyFiles,
  files: FoundFiles,
): { slices: FoundSlice[]; patient: string | null; problems: Problem[] } {
  const problems: Problem[] = [...study.problems];
  const report = (code: ProblemCode, file: string, detail: string) => problems.push({ code, file, detail });
  const contours = new Map<SliceId, ContourFile[]>();
  for (const contour of study.contours)
    contours.set(contour.slice, [...(contours.get(contour.slice) ?? []), contour]);
  const slices: FoundSlice[] = [];
  let patient: string | null = null;
  for (const image of study.images) {
    const drawn = contours.get(image.slice) ?? [];
    const known = files.get(image.path);
    const finding = known?.finding;
    if (!known || finding?.kind !== 'image') {
      if (finding?.kind === 'refused') report(finding.code, image.path, finding.detail);
      for (const { path } of drawn)
        report('CONTOUR_WITHOUT_IMAGE', path, `its image ${image.path} was left out`);
      continue;
    }
    const { header, headerDigest, checksums } = finding;
    patient ??= finding.patient;
    for (const { code, detail } of header.notes) report(code, image.path, detail);
    const whole = header.frames === 1;
    if (!whole)
      for (const { path } of drawn)
        report('CONTOUR_WITHOUT_IMAGE', path, `its image has ${header.frames} frames: which one is not said`);
    for (let frame = 0; frame < header.frames; frame++) {
      slices.push({
        slice: (whole ? image.slice : `${image.slice}.f${frame + 1}`) as SliceId,
        path: image.path,
        guard: known.guard,
        frame,
        header,
        headerDigest,
        checksum: checksums?.[frame] ?? null,
        generation: known.generations?.[frame] ?? null,
        contours: whole ? readContours(drawn, files, header, report) : [],
      });
    }
  }
  return { slices, patient, problems };
}

function readContours(
  drawn: readonly ContourFile[],
  files: FoundFiles,
  image: { readonly rows: number; readonly columns: number },
  report: (code: ProblemCode, file: string, detail: string) => void,
): FoundSlice['contours'] {
  const read: StructurePart[] = [];
  for (const { path, structure } of drawn) {
    const finding = files.get(path)?.finding;
    if (finding?.kind === 'refused') report(finding.code, path, finding.detail);
    if (finding?.kind !== 'contour') continue;
    const { contour } = finding;
    const at = (line: number | null, detail: string) => (line === null ? detail : `line ${line}: ${detail}`);
    if (!contour.ok) {
      report(contour.problem.code, path, at(contour.problem.line, contour.problem.detail));
      continue;
    }
    for (const { code, line, detail } of contour.problems) report(code, path, at(line, detail));
    if (leavesImage(contour.points, image))
      report('CONTOUR_OUTSIDE', path, 'the mask is clipped to the image');
    read.push({ structure, part: { kind: 'text', points: contour.points } });
  }
  return read;
}
