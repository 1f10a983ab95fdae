import fastify from 'fastify';
import t from 'tap';
import { auth } from '../../src/plugins/auth.js';
import { bearer } from '../../src/plugins/bearer.js';
import { failure } from '../../src/plugins/failure.js';
import { rate } from '../../src/plugins/rate.js';
import { Tokens } from '../../src/tokens.js';

async function app(given: readonly string[], perMinute: number) {
  const made = fastify();
  const tokens = new Tokens(given);
  await made.register(failure);
  await made.register(bearer, { tokens });
  await made.register(rate, { tokens, perMinute });
  await made.register(auth, { tokens });
  made.get('/list', async () => 'list');
  made.get('/batch', { config: { rate: 'spared' } }, async () => 'batch');
  made.get('/live', { config: { access: 'open', rate: 'spared' } }, async () => 'live');
  return {
    ask: (url: string, token = '', remoteAddress = '192.0.2.1') =>
      made.inject({ url, remoteAddress, headers: { authorization: `Bearer ${token}` } }),
    async statuses(count: number, url: string, token?: string, address?: string) {
      const seen = [];
      for (let n = 0; n < count; n++) seen.push((await this.ask(url, token, address)).statusCode);
      return seen;
    },
  };
}

t.test('a token that asks too often is told when to come back', async (t) => {
  const made = await app(['alpha', 'beta'], 2);
  t.strictSame(await made.statuses(3, '/list', 'alpha'), [200, 200, 429]);
  const answer = await made.ask('/list', 'alpha');
  t.match(answer.headers, { 'content-type': /^application\/problem\+json/, 'retry-after': /^[1-9][0-9]?$/ });
  t.match(answer.json(), {
    status: 429,
    code: 'SLF_TOO_MANY_REQUESTS',
    detail:
      /^more than 2 requests within a minute: wait [1-9][0-9]? s, as Retry-After says\. Batches are not counted$/,
  });
  t.strictSame(await made.statuses(1, '/list', 'alpha', '192.0.2.2'), [429], 'from wherever it comes');
  t.strictSame(await made.statuses(2, '/list', 'beta'), [200, 200], 'another one is not concerned');
});

t.test('batches and what tells whether the service lives are not counted', async (t) => {
  const made = await app(['alpha'], 2);
  t.strictSame(await made.statuses(5, '/batch', 'alpha'), [200, 200, 200, 200, 200]);
  t.strictSame(await made.statuses(5, '/live'), [200, 200, 200, 200, 200]);
  t.strictSame(await made.statuses(3, '/list', 'alpha'), [200, 200, 429]);
  t.strictSame(
    await made.statuses(1, '/batch', 'alpha'),
    [200],
    'also when the token may ask for nothing else',
  );
});

t.test('who tries tokens is counted by address, also where others are spared', async (t) => {
  const made = await app(['alpha'], 3);
  const seen = [];
  for (const token of ['a', 'b', 'c', 'd']) seen.push((await made.ask('/batch', token)).statusCode);
  t.strictSame(seen, [401, 401, 401, 429]);
  t.strictSame(await made.statuses(1, '/nowhere', 'e'), [429]);
  t.strictSame(await made.statuses(1, '/list', 'alpha'), [200], 'the token is counted for itself');
  t.strictSame(await made.statuses(1, '/list', 'x', '192.0.2.9'), [401]);
});

t.test('where no token is needed addresses are counted, batches spared', async (t) => {
  const made = await app([], 2);
  t.strictSame(await made.statuses(4, '/batch'), [200, 200, 200, 200]);
  t.strictSame(await made.statuses(3, '/list', 'whatever'), [200, 200, 429]);
});

t.test('0 is no limit', async (t) => {
  const made = await app(['alpha'], 0);
  t.strictSame(new Set(await made.statuses(50, '/list', 'alpha')), new Set([200]));
});
