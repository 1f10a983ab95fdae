import t from 'tap';
import { parseTokenLines, parseTokens, TokenError, Tokens } from '../src/tokens.js';

function may(tokens: readonly string[], bearer: string) {
  return new Tokens(tokens).find(bearer)?.may ?? null;
}

t.test('a token may do everything, one with the prefix may read', async (t) => {
  const tokens = ['alpha', 'ro:beta'];
  t.equal(may(tokens, 'alpha'), 'full');
  t.equal(may(tokens, 'ro:beta'), 'read');
  t.equal(may(tokens, 'beta'), 'read');
  for (const other of ['', 'gamma', 'alph', 'alphaa', 'Alpha', 'ro:alpha', 'ro:', ' alpha'])
    t.equal(may(tokens, other), null, JSON.stringify(other));
});

t.test('a token that is there in both ways may do everything', async (t) => {
  t.equal(may(['alpha', 'ro:alpha'], 'alpha'), 'full');
  t.equal(may(['ro:alpha', 'alpha'], 'alpha'), 'full');
  t.equal(may(['ro:alpha', 'alpha'], 'ro:alpha'), 'read');
});

t.test('without tokens nobody is known and none is needed', async (t) => {
  t.equal(new Tokens([]).needed, false);
  t.equal(may([], 'alpha'), null);
});

t.test('keys tell tokens apart and hold nothing of them', async (t) => {
  const tokens = new Tokens(['alpha', 'ro:beta']);
  const [alpha, beta] = ['alpha', 'beta'].map((token) => tokens.find(token)!.key);
  t.not(alpha, beta);
  t.equal(tokens.find('ro:beta')!.key, beta, 'with the prefix or without it');
  t.notMatch(`${alpha} ${beta}`, /alpha|beta/);
});

t.test('tokens are replaced, and never by none', async (t) => {
  const tokens = new Tokens(['alpha']);
  tokens.replace(['beta']);
  t.equal(tokens.find('alpha'), null);
  t.equal(tokens.find('beta')?.may, 'full');
  t.throws(() => tokens.replace([]), TokenError);
  t.equal(tokens.find('beta')?.may, 'full');
  t.equal(tokens.needed, true);
});

t.test('tokens are separated by commas or lines; only files have comments', async (t) => {
  t.strictSame(parseTokens('a, b,,ro:c\r\nd\n'), ['a', 'b', 'ro:c', 'd']);
  t.strictSame(parseTokens('#s3cret'), ['#s3cret']);
  t.strictSame(parseTokens('ro:#a,#b'), ['ro:#a', '#b']);
  t.strictSame(parseTokenLines('#s3cret'), []);
  t.strictSame(parseTokenLines('\uFEFF# of the trainers\r\nro:a\r\n\r\n  # one more\nb\nc,d'), [
    'ro:a',
    'b',
    'c',
    'd',
  ]);
  t.strictSame(parseTokens(''), []);
});

t.test('a token that no client can send is refused by its place', async (t) => {
  for (const bad of ['two words', 'schlüssel', 'tab\there', 'null\0', 'ro:'])
    t.throws(() => parseTokens(`good,${bad}`), { name: 'TokenError', message: /^token 2 of 2 / }, bad);
  t.throws(() => parseTokens('good,secret word'), { message: /^(?!.*secret).*$/ }, 'and is not quoted');
});
