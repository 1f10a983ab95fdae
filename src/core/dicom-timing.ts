import type { Notes } from './dicom-notes.js';
import type { DicomValues } from './dicom-values.js';

/** When an image was made, as far as its order among others goes; each value grows with time, null where it is not said. */
export interface Timing {
  /** Milliseconds after the R wave: TriggerTime, else NominalCardiacTriggerDelayTime. */
  readonly triggerMs: number | null;
  /**
   * When the image was acquired, as a number that grows with date and time. Within one day it counts seconds;
   * one day later it is larger by `DAY`.
   */
  readonly acquired: number | null;
  /** The same of the content. */
  readonly content: number | null;
  /** TemporalPositionIdentifier, or TemporalPositionIndex of a frame. */
  readonly temporalPosition: number | null;
}

/** Longer than a day in seconds, so that the numbers of two days never meet. */
export const DAY = 100_000;

const TRIGGER_TIME = 0x00181060;
const TRIGGER_DELAY = 0x00209153;
const ACQUISITION_DATE_TIME = 0x0008002a;
const FRAME_ACQUISITION_DATE_TIME = 0x00189074;
const FRAME_REFERENCE_DATE_TIME = 0x00189151;
const [ACQUISITION_DATE, ACQUISITION_TIME] = [0x00080022, 0x00080032];
const [CONTENT_DATE, CONTENT_TIME] = [0x00080023, 0x00080033];
const TEMPORAL_POSITION = 0x00200100;
const TEMPORAL_INDEX = 0x00209128;

/** The elements that `timing` reads. */
// biome-ignore format: a table of tags
export const TIMING_TAGS: readonly number[] = [
  TRIGGER_TIME, TRIGGER_DELAY, ACQUISITION_DATE_TIME, FRAME_ACQUISITION_DATE_TIME, FRAME_REFERENCE_DATE_TIME,
  ACQUISITION_DATE, ACQUISITION_TIME, CONTENT_DATE, CONTENT_TIME, TEMPORAL_POSITION, TEMPORAL_INDEX,
];

/** Reads when an image or a frame was made; dates that cannot be, like a month 0, still have their place. */
export function timing(values: DicomValues, notes: Notes): Timing {
  const trigger = values.decimals(TRIGGER_TIME)?.[0] ?? values.float64(TRIGGER_DELAY);
  const position = values.integer(TEMPORAL_POSITION) ?? values.uint32(TEMPORAL_INDEX);
  const when = (date: number, time: number): number | null =>
    whenSaid(values.text(date), values.text(time), notes);
  if (Number.isNaN(trigger) || Number.isNaN(position))
    notes.add('HEADER_REPAIRED', 'a trigger time or temporal position is no number; order goes without it');
  return {
    triggerMs: trigger === null || Number.isNaN(trigger) ? null : trigger,
    acquired:
      whenJoined(values.text(FRAME_ACQUISITION_DATE_TIME) ?? values.text(ACQUISITION_DATE_TIME)) ??
      whenJoined(values.text(FRAME_REFERENCE_DATE_TIME)) ??
      when(ACQUISITION_DATE, ACQUISITION_TIME),
    content: when(CONTENT_DATE, CONTENT_TIME),
    temporalPosition: Number.isSafeInteger(position) ? position : null,
  };
}

const DATE = /^(\d{4})[.:/-]?(\d{2})?[.:/-]?(\d{2})?/;
const TIME = /^(\d{2}):?(\d{2})?:?(\d{2})?(\.\d{1,6})?/;

/** A date and time in one text (VR DT); an offset from UTC is left alone: one scanner has one clock. */
function whenJoined(text: string | null): number | null {
  return text === null ? null : whenOf(text.slice(0, 8), text.slice(8));
}

function whenSaid(date: string | null, time: string | null, notes: Notes): number | null {
  if ((date !== null && !DATE.test(date)) || (time !== null && !TIME.test(time)))
    notes.add('HEADER_REPAIRED', 'a date or time cannot be read; order goes without it');
  return whenOf(date, time);
}

function whenOf(date: string | null, time: string | null): number | null {
  const day = DATE.exec(date ?? '');
  const hour = TIME.exec(time ?? '');
  if (!day && !hour) return null;
  const [, year = '0', month = '0', dayOfMonth = '0'] = day ?? [];
  const [, hours = '0', minutes = '0', seconds = '0', fraction = '0'] = hour ?? [];
  const days = (Number(year) * 13 + Number(month)) * 32 + Number(dayOfMonth);
  const inDay = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds) + Number(fraction);
  return days * DAY + inDay;
}
