import fastify from 'fastify';
import t from 'tap';
import { failure } from '../../src/plugins/failure.js';
import { host } from '../../src/plugins/host.js';

async function statuses(localOnly: boolean, hosts: readonly string[], url = '/read') {
  const app = fastify();
  await app.register(failure);
  await app.register(host, { localOnly });
  app.get('/read', async () => 'read');
  app.get('/open', { config: { access: 'open' } }, async () => 'open');
  const seen = [];
  for (const name of hosts) seen.push((await app.inject({ url, headers: { host: name } })).statusCode);
  return seen;
}

const LOCAL = [
  '127.0.0.1:8080',
  'localhost',
  'localhost:80',
  'gpu01:8080',
  '[::1]:8080',
  'a.localhost',
  '10.0.0.5',
];
const PUBLIC = ['evil.example', 'evil.example:8080', 'EVIL.example.', '127.0.0.1.evil.example'];

t.test('without a token a name that could lead here from outside is refused', async (t) => {
  t.strictSame(
    await statuses(true, LOCAL),
    LOCAL.map(() => 200),
  );
  t.strictSame(
    await statuses(true, PUBLIC),
    PUBLIC.map(() => 421),
  );
  t.strictSame(
    await statuses(true, PUBLIC, '/open'),
    PUBLIC.map(() => 200),
    'what everybody may see stays open',
  );
});

t.test('without a token no page of another site has a browser ask', async (t) => {
  const app = fastify();
  await app.register(failure);
  await app.register(host, { localOnly: true });
  app.post('/change', async () => 'changed');
  const status = async (origin: string) => {
    const headers = { host: '127.0.0.1:8080', origin };
    return (await app.inject({ method: 'POST', url: '/change', headers })).statusCode;
  };
  for (const own of ['http://127.0.0.1:8080', 'https://127.0.0.1:8080', 'HTTP://127.0.0.1:8080'])
    t.equal(await status(own), 200, own);
  for (const other of ['https://evil.example', 'null', 'http://127.0.0.1:9090', 'http://localhost:8080', ''])
    t.equal(await status(other), 403, other);
});

t.test('without a token no picture, frame or link of another site has a browser ask', async (t) => {
  const status = async (localOnly: boolean, headers: Record<string, string>, url = '/read') => {
    const app = fastify();
    await app.register(failure);
    await app.register(host, { localOnly });
    app.get('/read', async () => 'read');
    app.get('/open', { config: { access: 'open' } }, async () => 'open');
    return (await app.inject({ url, headers: { host: '127.0.0.1:8080', ...headers } })).statusCode;
  };
  for (const site of ['cross-site', 'same-site']) {
    for (const mode of ['no-cors', 'navigate', 'cors'])
      t.equal(await status(true, { 'sec-fetch-site': site, 'sec-fetch-mode': mode }), 403, `${site} ${mode}`);
    t.equal(
      await status(true, { 'sec-fetch-site': site }, '/open'),
      200,
      'what everybody may see stays open',
    );
    t.equal(await status(false, { 'sec-fetch-site': site }), 200, 'a token tells enough');
  }
  for (const site of ['same-origin', 'none'])
    t.equal(await status(true, { 'sec-fetch-site': site }), 200, site);
});

t.test('with a token any name will do', async (t) => {
  t.strictSame(
    await statuses(false, [...LOCAL, ...PUBLIC]),
    [...LOCAL, ...PUBLIC].map(() => 200),
  );
});
