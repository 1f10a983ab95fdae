import t from 'tap';
import { type Colour, STRUCTURE_COLOURS, structureColour } from '../../src/pictures/palette.js';

type Matrix = readonly (readonly [number, number, number])[];

// Machado, Oliveira, Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency" (2009),
// severity 1.0, on linear RGB.
const SIGHTS: Readonly<Record<string, Matrix>> = {
  normal: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

function linear(value: number): number {
  const share = value / 255;
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
}

function lab(colour: Colour, sight: Matrix): [number, number, number] {
  const [r, g, b] = colour.map(linear) as [number, number, number];
  const [red, green, blue] = sight.map((row) =>
    Math.min(1, Math.max(0, row[0] * r + row[1] * g + row[2] * b)),
  ) as [number, number, number];
  const curve = (v: number) => (v > 0.008856 ? Math.cbrt(v) : 7.787 * v + 16 / 116);
  const x = curve((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505);
  const y = curve(0.2126 * red + 0.7152 * green + 0.0722 * blue);
  const z = curve((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

t.test('colours are given out in order and begin again after the last', async (t) => {
  t.same(structureColour(0), [230, 159, 0]);
  t.same(structureColour(1), [86, 180, 233]);
  t.same(structureColour(STRUCTURE_COLOURS.length), [230, 159, 0]);
  t.equal(new Set(STRUCTURE_COLOURS.map(String)).size, 6);
});

for (const [sight, matrix] of Object.entries(SIGHTS)) {
  t.test(`with ${sight} colours stay apart from each other and from grey`, async (t) => {
    const seen = STRUCTURE_COLOURS.map((colour) => lab(colour, matrix));
    seen.forEach(([lightness, a, b], index) => {
      t.ok(Math.hypot(a, b) >= 21, `colour ${index} has chroma ${Math.hypot(a, b).toFixed(1)}`);
      t.ok(lightness >= 45 && lightness <= 80, `colour ${index} has lightness ${lightness.toFixed(1)}`);
      for (const [other, [otherLightness, otherA, otherB]] of seen.slice(0, index).entries()) {
        const distance = Math.hypot(lightness - otherLightness, a - otherA, b - otherB);
        t.ok(distance >= 23, `colours ${other} and ${index} are ${distance.toFixed(1)} apart`);
      }
    });
  });
}
