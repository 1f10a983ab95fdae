import fc from 'fast-check';
import t from 'tap';
import { linkTableOf, parseLinkTable } from '../../src/core/link-table.js';

const HEADER = 'patient_id,original_id';

t.test('a row joins a patient and an original', async (t) => {
  t.strictSame(parseLinkTable(`${HEADER}\nSCD0000101,SC-HF-I-1\nSCD0000201,SC-HF-I-2\n`), {
    rows: [
      { patient: 'SCD0000101', original: 'SC-HF-I-1', line: 2 },
      { patient: 'SCD0000201', original: 'SC-HF-I-2', line: 3 },
    ],
    problems: [],
  });
});

t.test('ways to write the same table', async (t) => {
  const wanted = [{ patient: 'P', original: 'O', line: 2 }];
  const tables = {
    'no last newline': `${HEADER}\nP,O`,
    'line ends of Windows': `${HEADER}\r\nP,O\r\n`,
    'byte order mark': `\ufeff${HEADER}\nP,O\n`,
    spaces: ' patient_id , original_id \n P , O \n',
    quotes: '"patient_id","original_id"\n"P","O"\n',
    'other order': 'original_id,patient_id\nO,P\n',
    'other columns': 'n,patient_id,age,original_id\n1,P,60,O\n',
    'a longer row': `${HEADER}\nP,O,more\n`,
  };
  for (const [what, text] of Object.entries(tables))
    t.strictSame(parseLinkTable(text), { rows: wanted, problems: [] }, what);
});

t.test('columns and the table itself may be written in capitals', async (t) => {
  for (const header of ['PATIENT_ID,ORIGINAL_ID', 'Patient_ID,Original_ID', 'PATIENTID,ORIGINALID'])
    t.strictSame(parseLinkTable(`${header}\nP,O\n`).rows, [{ patient: 'P', original: 'O', line: 2 }], header);
  t.equal(linkTableOf('', ['a/link.csv', 'LINK.CSV', 'x']), 'LINK.CSV');
  t.equal(linkTableOf('', ['Link.csv', 'link.csv', 'LINK.CSV']), 'link.csv', 'the usual name first');
  t.equal(linkTableOf('', ['Link.csv', 'LINK.CSV']), 'LINK.CSV', 'else the first by name');
  t.equal(linkTableOf('a/', ['link.csv', 'a/b/link.csv', 'A/link.csv']), undefined);
});

t.test('blank lines are nothing, and the lines are counted with them', async (t) => {
  t.strictSame(parseLinkTable(`${HEADER}\n\nP,O\n\n\nQ,N\n`).rows, [
    { patient: 'P', original: 'O', line: 3 },
    { patient: 'Q', original: 'N', line: 6 },
  ]);
});

t.test('a row without one of the two is a problem that names its line', async (t) => {
  const { rows, problems } = parseLinkTable(`${HEADER}\n,O\nP\nQ,N\n`);
  t.strictSame(rows, [{ patient: 'Q', original: 'N', line: 4 }]);
  t.strictSame(problems, [
    { code: 'LINK_ROW', detail: 'line 2: patient_id or original_id is empty' },
    { code: 'LINK_ROW', detail: 'line 3: patient_id or original_id is empty' },
  ]);
});

t.test('a table without its columns, or of broken quotes, is refused whole', async (t) => {
  for (const text of ['', 'P,O\n', 'patient_id\nP\n', `${HEADER}\n"P,O\n`]) {
    const { rows, problems } = parseLinkTable(text);
    t.strictSame(rows, []);
    t.strictSame(
      problems.map(({ code }) => code),
      ['LINK_TABLE'],
      JSON.stringify(text),
    );
  }
});

t.test('a header alone has no rows', async (t) => {
  t.strictSame(parseLinkTable(`${HEADER}\n`), { rows: [], problems: [] });
});

t.test('no text throws, and what it holds is not quoted', async (t) => {
  const property = fc.property(fc.string(), (text) => {
    const { problems } = parseLinkTable(`${HEADER}\nsecret-${text}`);
    return problems.every(({ detail }) => !detail.includes('secret'));
  });
  t.doesNotThrow(() => fc.assert(property));
});
