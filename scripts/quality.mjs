// Measures the quality report: spoils the labels of good patients in known ways and writes the share that it finds, and the share of
// good pairs that it flags, into docs/quality-measured.md: `npm run quality [FOLDER]`. FOLDER has patients in the layout of the original pipeline;
// without it, `../shared/data/sunnybrook`.
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { likeness, readPatients } from './quality/patients.mjs';
import { KINDS, REDRAWN } from './quality/spoilers.mjs';
import {
  crossValidation,
  goodSummary,
  goodValues,
  kindTable,
  limitsText,
  limitsWithout,
  redrawnTable,
} from './quality/tables.mjs';
import { Laboratory } from './quality/trial.mjs';

const DOCUMENT = fileURLToPath(new URL('../docs/quality-measured.md', import.meta.url));
const folder = resolve(process.argv[2] ?? '../shared/data/sunnybrook');
const patients = readPatients(folder);
const laboratory = new Laboratory(folder);

const ownLabels = ({ pairs }) => new Map(pairs.map(({ number, contours }) => [number, contours]));
const hasOuter = new Set(
  patients.flatMap(({ id, pairs }) =>
    pairs.filter(({ contours }) => contours.o).map(({ number }) => `${id}/${number}`),
  ),
);

const goodContours = new Map(
  patients.flatMap(({ id, pairs }) => pairs.map((pair) => [`${id}/${pair.number}`, pair.contours])),
);

/** Every measured pair of a trial: whose it is, whether it was spoiled, how like the good one it is, what was measured. */
function observed(seen, labels, isSpoiled) {
  const given = new Map(
    [...labels].flatMap(([{ id }, pairs]) =>
      [...pairs].map(([number, contours]) => [`${id}/${number}`, contours]),
    ),
  );
  return [...seen].map(([pair, { values, codes }]) => ({
    pair,
    patient: pair.split('/')[0],
    outer: hasOuter.has(pair),
    spoiled: isSpoiled(pair),
    likeness: isSpoiled(pair) ? likeness(goodContours.get(pair), given.get(pair)) : 1,
    values,
    codes,
  }));
}

/** What the report ships with, and, once good pairs were measured, thresholds that know nothing of one patient each. */
let thresholds = [''];

async function trial(labelsOf, isSpoiled) {
  const labels = new Map(patients.map((one) => [one, labelsOf(one)]));
  return observed(await laboratory.measure(labels, thresholds), labels, isSpoiled);
}

/** All pairs of every patient changed alike. */
async function wholePatients(ways) {
  const kinds = new Map();
  for (const [kind, variants] of Object.entries(ways)) {
    const seen = [];
    for (const spoil of variants)
      seen.push(
        ...(await trial(
          (one) => spoil(one, patients),
          () => true,
        )),
      );
    kinds.set(kind, seen);
    console.error(`every pair, ${kind}: ${seen.length} pairs`);
  }
  return kinds;
}

const PARTS = 5;

/**
 * Every fifth pair spoiled, the others as they are, so that no two next to each other are; each variant on one fifth, or on all in turn where
 * there are few variants.
 */
async function singlePairs() {
  const kinds = new Map();
  for (const [kind, variants] of Object.entries(KINDS)) {
    const seen = [];
    for (const [v, spoil] of variants.entries())
      for (let part = 0; part < PARTS; part++) {
        if (variants.length >= PARTS && v % PARTS !== part) continue;
        const spoiled = new Set();
        const labelsOf = (one) => {
          const labels = ownLabels(one);
          const given = spoil(one, patients);
          one.pairs.forEach(({ number }, at) => {
            if (at % PARTS !== part || !given.has(number)) return;
            labels.set(number, given.get(number));
            spoiled.add(`${one.id}/${number}`);
          });
          return labels;
        };
        seen.push(...(await trial(labelsOf, (pair) => spoiled.has(pair))));
      }
    kinds.set(kind, seen);
    console.error(`one pair in five, ${kind}: ${seen.filter(({ spoiled }) => spoiled).length} pairs`);
  }
  return kinds;
}

function replaceSection(text, name, body) {
  const pattern = new RegExp(`(<!-- ${name} -->\\n)[\\s\\S]*?(<!-- /${name} -->)`);
  if (!pattern.test(text)) throw new Error(`docs/quality-measured.md has no section ${name}`);
  return text.replace(pattern, (_, start, end) => `${start}${body}\n${end}`);
}

try {
  const first = await trial(ownLabels, () => false);
  const leftOut = patients.map(({ id }) => ({ id, limits: limitsWithout(first, id) }));
  thresholds = ['', ...leftOut.map(({ limits }) => limitsText(limits))];
  const asTheyAre = await trial(ownLabels, () => false);
  const redrawn = await wholePatients(REDRAWN);
  const whole = await wholePatients(KINDS);
  const single = await singlePairs();
  const sections = {
    good: `${goodSummary(asTheyAre)}\n\n${goodValues(asTheyAre)}`,
    redrawn: redrawnTable(redrawn),
    'whole-patients': kindTable(whole),
    'single-pairs': kindTable(single),
    'left-out': crossValidation(leftOut, asTheyAre, whole),
  };
  let text = readFileSync(DOCUMENT, 'utf8');
  for (const [name, body] of Object.entries(sections)) text = replaceSection(text, name, body);
  writeFileSync(DOCUMENT, text);
} finally {
  laboratory.close();
}
