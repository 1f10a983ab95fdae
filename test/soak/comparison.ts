import type { OpenedSession } from '../fixtures/client.js';
import { Feed } from './feed.js';
import type { Ledger } from './ledger.js';
import { type ServiceFolders, ServiceProcess } from './service-process.js';
import type { SharedSession } from './trainer.js';

/**
 * Asks a service that nobody disturbs, over the same files and a state of its own, with another number of loaders and another prefetch,
 * for every body that the ledger knows; answers how many it compared.
 */
export async function compareUndisturbed(
  folders: ServiceFolders,
  sessions: readonly SharedSession[],
  ledger: Ledger,
): Promise<number> {
  const service = await ServiceProcess.start(folders, 1);
  const feed = new Feed(service.url);
  const bodiesBefore = ledger.bodies;
  try {
    for (const { opened, world, endStep } of sessions) {
      const json = { ...opened.spec, prefetch: 8 };
      const path = `/v1/sessions/${opened.id}`;
      const twin = await feed.json<OpenedSession>({ method: 'PUT', path, json: withoutNulls(json) });
      for (const field of ['snapshot', 'specDigest', 'pairs', 'stepsPerEpoch'] as const)
        if (twin[field] !== opened[field])
          ledger.differ(`${opened.id}: its ${field} is ${opened[field]}, undisturbed ${twin[field]}`);
      for (let rank = 0; rank < world; rank++) {
        let step = 0;
        for await (const body of feed.bodies({ path: `${path}/stream?rank=${rank}&to=${endStep}` }))
          compare(ledger, { session: opened.id, step: step++, rank, form: 'safetensors' }, body);
        if (step < endStep)
          ledger.differ(`${opened.id} rank ${rank}: the undisturbed stream ended at step ${step}`);
        for (const address of ledger.addresses(opened.id, rank))
          if (address.form === 'npz')
            compare(
              ledger,
              address,
              await feed.body({ path: `${path}/batches/${address.step}?rank=${rank}&format=npz` }),
            );
      }
    }
    if (feed.lost + feed.busy > 0)
      ledger.differ(`the undisturbed service lost ${feed.lost} connections and refused ${feed.busy} times`);
    const end = await service.stop();
    if (end !== 0) ledger.differ(`the undisturbed service ended with ${end}`);
    return ledger.bodies - bodiesBefore;
  } finally {
    feed.close();
    service.end();
    ledger.bodies = bodiesBefore;
  }
}

function compare(ledger: Ledger, address: Parameters<Ledger['compare']>[0], body: Buffer): void {
  if (!ledger.knows(address))
    ledger.differ(`${address.session} step ${address.step} rank ${address.rank}: no trainer got it`);
  ledger.compare(address, body);
}

/** A spec as it was answered, to be sent again: null there means that nothing was asked for. */
function withoutNulls(spec: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(spec).filter(([, value]) => value !== null));
}
