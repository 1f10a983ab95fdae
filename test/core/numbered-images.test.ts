import t from 'tap';
import { contourName, imageName } from '../../src/core/contour-name.js';
import { numberImages } from '../../src/core/numbered-images.js';

function image(path: string, instanceNumber: number | null, seriesUid = '1') {
  return { path, header: { seriesUid, instanceNumber } };
}

function contour(number: number, series = 1) {
  const digits = (value: number) => String(value).padStart(4, '0');
  return { path: `C/IM-${digits(series)}-${digits(number)}-icontour-manual.txt`, number };
}

function found(images: Parameters<typeof numberImages>[0], contours: ReturnType<typeof contour>[]) {
  const { images: numbers, problems } = numberImages(images, contours);
  return {
    images: Object.fromEntries([...numbers].map(([number, { path }]) => [number, path])),
    problems: problems.map(({ code, file, detail }) => [code, file, detail]),
  };
}

t.test('what names of contours and images say', async (t) => {
  t.strictSame(contourName('a/IM-0001-0048-p1contour-manual.txt'), {
    series: 1,
    number: 48,
    structure: 'p1',
  });
  for (const copy of [' (1)', '(12)', ' - Copy', ' - Copy (2)'])
    t.strictSame(
      contourName(`a/IM-0001-0048-icontour-manual${copy}.txt`),
      { series: 1, number: 48, structure: 'i', isCopy: true },
      copy,
    );
  t.equal(contourName('IM-0001-0048-contour-manual.txt'), null);
  t.equal(contourName('IM-0001-0048-icontour-manual old.txt'), null);
  t.equal(contourName('a/IM-0001-0048-icontour-manual.txt/b'), null);
  t.strictSame(imageName('a/IM-0004-0048.dcm'), { series: 4, number: 48 });
  t.strictSame(imageName('IM-0004-0048'), { series: 4, number: 48 });
  t.strictSame(imageName('a/0048.DCM'), { series: null, number: 48 });
  for (const name of ['1.2.840.dcm', 'I48', '48.txt', 'IM-48.dcm', '']) t.equal(imageName(name), null, name);
});

t.test('InstanceNumber finds the image whatever its file is called', async (t) => {
  const images = [image('x/aaa', 48), image('x/bbb', 49), image('x/00048.dcm', 50)];
  t.strictSame(found(images, [contour(48), contour(50)]), {
    images: { 48: 'x/aaa', 49: 'x/bbb', 50: 'x/00048.dcm' },
    problems: [],
  });
});

t.test('the number of an exported name finds it where there is no InstanceNumber', async (t) => {
  const images = [image('x/IM-0003-0048.dcm', null), image('x/49.dcm', null)];
  t.strictSame(found(images, [contour(48), contour(49)]), {
    images: { 48: 'x/IM-0003-0048.dcm', 49: 'x/49.dcm' },
    problems: [],
  });
});

t.test('where name and InstanceNumber are of different images, none is taken', async (t) => {
  const images = [image('x/IM-0001-0048.dcm', 49), image('x/IM-0001-0049.dcm', 48), image('x/z', 50)];
  t.strictSame(found(images, [contour(48), contour(50)]), {
    images: { 50: 'x/z' },
    problems: [['CONTOUR_AMBIGUOUS', contour(48).path, '2 images of its series could be number 48']],
  });
});

t.test('of several series the one that has most of the numbers is meant', async (t) => {
  const images = [
    image('a/1', 48, 'localizer'),
    image('b/1', 48, 'short axis'),
    image('b/2', 59, 'short axis'),
    image('b/3', 60, 'short axis'),
  ];
  t.strictSame(found(images, [contour(48), contour(59), contour(77)]), {
    images: { 48: 'b/1', 59: 'b/2', 60: 'b/3' },
    problems: [['CONTOUR_WITHOUT_IMAGE', contour(77).path, 'there is no image 77 in the study']],
  });
});

t.test('of series that are alike in that, the one whose files have the contours’ names', async (t) => {
  const images = [image('a/IM-0002-0048.dcm', 48, 'a'), image('b/IM-0001-0048.dcm', 48, 'b')];
  t.strictSame(found(images, [contour(48)]), { images: { 48: 'b/IM-0001-0048.dcm' }, problems: [] });
  t.strictSame(found(images, [contour(48, 2)]), { images: { 48: 'a/IM-0002-0048.dcm' }, problems: [] });
});

t.test('where nothing tells series apart, every contour is a problem', async (t) => {
  const images = [image('a/x', 48, 'a'), image('b/x', 48, 'b'), image('c/x', 7, 'c')];
  t.strictSame(found(images, [contour(48), contour(7), contour(9)]), {
    images: {},
    problems: [
      ['CONTOUR_AMBIGUOUS', contour(48).path, 'more than one series has as many images with its numbers'],
      ['CONTOUR_AMBIGUOUS', contour(7).path, 'more than one series has as many images with its numbers'],
      ['CONTOUR_WITHOUT_IMAGE', contour(9).path, 'there is no image 9 in the study'],
    ],
  });
});

t.test('files exported as one count as a series where each place is a series of its own', async (t) => {
  const images = [
    image('x/IM-0001-0001.dcm', 1, 'place 1'),
    image('x/IM-0001-0002.dcm', 2, 'place 1'),
    image('x/IM-0001-0003.dcm', 1, 'place 2'),
    image('x/IM-0001-0004.dcm', 2, 'place 2'),
    image('x/IM-0002-0004.dcm', 2, 'other'),
  ];
  t.strictSame(found(images, [contour(1), contour(3), contour(4)]), {
    images: {
      1: 'x/IM-0001-0001.dcm',
      2: 'x/IM-0001-0002.dcm',
      3: 'x/IM-0001-0003.dcm',
      4: 'x/IM-0001-0004.dcm',
    },
    problems: [],
  });
});

t.test('without contours no image has a number', async (t) => {
  t.strictSame(found([image('a', 1)], []), { images: {}, problems: [] });
});
