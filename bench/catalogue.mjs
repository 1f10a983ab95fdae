// Makes catalogue rows: `node catalogue.mjs STATE PAIRS`. Each study of the catalogue in STATE that is there already stands as it is; its
// first one is copied, rows only, under new ids until all have PAIRS pairs together. The service may run meanwhile. Prints a JSON line.
import { createHash } from 'node:crypto';
import { openDatabase } from '../dist/src/catalog/schema.js';
import { transact } from '../dist/src/sqlite.js';

const [state, wanted] = process.argv.slice(2);
const STUDIES_PER_TURN = 50;

const db = openDatabase(state);
// Rows that can be made again need no wait for the disk.
db.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -262144');
const columns = (table) =>
  db
    .prepare(`SELECT name FROM pragma_table_info('${table}')`)
    .all()
    .map(({ name }) => name);

/** Copies a table's rows of one revision; `changes` are SQL for some of the columns, their values bound in order. */
function copier(table, key, changes) {
  const names = columns(table);
  const values = names.map((name) => changes[name] ?? name);
  return db.prepare(`INSERT INTO ${table} (${names}) SELECT ${values} FROM ${table} WHERE ${key} = ?`);
}

const template = db
  .prepare(
    'SELECT r.id, r.digest, r.pairs FROM study s JOIN revision r ON r.id = s.revision ORDER BY s.id LIMIT 1',
  )
  .get();
const copyRevision = copier('revision', 'id', { id: 'NULL', digest: '?', study: '?' });
const copySlices = copier('slice', 'revision', { revision: '?' });
const copyGroups = copier('slice_group', 'revision', { revision: '?' });
const copyContours = copier('contour', 'revision', { revision: '?' });
const addStudy = db.prepare('INSERT INTO study (id, revision) VALUES (?, ?)');

function copyStudy(number) {
  const id = `COPY-${String(number).padStart(6, '0')}`;
  const digest = createHash('sha256').update(`${template.digest} ${number}`).digest('hex');
  const revision = Number(copyRevision.run(digest, id, template.id).lastInsertRowid);
  copySlices.run(revision, template.id);
  copyGroups.run(revision, template.id);
  copyContours.run(revision, template.id);
  addStudy.run(id, revision);
}

const { pairs } = db
  .prepare('SELECT sum(r.pairs) AS pairs FROM study s JOIN revision r ON r.id = s.revision')
  .get();
const copies = Math.ceil((Number(wanted) - pairs) / template.pairs);
for (let from = 0; from < copies; from += STUDIES_PER_TURN)
  transact(db, () => {
    for (let number = from; number < Math.min(from + STUDIES_PER_TURN, copies); number++) copyStudy(number);
  });
db.exec('PRAGMA wal_checkpoint(PASSIVE)');
db.close();
console.log(JSON.stringify({ studies: copies, pairs: pairs + Math.max(0, copies) * template.pairs }));
