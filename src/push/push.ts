import type { Config } from '../config.js';
import { Progress } from '../progress.js';
import { type Parcel, type PushRemark, parcelsOf } from './parcels.js';
import { withFoundStudies } from './read-folder.js';
import { type PushAnswer, sendParcel } from './send.js';
import type { ServiceAt } from './service-at.js';

export interface PushOptions {
  readonly folder: string;
  readonly to: ServiceAt;
  /** The id of the only study; null: the id that `parcelsOf` gives. */
  readonly id: string | null;
  readonly config: Config;
}

const TRIES = 6;
const LONGEST_WAIT_S = 30;
const MEGA = 1e6;

/**
 * Uploads a folder, study by study; what is there already with the same content is left as it is. A line for each on stdout, progress
 * and reasons on stderr. Answers whether all of them are there now. Throws an error for people when none could be sent.
 */
export async function push({ folder, to, id, config }: PushOptions): Promise<boolean> {
  const { parcels, left, notes } = await withFoundStudies(folder, config, (studies) =>
    parcelsOf(folder, studies),
  );
  for (const note of notes) console.error(remark('', note));
  for (const one of left) console.error(remark('not sent: ', one));
  if (parcels.length === 0) throw new Error(`there is no image in ${folder}`);
  if (id !== null && parcels.length > 1)
    throw new Error(`the folder has ${parcels.length} studies: --id names one`);
  const progress = new Progress(process.stderr);
  let failed = 0;
  for (const [at, parcel] of parcels.entries()) {
    const named = id === null ? parcel : { ...parcel, id };
    if (!(await pushOne(named, to, progress, `${at + 1}/${parcels.length}`))) failed++;
  }
  if (failed > 0) console.error(`${failed} of ${parcels.length} studies were not uploaded`);
  return failed === 0 && left.length === 0;
}

function remark(start: string, { file, detail }: PushRemark): string {
  return `${start}${file === null ? '' : `${file}: `}${detail}`;
}

async function pushOne(parcel: Parcel, to: ServiceAt, progress: Progress, place: string): Promise<boolean> {
  const url = new URL('v1/studies', to.url.href.endsWith('/') ? to.url : `${to.url.href}/`);
  url.searchParams.set('id', parcel.id);
  const total = parcel.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const name = parcel.id;
  for (let tries = 1; ; tries++) {
    let sent = 0;
    const answer = await sendParcel(url, to, parcel, (bytes) => {
      sent += bytes;
      const isWhole = sent >= total;
      const text = isWhole ? 'sent; the service reads it' : `${mega(sent)} of ${mega(total)} MB`;
      progress.show(place, `${name}  ${text}`, sent, total);
    }).finally(() => progress.clear());
    if (answer.status === 503 && tries < TRIES) {
      const waitS = Math.min(answer.retryAfterS ?? 1, LONGEST_WAIT_S);
      console.error(`${name}: the service is busy (${codeOf(answer)}); again in ${waitS} s`);
      await new Promise((resolve) => setTimeout(resolve, waitS * 1000));
      continue;
    }
    return tell(name, answer);
  }
}

function tell(name: string, answer: PushAnswer): boolean {
  const { status, body } = answer;
  if (status !== 200 && status !== 201) {
    const detail = typeof body?.detail === 'string' ? body.detail : 'is this a slicefeed service?';
    console.error(`${name}: ${status} ${codeOf(answer)}: ${detail}`);
    return false;
  }
  const { id, slices, pairs, unpaired } = body as unknown as {
    id: string;
    slices: number;
    pairs: number;
    unpaired: readonly { code: string }[];
  };
  const codes = new Map<string, number>();
  for (const { code } of unpaired) codes.set(code, (codes.get(code) ?? 0) + 1);
  const odd = [...codes].map(([code, count]) => `${count} ${code}`).join(', ');
  console.log(
    `${id}\t${status === 201 ? 'uploaded' : 'there already'}\t${slices} slices\t${pairs} pairs${odd === '' ? '' : `\tunpaired: ${odd}`}`,
  );
  return true;
}

function codeOf({ body }: PushAnswer): string {
  return typeof body?.code === 'string' ? body.code : '';
}

function mega(bytes: number): string {
  return (bytes / MEGA).toFixed(1);
}
