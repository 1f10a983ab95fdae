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
/** Files with a line of their own, and studies in the last line. */
const MOST_LISTED = 200;
const MOST_NAMED = 5;

/**
 * Uploads a folder, study by study; a study that is there already with the same content is left as it is. A line for each goes to
 * stdout; progress, what is not sent, and the reasons go to stderr, whose last line tells how it ended. Returns whether every study
 * is there. Throws an error for people if the folder has none, or the service does not answer.
 */
export async function push({ folder, to, id, config }: PushOptions): Promise<boolean> {
  const { parcels, missed, left, notes } = await withFoundStudies(folder, config, (studies) =>
    parcelsOf(folder, studies),
  );
  for (const note of notes) console.error(remark(note));
  for (const one of left.slice(0, MOST_LISTED)) console.error(`not sent: ${remark(one)}`);
  if (left.length > MOST_LISTED) console.error(`not sent: ${left.length - MOST_LISTED} more like these`);
  for (const one of missed) console.error(`not sent, and a study may lack it: ${remark(one)}`);
  if (parcels.length === 0) throw new Error(`no image was found below ${folder}`);
  if (id !== null && parcels.length > 1)
    throw new Error(`the folder has ${parcels.length} studies: --id names one`);
  const progress = new Progress(process.stderr);
  const failed: string[] = [];
  for (const [at, parcel] of parcels.entries()) {
    const named = id === null ? parcel : { ...parcel, id };
    const failure = await pushOne(named, to, progress, `${at + 1}/${parcels.length}`);
    if (failure !== null) failed.push(`${named.id} (${failure})`);
  }
  console.error(ending(parcels.length, failed, missed.length, left.length));
  return failed.length === 0 && missed.length === 0;
}

/** The last line: how many studies are there, and why not all of them are. */
function ending(studies: number, failed: readonly string[], missed: number, left: number): string {
  const more = failed.length > MOST_NAMED ? ` and ${failed.length - MOST_NAMED} more` : '';
  const reasons = [
    ...(failed.length > 0 ? [`not uploaded: ${failed.slice(0, MOST_NAMED).join(', ')}${more}`] : []),
    ...(missed > 0 ? [`not sent, and a study may lack them: ${missed} file(s) or folder(s)`] : []),
  ];
  const sent = `${studies - failed.length} of ${studies} studies are there`;
  if (reasons.length > 0) return `failed: ${sent}; ${reasons.join('; ')}`;
  return left > 0 ? `${sent}; ${left} file(s) or folder(s) that are part of none are not sent` : sent;
}

function remark({ file, detail }: PushRemark): string {
  return `${file === null ? '' : `${file}: `}${detail}`;
}

/** Returns why the study is not there; null if it is. */
async function pushOne(
  parcel: Parcel,
  to: ServiceAt,
  progress: Progress,
  place: string,
): Promise<string | null> {
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

function tell(name: string, answer: PushAnswer): string | null {
  const { status, body } = answer;
  if (status !== 200 && status !== 201) {
    const detail = typeof body?.detail === 'string' ? body.detail : 'is this a slicefeed service?';
    console.error(`${name}: ${status} ${codeOf(answer)}: ${detail}`);
    return `${status} ${codeOf(answer)}`.trim();
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
  return null;
}

function codeOf({ body }: PushAnswer): string {
  return typeof body?.code === 'string' ? body.code : '';
}

function mega(bytes: number): string {
  return (bytes / MEGA).toFixed(1);
}
