// What trials showed, as tables.
import { FINDING_CODES, FINDING_RULES } from '../../dist/src/core/finding-codes.js';

const SHIPPED = Object.fromEntries(FINDING_CODES.map((code) => [code, FINDING_RULES[code].threshold]));
/** Codes whose threshold was chosen by looking at good contours. */
const CHOSEN = [
  'NOT_CONTAINED',
  'OFF_CENTRE',
  'AREA_JUMP',
  'CENTRE_JUMP',
  'UNEVEN',
  'LIKE_SURROUNDINGS',
  'OFF_EDGE',
  'MIRRORED',
  'SLICES_SHIFTED',
  'LIKE_INNER',
];

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function share(some, isFound) {
  if (some.length === 0) return '–';
  return (some.filter(isFound).length / some.length).toFixed(2);
}

function byPatient(seen) {
  const patients = [...new Set(seen.map(({ patient }) => patient))].sort();
  return patients.map((id) => seen.filter(({ patient }) => patient === id));
}

/** The lowest and the highest share of a patient. */
function spread(seen, isFound) {
  const shares = byPatient(seen).map((some) => share(some, isFound));
  return shares.length === 0
    ? '–'
    : `${shares.reduce((a, b) => (a < b ? a : b))} to ${shares.reduce((a, b) => (a > b ? a : b))}`;
}

export function goodSummary(good) {
  const flagged = good.filter(({ codes: [shipped] }) => shipped.size > 0);
  const named = flagged
    .map(({ pair, codes: [shipped] }) => `${pair} (${[...shipped].join(', ')})`)
    .join(', ');
  const rate = (flagged.length / good.length).toFixed(2);
  return `Of ${good.length} good pairs ${flagged.length} are flagged, a share of ${rate}${named ? `: ${named}` : ''}.`;
}

export function goodValues(good) {
  const patients = byPatient(good);
  const largest = (some, code) => Math.max(0, ...some.map(({ values }) => values[code] ?? 0)).toPrecision(2);
  return table(
    ['largest value of a good pair', ...patients.map(([{ patient }]) => patient), 'threshold'],
    CHOSEN.map((code) => [
      `\`${code}\``,
      ...patients.map((some) => largest(some, code)),
      String(SHIPPED[code]),
    ]),
  );
}

/** Pairs that were only drawn a little otherwise. */
export function redrawnTable(kinds) {
  const found = ({ codes: [shipped] }) => shipped.size > 0;
  const counts = (seen) => {
    const codes = seen.flatMap(({ codes: [shipped] }) => [...shipped]);
    return [...new Set(codes)]
      .sort()
      .map((code) => `\`${code}\` ${codes.filter((other) => other === code).length}`)
      .join(', ');
  };
  return table(
    ['good contours', 'pairs', 'mean Dice coefficient', 'flagged', 'worst to best patient', 'by code'],
    [...kinds].map(([kind, seen]) => [
      kind,
      String(seen.length),
      (seen.reduce((sum, { likeness }) => sum + likeness, 0) / seen.length).toFixed(2),
      share(seen, found),
      spread(seen, found),
      counts(seen),
    ]),
  );
}

/** Masks of a lower Dice coefficient than this with the good ones are plainly others. */
const UNLIKE = 0.85;

export function kindTable(kinds) {
  const found = ({ codes: [shipped] }) => shipped.size > 0;
  const byContent = ({ codes: [shipped] }) => [...shipped].some((code) => code !== 'IDENTICAL_CONTOUR');
  const rows = [...kinds].map(([kind, seen]) => {
    const spoiled = seen.filter((pair) => pair.spoiled);
    const untouched = seen.filter((pair) => !pair.spoiled);
    const [outer, inner] = [spoiled.filter((pair) => pair.outer), spoiled.filter((pair) => !pair.outer)];
    return [
      kind,
      String(spoiled.length),
      share(outer, found),
      share(inner, found),
      share(
        spoiled.filter(({ likeness }) => likeness < UNLIKE),
        byContent,
      ),
      share(spoiled, byContent),
      spread(spoiled, byContent),
      share(untouched, byContent),
    ];
  });
  return table(
    [
      'labels',
      'spoiled pairs',
      'found, with an outer contour',
      'found, inner alone',
      `found without \`IDENTICAL_CONTOUR\`, Dice under ${UNLIKE}`,
      'found without `IDENTICAL_CONTOUR`',
      'the same, worst to best patient',
      'untouched pairs flagged without `IDENTICAL_CONTOUR`',
    ],
    rows,
  );
}

/** Those whose threshold is put by good contours alone. */
const GIVEN = ['NOT_CONTAINED', 'MIRRORED', 'SLICES_SHIFTED'];
const TUNED = CHOSEN.filter((code) => !GIVEN.includes(code));

/** How far over the largest good value of the other patients a threshold is put. */
const MARGIN = 1.3;

/** Thresholds from the good pairs of all patients but one. */
export function limitsWithout(good, id) {
  const others = good.filter(({ patient }) => patient !== id);
  return Object.fromEntries(
    TUNED.map((code) => [code, MARGIN * Math.max(0, ...others.map(({ values }) => values[code] ?? 0))]),
  );
}

export function limitsText(limits) {
  return Object.entries(limits)
    .map(([code, limit]) => `${code}=${limit}`)
    .join();
}

/** For each patient the thresholds from the others alone, tried on it. */
export function crossValidation(leftOut, good, kinds) {
  const rows = leftOut.map(({ id, limits }, at) => {
    const found = ({ codes }) => codes[at + 1].size > 0;
    const own = (seen) => seen.filter(({ patient }) => patient === id);
    const spoiled = [...kinds].flatMap(([kind, seen]) => own(seen).map((pair) => ({ ...pair, kind })));
    const isStrict = ({ outer, kind }) => outer || kind.startsWith('another patient');
    return [
      id,
      limits.LIKE_SURROUNDINGS.toFixed(2),
      limits.LIKE_INNER.toFixed(2),
      share(own(good), found),
      share(spoiled.filter(isStrict), found),
      share(
        spoiled.filter((pair) => !isStrict(pair)),
        found,
      ),
    ];
  });
  const goodFound = good.filter(({ patient, codes }) => {
    const at = leftOut.findIndex(({ id }) => id === patient);
    return codes[at + 1].size > 0;
  }).length;
  return `${goodFound} of ${good.length} good pairs are flagged so, a share of ${(goodFound / good.length).toFixed(2)}.\n\n${table(
    [
      'left out',
      '`LIKE_SURROUNDINGS`',
      '`LIKE_INNER`',
      'good pairs flagged',
      'found, with an outer contour or of another patient',
      'found, of the rest',
    ],
    rows,
  )}`;
}
