import fastify from 'fastify';
import t from 'tap';
import { auth } from '../../src/plugins/auth.js';
import { bearer } from '../../src/plugins/bearer.js';
import { failure } from '../../src/plugins/failure.js';
import { Tokens } from '../../src/tokens.js';

async function app(given: readonly string[]) {
  const made = fastify();
  const tokens = new Tokens(given);
  await made.register(failure);
  await made.register(bearer, { tokens });
  await made.register(auth, { tokens });
  made.get('/open', { config: { access: 'open' } }, async () => 'open');
  made.get('/read', async () => 'read');
  made.post('/open-session', { config: { access: 'read' } }, async () => 'opened');
  made.post('/write', async () => 'write');
  return {
    async status(url: string, authorization?: string) {
      const answer = await made.inject({
        method: url === '/write' || url === '/open-session' ? 'POST' : 'GET',
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
  t.equal(await status('/open-session', 'Bearer beta'), 200);
  t.equal(await status('/write', 'Bearer alpha'), 200);
  t.equal(
    await status('/write', 'Bearer beta'),
    '403 SLF_READ_ONLY_TOKEN',
    'what does not say so is not for reading',
  );
  t.equal(await status('/write', 'Bearer gamma'), '401 SLF_UNAUTHORIZED');
  t.equal(await status('/nowhere', 'Bearer beta'), '404 SLF_ROUTE_UNKNOWN');
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
