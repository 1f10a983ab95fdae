import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { Ledger } from './ledger.js';

const SOAK = fileURLToPath(new URL('./soak.js', import.meta.url));

interface End {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function soak(...args: string[]): Promise<End> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [SOAK, ...args], (_error, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}

t.test(
  'batches, counts and audits are those of an undisturbed run while loaders and service are killed',
  async (t) => {
    const { code, stdout, stderr } = await soak(
      ...[
        '--batches',
        '600',
        '--seconds',
        '3600',
        '--loader-kill-ms',
        '300',
        '--service-kill-batches',
        '250',
      ],
    );
    t.equal(code, 0, stdout + stderr);
    const [, bodies, compared] = /(\d+) bodies in \S+ s, (\d+) compared/.exec(stdout) ?? [];
    t.ok(Number(bodies) >= 600, `${bodies} bodies`);
    t.ok(Number(compared) >= 600, `${compared} compared`);
    const [, loaders, services] = /(\d+) loaders and (\d+) services killed; 0 differences/.exec(stdout) ?? [];
    t.ok(Number(loaders) >= 3, `${loaders} loaders killed`);
    t.ok(Number(services) >= 2, `${services} services killed`);
  },
);

t.test('wrong use is told with exit code 2', async (t) => {
  for (const args of [
    ['--batches', 'many'],
    ['--world', '0'],
    ['--bathces', '3'],
  ]) {
    const { code, stderr } = await soak(...args);
    t.equal(code, 2, args.join(' '));
    t.match(stderr, /^soak: .*--/);
  }
});

t.test('the ledger takes other bytes at the same address for a difference', async (t) => {
  const ledger = new Ledger();
  const address = { session: 's', step: 3, rank: 1, form: 'safetensors' } as const;
  ledger.compare(address, Buffer.from('one'));
  ledger.compare(address, Buffer.from('one'));
  ledger.compare({ ...address, rank: 0 }, Buffer.from('two'));
  ledger.compare({ ...address, form: 'npz' }, Buffer.from('three'));
  t.match(ledger, { bodies: 4, differences: 0 });
  ledger.compare(address, Buffer.from('two'));
  t.match(ledger, {
    bodies: 5,
    differences: 1,
    told: ['s step 3 rank 1 safetensors: other bytes than before'],
  });
});

t.test(
  'the ledger counts each pair of an epoch, and takes one that comes twice for a difference',
  async (t) => {
    const ledger = new Ledger();
    ledger.train('s', 0, 4, [2, 0, -1]);
    ledger.train('s', 1, 4, [2, 0, -1]);
    ledger.train('s', 0, 4, [1]);
    t.strictSame([ledger.trained('s', 0), ledger.trained('s', 1), ledger.trained('s', 2)], [3, 2, 0]);
    t.equal(ledger.differences, 0);
    ledger.train('s', 0, 4, [3, 2]);
    ledger.train('s', 0, 4, [4]);
    t.equal(ledger.trained('s', 0), 4);
    t.strictSame(ledger.told, ['s epoch 0: pair 2 came twice', 's epoch 0: place 4 of 4 pairs']);
  },
);
