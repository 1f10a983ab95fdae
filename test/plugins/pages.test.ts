import t from 'tap';
import { ask } from '../fixtures/client.js';
import { startTestServer, temporaryFolder } from '../helper.js';

const server = await startTestServer(t, temporaryFolder(t), { TOKEN: 'a-token-of-this-test' });

t.test('the page of the contract runs its own scripts alone, and stands in no frame', async (t) => {
  for (const path of ['/docs', '/docs/', '/docs/static/swagger-initializer.js']) {
    const { status, headers } = await ask(server.url + path);
    t.equal(status, 200, path);
    const policy = Object.fromEntries(
      (headers.get('content-security-policy') ?? '').split(';').map((part) => {
        const [name = '', ...sources] = part.trim().split(' ');
        return [name, sources.join(' ')];
      }),
    );
    t.match(policy, {
      'default-src': "'none'",
      'script-src': "'self'",
      'connect-src': "'self'",
      'frame-ancestors': "'none'",
      'base-uri': "'none'",
    });
    t.notHas(
      policy,
      'upgrade-insecure-requests',
      'else the page is empty where the service speaks plain HTTP',
    );
    t.equal(headers.get('referrer-policy'), 'no-referrer');
    t.equal(headers.get('x-frame-options'), 'DENY');
  }
  const page = (await ask(`${server.url}/docs`)).body.toString();
  t.notMatch(page, /<script(?![^>]*\ssrc=)|\son\w+=|javascript:/i, 'nothing in it asks for more');
  t.notMatch(page, /(?:src|href)="(?:https?:)?\/\//, 'nothing comes from elsewhere');
});

t.test('the root leads to the page, without a token', async (t) => {
  const root = await fetch(`${server.url}/`, { redirect: 'manual' });
  t.equal(root.status, 302);
  t.equal(root.headers.get('location'), '/docs');
  t.match((await ask(`${server.url}/`)).body.toString(), '<div id="swagger-ui">');
});

t.test('every other answer is what its type says, errors among them', async (t) => {
  for (const path of ['/livez', '/openapi.json', '/v1/studies', '/nowhere']) {
    const { headers } = await ask(server.url + path);
    t.equal(headers.get('x-content-type-options'), 'nosniff', path);
    t.equal(headers.get('cross-origin-resource-policy'), 'same-origin', path);
  }
});
