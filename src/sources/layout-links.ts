import { readdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';

/** A place in the challenge's layout, and what stands before it. */
const PIPELINE = /^((?:[^/]+\/)*?)(dicoms|contourfiles)(\/|$)/i;
const EXPERTS = /(^|\/)contours-manual(\/|$)/i;
/** The names that make a folder with `dicoms/` one of the challenge's. */
const BESIDE = /^(link\.csv|contourfiles)$/i;

/** A link in a layout, and the folder of the same root that it leads to; both relative to the root. */
export interface LayoutLink {
  readonly path: string;
  readonly target: string;
}

/**
 * Finds the links to folders of the root itself by which a layout names its folders, as `dicoms/PATIENT` that
 * leads to a folder of raw images. Only the layout gives their files a meaning, so they are read there. A link
 * to a folder above itself, to a folder that has its own place in a layout, or from within another such
 * folder is not among them. Of two links to one folder the first by path is.
 */
export async function layoutLinks(
  root: string,
  without: readonly string[],
  maxDepth: number,
): Promise<LayoutLink[]> {
  const real = await realpath(root);
  const links: string[] = [];
  const waiting = [{ path: '', depth: 0 }];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { path: folder, depth } = next;
    // A folder that cannot be read is told by the walk itself.
    const entries = await readdir(join(root, folder), { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.name.startsWith('.') || without.includes(path) || depth >= maxDepth) continue;
      if (entry.isDirectory()) waiting.push({ path, depth: depth + 1 });
      else if (entry.isSymbolicLink() && (PIPELINE.test(path) || EXPERTS.test(path))) links.push(path);
    }
  }
  const found = new Map<string, string>();
  for (const path of links.sort()) {
    const target = await folderBelow(real, join(root, path));
    if (target === null || `${path}/`.startsWith(`${target}/`) || found.has(target)) continue;
    if ((await isPlace(root, path)) && !(await isPlace(root, target))) found.set(target, path);
  }
  const targets = [...found.keys()];
  return [...found]
    .filter(([, path]) => !targets.some((target) => path.startsWith(`${target}/`)))
    .map(([target, path]) => ({ path, target }));
}

/** Returns the folder below the root that a link leads to, relative to it; null where it leads elsewhere. */
async function folderBelow(real: string, link: string): Promise<string | null> {
  try {
    const target = await realpath(link);
    if (!target.startsWith(real + sep) || !(await stat(target)).isDirectory()) return null;
    return target.slice(real.length + 1);
  } catch {
    return null;
  }
}

/** Whether a layout says what lies at a path. */
async function isPlace(root: string, path: string): Promise<boolean> {
  if (EXPERTS.test(path)) return true;
  const above = PIPELINE.exec(path)?.[1];
  if (above === undefined) return false;
  const names = await readdir(join(root, above)).catch(() => []);
  return names.some((name) => BESIDE.test(name));
}
