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

/** The findings of one study. */
export interface StudySummary {
  readonly study: string;
  /** Pairs with at least one finding. */
  readonly flagged: number;
  readonly findings: number;
  /** Findings of each code, in the order of their counts. */
  readonly codes: Readonly<Record<string, number>>;
}

/** The quality report as it is answered; `next` asks for the findings behind these. */
export interface ReportDocument {
  readonly pairs: number;
  readonly findings: readonly FindingDocument[];
  /** The totals of the studies with these findings, each counted as a whole. */
  readonly studies: readonly StudySummary[];
  readonly next: string | null;
}

/** A part of a report: `limit` findings from the one numbered `from` on. */
export function reportDocument(
  { pairs, findings }: QualityReport,
  from: number,
  limit: number,
): ReportDocument {
  const end = from + limit;
  const part = findings.slice(from, end);
  const named = new Set(part.map(({ study }) => study));
  return {
    pairs,
    findings: part.map(documentOf),
    studies: summarize(findings.filter(({ study }) => named.has(study))),
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

/** Findings counted by study, in the order of the studies' first findings. */
function summarize(findings: readonly PairFinding[]): StudySummary[] {
  const byStudy = new Map<string, PairFinding[]>();
  for (const finding of findings) {
    const known = byStudy.get(finding.study);
    if (known) known.push(finding);
    else byStudy.set(finding.study, [finding]);
  }
  return [...byStudy].map(([study, own]) => {
    const codes = new Map<string, number>();
    for (const { code } of own) codes.set(code, (codes.get(code) ?? 0) + 1);
    return {
      study,
      flagged: new Set(own.map(({ pair }) => pair)).size,
      findings: own.length,
      codes: Object.fromEntries([...codes].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))),
    };
  });
}
