import type { BaseLogger } from 'pino';
import { SlfError } from '../errors.js';
import { type Staging, StagingArea, type UploadLimits } from '../sources/staging.js';
import { readUpload, type UploadContent, type UploadLoaders } from './upload-content.js';

export interface UploadsOptions {
  /** The folder of all uploads, in the state folder. */
  readonly folder: string;
  readonly limits: UploadLimits;
  /** Uploads that may be under way at a time. */
  readonly atOnce: number;
  readonly loaders: UploadLoaders;
  readonly log: Pick<BaseLogger, 'info' | 'warn' | 'error'>;
}

/** What callers send: on its way, and read. */
export class Uploads {
  readonly limits: UploadLimits;
  #options: UploadsOptions;
  #area: StagingArea;
  #underWay = 0;

  constructor(options: UploadsOptions) {
    this.#options = options;
    this.limits = options.limits;
    this.#area = new StagingArea(options.folder, options.limits);
  }

  /**
   * Gives an upload a folder for the time of `work`, and removes what is left of it afterwards, whatever happened. Throws `SlfError`
   * where too many are under way.
   */
  async withStaging<T>(durable: boolean, work: (staging: Staging) => Promise<T>): Promise<T> {
    const { atOnce, log } = this.#options;
    if (this.#underWay >= atOnce)
      throw new SlfError('SLF_UPLOADS_BUSY', `${atOnce} uploads are under way: send it again later`, {
        retryAfterS: 5,
      });
    this.#underWay++;
    try {
      const staging = await this.#area.begin(durable);
      try {
        return await work(staging);
      } finally {
        await staging.remove().catch((error: NodeJS.ErrnoException) => {
          log.error(
            { code: error.code },
            'what was left of an upload could not be removed; the next start does',
          );
        });
      }
    } finally {
      this.#underWay--;
    }
  }

  /** Reads all files of an upload in loader children and pairs them. Throws `UploadRefused`. */
  read(staging: Staging, signal: AbortSignal): Promise<UploadContent> {
    return readUpload(staging, this.#options.loaders, signal);
  }
}
