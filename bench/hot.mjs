import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = `${import.meta.dirname}/..`;
const maps = new Map();

/** `src/plugins/send.ts:42` of a place in a compiled file; a package's or node's own name otherwise. */
function placeOf({ url, lineNumber, columnNumber }) {
  if (!url.startsWith('file:')) return url;
  const path = fileURLToPath(url);
  const [, packaged] = /.*\/node_modules\/(.*)$/.exec(path) ?? [];
  if (packaged) return `${packaged}:${lineNumber + 1}`;
  if (!maps.has(path)) {
    try {
      maps.set(path, new SourceMap(JSON.parse(readFileSync(`${path}.map`, 'utf8'))));
    } catch {
      maps.set(path, null);
    }
  }
  const entry = maps.get(path)?.findEntry(lineNumber, columnNumber);
  const file = relative(ROOT, path)
    .replace(/^dist\//, '')
    .replace(/\.js$/, entry ? '.ts' : '.js');
  return `${file}:${(entry?.originalLine ?? lineNumber) + 1}`;
}

/** A call path's nearest frame of this project, else of a package, for native calls that hide who made them. */
function callerOf(node, parents) {
  let packaged = '';
  for (let at = parents.get(node.id); at; at = parents.get(at.id)) {
    const { url, functionName } = at.callFrame;
    if (!url.startsWith('file:') || url.includes('/bench/')) continue;
    const name = `${functionName || '(anonymous)'} ${placeOf(at.callFrame)}`;
    if (!url.includes('/node_modules/')) return name;
    packaged ||= name;
  }
  return packaged;
}

/**
 * What of a CPU profile took the time: `busyMs` of `totalMs`, how many functions were seen, those with the most time of their own, and
 * those of this project with the most time including what they call.
 */
export function hotSpots(path, count = 15) {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(path, 'utf8'));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node])));
  const own = new Map();
  const within = new Map();
  let totalMs = 0;
  let idleMs = 0;
  const add = (map, key, ms) => map.set(key, (map.get(key) ?? 0) + ms);
  samples.forEach((id, i) => {
    const ms = timeDeltas[i] / 1000;
    const node = byId.get(id);
    const { functionName } = node.callFrame;
    totalMs += ms;
    // `dispatch` is the inspector that begins and ends the profile.
    if (functionName === '(idle)' || functionName === 'dispatch') {
      idleMs += ms;
      return;
    }
    const place = placeOf(node.callFrame);
    const caller = place.startsWith('src/') || place.startsWith('routes/') ? '' : callerOf(node, parents);
    add(own, JSON.stringify([functionName || '(anonymous)', place, caller]), ms);
    const seen = new Set();
    for (let at = node; at; at = parents.get(at.id)) {
      const where = placeOf(at.callFrame);
      const key = `${at.callFrame.functionName || '(anonymous)'} ${where}`;
      if (/^(src|routes)\//.test(where) && !seen.has(key)) add(within, key, ms);
      seen.add(key);
    }
  });
  const top = (map) => [...map].sort((a, b) => b[1] - a[1]).slice(0, count);
  return {
    totalMs,
    busyMs: totalMs - idleMs,
    functions: own.size,
    own: top(own).map(([key, ms]) => {
      const [name, place, caller] = JSON.parse(key);
      return { name, place, caller, ms };
    }),
    within: top(within).map(([key, ms]) => ({ name: key, ms })),
  };
}
