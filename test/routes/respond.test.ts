import type { FastifyRequest } from 'fastify';
import t from 'tap';
import { chooseFormat, isKnown } from '../../routes/respond.js';

t.test('what is asked for in the URL wins', async (t) => {
  t.equal(chooseFormat('npz', 'application/x-safetensors'), 'npz');
  t.equal(chooseFormat('safetensors', 'text/html'), 'safetensors');
});

t.test('without a wish it is safetensors', async (t) => {
  for (const accept of [
    undefined,
    '*/*',
    'application/*',
    'application/octet-stream',
    'text/html, */*;q=0.1',
  ])
    t.equal(chooseFormat(undefined, accept), 'safetensors', String(accept));
});

t.test('the best that the asker takes', async (t) => {
  const cases = {
    'application/x-npz': 'npz',
    'application/x-safetensors': 'safetensors',
    'Application/X-NPZ': 'npz',
    'application/x-npz, application/x-safetensors': 'safetensors',
    'application/x-npz, */*': 'npz',
    'application/x-npz;q=0.5, application/x-safetensors': 'safetensors',
    'application/x-safetensors;q=0.5,application/x-npz;q=0.9': 'npz',
    'application/x-npz ; q=0.9 , */* ; q=0.1': 'npz',
    'text/html;q=1, application/x-npz;q=0.2': 'npz',
    'application/x-safetensors;q=0, application/x-npz;q=0.1': 'npz',
  };
  for (const [accept, format] of Object.entries(cases))
    t.equal(chooseFormat(undefined, accept), format, accept);
});

t.test('a format that is refused by name is not sent for a wildcard', async (t) => {
  t.equal(chooseFormat(undefined, 'application/x-safetensors;q=0, */*'), 'npz');
});

t.test('what cannot be sent is 406 with the ways to ask', async (t) => {
  for (const accept of ['text/html', 'application/json', 'application/x-npz;q=0', '*/*;q=0'])
    t.throws(() => chooseFormat(undefined, accept), { code: 'SLF_NOT_ACCEPTABLE', status: 406 }, accept);
});

function knows(header: string | undefined, etag = '"abc"'): boolean {
  return isKnown({ headers: { 'if-none-match': header } } as unknown as FastifyRequest, etag);
}

t.test('an asker who names the bytes has them', async (t) => {
  for (const header of ['"abc"', ' "abc" ', '"x", "abc"', '"x","abc","y"', '*'])
    t.equal(knows(header), true, header);
  for (const header of [undefined, '', '"x"', 'abc', '"abcd"', '"ab"'])
    t.equal(knows(header), false, String(header));
});

t.test('a proxy may have made the name a weak one', async (t) => {
  t.equal(knows('W/"abc"'), true);
});
