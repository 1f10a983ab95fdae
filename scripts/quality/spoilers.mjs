// Known ways to spoil labels. Each gives, for a patient, the contours that its pairs get in place of their own, by slice number.

const SIDE = 256;

const moved = (dx, dy) => (points) => points.map(([x, y]) => [x + dx, y + dy]);
const mirrored = (points) => points.map(([x, y]) => [SIDE - 1 - x, y]);

function scaled(points, [cx, cy], by) {
  return points.map(([x, y]) => [cx + (x - cx) * by, cy + (y - cy) * by]);
}

function middle(points) {
  const sums = points.reduce(([a, b], [x, y]) => [a + x, b + y], [0, 0]);
  return sums.map((sum) => sum / points.length);
}

function each(contours, change) {
  return Object.fromEntries(Object.entries(contours).map(([name, points]) => [name, change(points)]));
}

/** Diastole has an outer contour here, systole has none; contours are only exchanged within a phase. */
function phases({ pairs }) {
  return [pairs.filter(({ contours }) => contours.o), pairs.filter(({ contours }) => !contours.o)];
}

function byPair(patient, change) {
  return new Map(
    patient.pairs.flatMap((pair) => {
      const contours = change(pair.contours);
      return contours ? [[pair.number, contours]] : [];
    }),
  );
}

/** The contours of another patient at the same height of the heart; pairs that none is left for have no contours. */
function ofPatient(patient, donor, take) {
  const given = new Map();
  phases(patient).forEach((own, phase) => {
    const theirs = phases(donor)[phase];
    const count = Math.min(own.length, theirs.length);
    for (let n = 0; n < count; n++) {
      const at = (pairs) => pairs[count === 1 ? 0 : Math.round((n * (pairs.length - 1)) / (count - 1))];
      given.set(at(own).number, take(at(own).contours, at(theirs).contours));
    }
  });
  return given;
}

function ofSlice(patient, steps) {
  const given = new Map();
  for (const own of phases(patient))
    own.forEach((pair, n) => {
      if (own[n + steps]) given.set(pair.number, own[n + steps].contours);
    });
  return given;
}

const DIRECTIONS = [0, 45, 90, 135, 180, 225, 270, 315].map((degrees) => (degrees * Math.PI) / 180);
const SHIFT = 8;

/** Every kind with its variants; `spoil(patient, patients)`. */
export const KINDS = {
  'another patient’s contours': [1, 2].map((step) => (patient, patients) => {
    const donor = patients[(patients.indexOf(patient) + step) % patients.length];
    return ofPatient(patient, donor, (_, theirs) => theirs);
  }),
  'another slice’s contours, 2 to 4 slices away': [-4, -3, -2, 2, 3, 4].map(
    (steps) => (patient) => ofSlice(patient, steps),
  ),
  'shifted by 8 pixels': DIRECTIONS.map(
    (turn) => (patient) =>
      byPair(patient, (contours) => each(contours, moved(SHIFT * Math.cos(turn), SHIFT * Math.sin(turn)))),
  ),
  'scaled by 1.5': [
    (patient) =>
      byPair(patient, (contours) => {
        const centre = middle(contours.o ?? contours.i);
        return each(contours, (points) => scaled(points, centre, 1.5));
      }),
  ],
  'inner and outer exchanged': [(patient) => byPair(patient, ({ i, o }) => (o ? { i: o, o: i } : null))],
  'mirrored left to right': [(patient) => byPair(patient, (contours) => each(contours, mirrored))],
  'the outer contour alone from another patient': [1, 2].map((step) => (patient, patients) => {
    const donor = patients[(patients.indexOf(patient) + step) % patients.length];
    const given = ofPatient(patient, donor, ({ i, o }, theirs) => (o ? { i, o: theirs.o } : null));
    return new Map([...given].filter(([, contours]) => contours !== null));
  }),
  'the outer contour alone shifted by 8 pixels': DIRECTIONS.filter((_, n) => n % 2 === 0).map(
    (turn) => (patient) =>
      byPair(patient, ({ i, o }) =>
        o ? { i, o: moved(SHIFT * Math.cos(turn), SHIFT * Math.sin(turn))(o) } : null,
      ),
  ),
};

/** Good contours as another hand would draw them: none of these is wrong. */
export const REDRAWN = {
  'moved by 1 pixel': DIRECTIONS.map(
    (turn) => (patient) =>
      byPair(patient, (contours) => each(contours, moved(Math.cos(turn), Math.sin(turn)))),
  ),
  ...Object.fromEntries(
    [0.95, 1.05].map((by) => [
      `${by > 1 ? 'larger' : 'smaller'} by 5 %`,
      [
        (patient) =>
          byPair(patient, (contours) => each(contours, (points) => scaled(points, middle(points), by))),
      ],
    ]),
  ),
};
