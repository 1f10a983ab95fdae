import fastify from 'fastify';
import t from 'tap';
import { auth, tokenCheck } from '../../src/plugins/auth.js';
import { failure } from '../../src/plugins/failure.js';

t.test('a token may do everything, one with the prefix may read', async (t) => {
  const may = tokenCheck(['alpha', 'ro:beta']);
  t.equal(may('alpha'), 'full');
  t.equal(may('ro:beta'), 'read');
  t.equal(may('beta'), 'read');
  for (const other of ['', 'gamma', 'alph', 'alphaa', 'Alpha', 'ro:alpha', 'ro:', ' alpha'])
    t.equal(may(other), null, JSON.stringify(other));
});

t.test('a token that is there in both ways may do everything', async (t) => {
  t.equal(tokenCheck(['alpha', 'ro:alpha'])('alpha'), 'full');
  t.equal(tokenCheck(['ro:alpha', 'alpha'])('alpha'), 'full');
  t.equal(tokenCheck(['ro:alpha', 'alpha'])('ro:alpha'), 'read');
});

t.test('without tokens nobody is known', async (t) => {
  t.equal(tokenCheck([])('alpha'), null);
});

async function app(tokens: readonly string[]) {
  const made = fastify();
  await made.register(failure);
  await made.register(auth, { tokens });
  made.get('/open', { config: { access: 'open' } }, async () => 'open');
  made.get('/read', async () => 'read');
  made.post('/write', { config: { access: 'write' } }, async () => 'write');
  return {
    async status(url: string, authorization?: string) {
      const answer = await made.inject({
        method: url === '/write' ? 'POST' : 'GET',
        url,
        headers: authorization === undefined ? {} : { authorization },
      });
      const { statusCode } = answer;
      return statusCode === 200 ? 200 : `${statusCode} ${answer.json().code}`;
    },
  };
}

t.test('routes ask for a token by what they are', async (t) => {
  const { status } = await app(['alpha', 'ro:beta']);
  t.equal(await status('/open'), 200);
  t.equal(await status('/read'), '401 SLF_UNAUTHORIZED');
  t.equal(await status('/read', 'Bearer beta'), 200);
  t.equal(await status('/read', 'Bearer alpha'), 200);
  t.equal(await status('/write', 'Bearer alpha'), 200);
  t.equal(await status('/write', 'Bearer beta'), '403 SLF_READ_ONLY_TOKEN');
  t.equal(await status('/write', 'Bearer gamma'), '401 SLF_UNAUTHORIZED');
  t.equal(await status('/nowhere'), '401 SLF_UNAUTHORIZED', 'what is there is not told to strangers');
});

t.test('ways to send a token', async (t) => {
  const { status } = await app(['alpha']);
  for (const header of ['Bearer alpha', 'bearer alpha', 'BEARER  alpha '])
    t.equal(await status('/read', header), 200, header);
  for (const header of ['', 'alpha', 'Bearer', 'Bearer ', 'Basic alpha', 'Bearer alpha beta', 'Bearer,alpha'])
    t.equal(await status('/read', header), '401 SLF_UNAUTHORIZED', header);
});

t.test('without tokens every route is open', async (t) => {
  const { status } = await app([]);
  t.equal(await status('/write'), 200);
});
