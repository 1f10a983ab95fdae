import type { PairFinding, QualityReport } from './catalog/quality.js';

/** A finding as it is answered; `overlay` is the path of the pair's picture. */
export interface FindingDocument {
  readonly code: string;
  readonly pair: string;
  readonly structure: string | null;
  readonly value: number | null;
  readonly threshold: number | null;
  readonly detail: string;
  readonly overlay: string;
}

/** The quality report as it is answered; `next` asks for the findings behind these. */
export interface ReportDocument {
  readonly pairs: number;
  readonly findings: readonly FindingDocument[];
  readonly next: string | null;
}

/** A part of a report: `limit` findings from the one numbered `from` on. */
export function reportDocument(
  { pairs, findings }: QualityReport,
  from: number,
  limit: number,
): ReportDocument {
  const end = from + limit;
  return {
    pairs,
    findings: findings.slice(from, end).map(documentOf),
    next: findings.length > end ? String(end) : null,
  };
}

function documentOf({
  code,
  pair,
  structure,
  value,
  threshold,
  detail,
  study,
  slice,
}: PairFinding): FindingDocument {
  return {
    code,
    pair,
    structure,
    value,
    threshold,
    detail,
    overlay: `/v1/studies/${study}/pairs/${slice}/overlay.png`,
  };
}
