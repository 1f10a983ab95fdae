import { getEventListeners } from 'node:events';
import t from 'tap';
import { Gate } from '../../src/sessions/gate.js';

const LONG_MS = 10_000;
const never = new AbortController().signal;

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

/** Enters and notes when it is in. */
function entering(gate: Gate, name: string, inside: string[], signal = never) {
  const entered = gate.enter(LONG_MS, signal).then((leave) => {
    inside.push(name);
    return leave;
  });
  entered.catch(() => {});
  return entered;
}

t.test('so many are let in at once, the next when one leaves', async (t) => {
  const gate = new Gate(2, 'two are under way');
  const inside: string[] = [];
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => entering(gate, name, inside));
  await turn();
  t.strictSame(inside, ['a', 'b']);
  t.equal(gate.inside, 2);
  (await b!)();
  await turn();
  t.strictSame(inside, ['a', 'b', 'c'], 'in the order in which they came');
  t.equal(gate.inside, 2);
  for (const leave of [await a!, await c!]) leave();
  await turn();
  t.strictSame(inside, ['a', 'b', 'c', 'd']);
  t.equal(gate.inside, 1);
  (await d!)();
  t.equal(gate.inside, 0);
});

t.test('who leaves twice frees one place', async (t) => {
  const gate = new Gate(1, 'two are under way');
  const inside: string[] = [];
  const leave = await gate.enter(LONG_MS, never);
  const [a, b] = [entering(gate, 'a', inside), entering(gate, 'b', inside)];
  leave();
  leave();
  await turn();
  t.strictSame(inside, ['a']);
  t.equal(gate.inside, 1);
  (await a)();
  (await b)();
});

t.test('who waits too long is told to come back, and holds no place', async (t) => {
  const gate = new Gate(1, 'two are under way');
  const leave = await gate.enter(LONG_MS, never);
  await t.rejects(gate.enter(20, never), { code: 'SLF_BUSY', status: 503, subject: { retryAfterS: 1 } });
  leave();
  t.equal(gate.inside, 0);
  (await gate.enter(0, never))();
});

t.test('who is gone leaves the line, and the next one moves up', async (t) => {
  const gate = new Gate(1, 'two are under way');
  const inside: string[] = [];
  const leave = await gate.enter(LONG_MS, never);
  const controller = new AbortController();
  const gone = entering(gate, 'gone', inside, controller.signal);
  entering(gate, 'next', inside);
  const reason = new Error('the connection closed');
  controller.abort(reason);
  await t.rejects(gone, reason);
  leave();
  await turn();
  t.strictSame(inside, ['next']);
  t.equal(gate.inside, 1);
});

t.test('who is gone already is not let in', async (t) => {
  const gate = new Gate(1, 'two are under way');
  const reason = new Error('the connection closed');
  await t.rejects(gate.enter(LONG_MS, AbortSignal.abort(reason)), reason);
  t.equal(gate.inside, 0);
});

t.test('a signal that aborts later takes nothing from one who is in', async (t) => {
  const gate = new Gate(1, 'two are under way');
  const first = await gate.enter(LONG_MS, never);
  const controller = new AbortController();
  const waiting = gate.enter(LONG_MS, controller.signal);
  first();
  const leave = await waiting;
  t.strictSame(getEventListeners(controller.signal, 'abort'), [], 'one signal may serve many');
  controller.abort();
  t.equal(gate.inside, 1);
  leave();
  t.equal(gate.inside, 0);
});
