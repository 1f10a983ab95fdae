// One trial: a data folder with contours as told, and what the quality report of a real service measures of each pair.
import { copyFileSync, existsSync, linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { Quality } from '../../dist/src/catalog/quality.js';
import { presentStudies } from '../../dist/src/catalog/studies.js';
import { readConfig } from '../../dist/src/config.js';
import { FINDING_CODES, FINDING_RULES, parseFindingLimits } from '../../dist/src/core/finding-codes.js';
import { startService } from '../../dist/src/service.js';

/** Thresholds that make a finding of every value, so that any others can be tried on what comes back. */
const EVERY_VALUE = FINDING_CODES.filter((code) => !FINDING_RULES[code].isLeast && code !== 'NOT_MEASURED')
  .map((code) => `${code}=0`)
  .join();

/** Runs trials over patients' images, which are copied once and linked from then on. */
export class Laboratory {
  #source;
  #folder = mkdtempSync(join(tmpdir(), 'slicefeed-quality-'));
  #count = 0;

  constructor(source) {
    this.#source = source;
    mkdirSync(join(this.#folder, 'images'));
  }

  /**
   * For each pair id the largest value of each code, and the codes that are found under each of several texts of thresholds. `labels`: for
   * each patient its contours by slice number.
   */
  async measure(labels, thresholds) {
    const data = join(this.#folder, `trial-${this.#count++}`);
    const state = `${data}-state`;
    this.#lay(data, labels);
    const config = readConfig({}, { DATA: data, STATE: state, MEMORY_BUDGET: '16MiB' });
    const service = await startService(config, pino({ level: 'error' }));
    try {
      await service.scans.first;
      await service.quality.report(presentStudies(service.db));
      const seen = new Map();
      for (const [{ id }, contours] of labels)
        for (const number of contours.keys())
          seen.set(`${id}/${number}`, { values: {}, codes: thresholds.map(() => new Set()) });
      for (const { pair, code, value } of await this.#findings(service, EVERY_VALUE)) {
        const { values } = seen.get(pair);
        values[code] = Math.max(values[code] ?? 0, value ?? 0);
      }
      for (const [at, text] of thresholds.entries())
        for (const { pair, code } of await this.#findings(service, text)) seen.get(pair).codes[at].add(code);
      return seen;
    } finally {
      await service.close();
      for (const folder of [data, state]) rmSync(folder, { recursive: true });
    }
  }

  close() {
    rmSync(this.#folder, { recursive: true });
  }

  /** Under other thresholds, over what the service has measured already. */
  async #findings({ db, config, quarantine }, text) {
    const measureSlices = () => Promise.reject(new Error('all is measured'));
    const quality = new Quality({
      db,
      quarantine,
      measureSlices,
      locate: () => null,
      containments: config.containments,
      limits: parseFindingLimits(text),
    });
    return (await quality.report(presentStudies(db))).findings;
  }

  #lay(data, labels) {
    const rows = ['patient_id,original_id'];
    for (const [{ id, original }, contours] of labels) {
      rows.push(`${id},${original}`);
      mkdirSync(join(data, 'dicoms', id), { recursive: true });
      for (const [number, structures] of contours) {
        linkSync(this.#image(id, number), join(data, 'dicoms', id, `${number}.dcm`));
        for (const [structure, points] of Object.entries(structures)) {
          const folder = join(data, 'contourfiles', original, `${structure}-contours`);
          mkdirSync(folder, { recursive: true });
          const name = `IM-0001-${String(number).padStart(4, '0')}-${structure}contour-manual.txt`;
          writeFileSync(join(folder, name), points.map((point) => `${point.join(' ')}\n`).join(''));
        }
      }
    }
    writeFileSync(join(data, 'link.csv'), rows.join('\n'));
  }

  #image(id, number) {
    const kept = join(this.#folder, 'images', `${id}-${number}.dcm`);
    if (!existsSync(kept)) copyFileSync(join(this.#source, 'dicoms', id, `${number}.dcm`), kept);
    return kept;
  }
}
