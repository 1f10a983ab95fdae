import { setImmediate as turn } from 'node:timers/promises';
import fastify from 'fastify';
import t from 'tap';
import { parsing } from '../../src/plugins/parsing.js';

/** A schema that counts how often its properties are looked at, which is what compiling it does. */
function watched(counts: Record<string, number>, name: string) {
  return {
    type: 'object',
    get properties() {
      counts[name] = (counts[name] ?? 0) + 1;
      return { size: { type: 'integer' } };
    },
  };
}

t.test(
  'checks and writers of early routes are compiled once the service listens, others with their first use',
  async (t) => {
    const counts: Record<string, number> = {};
    const app = fastify();
    t.teardown(() => app.close());
    await app.register(parsing);
    for (const path of ['early', 'late'])
      app.post(
        `/${path}`,
        {
          config: path === 'early' ? { compiled: 'early' } : {},
          schema: {
            body: watched(counts, `check of ${path}`),
            response: {
              200: watched(counts, `writer of ${path}`),
              404: watched(counts, `problem of ${path}`),
            },
          },
        },
        async () => ({ size: 1 }),
      );
    await app.listen({ port: 0, host: '127.0.0.1' });
    const before = { ...counts };
    const looked = () => Object.keys(counts).filter((name) => counts[name] !== before[name]);
    t.strictSame(looked(), [], 'not before it listens');
    for (let turns = 0; turns < 5; turns++) await turn();
    t.strictSame(looked(), ['check of early', 'writer of early']);
    const answer = await app.inject({ method: 'POST', url: '/late', payload: { size: 1 } });
    t.equal(answer.body, '{"size":1}');
    t.strictSame(looked().slice(2), ['check of late', 'writer of late']);
  },
);

t.test('a service that closes compiles no more', async (t) => {
  const ROUTES = 20;
  const counts: Record<string, number> = {};
  const app = fastify();
  await app.register(parsing);
  for (let route = 0; route < ROUTES; route++)
    app.post(
      `/${route}`,
      { config: { compiled: 'early' }, schema: { body: watched(counts, String(route)) } },
      async () => null,
    );
  await app.listen({ port: 0, host: '127.0.0.1' });
  const before = { ...counts };
  await app.close();
  for (let turns = 0; turns < 2 * ROUTES; turns++) await turn();
  const compiled = Object.keys(counts).filter((name) => counts[name] !== before[name]);
  t.ok(compiled.length < ROUTES, `${compiled.length} of ${ROUTES}`);
});
