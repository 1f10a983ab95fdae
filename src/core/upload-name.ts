const LONGEST = 1024;

/**
 * The name of an uploaded file as pairing sees it: its parts joined by `/`, without empty parts and `.`; null for one that is no
 * relative path: absolute, with a drive, with `..`, with a control character, or longer than 1,024 characters.
 */
export function relativeName(told: string): string | null {
  const name = told.replaceAll('\\', '/');
  if (name.length > LONGEST || name.startsWith('/') || /^[A-Za-z]:/.test(name)) return null;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(name)) return null;
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  return parts.length === 0 || parts.includes('..') ? null : parts.join('/');
}

const REPLACED = '\ufffd';

/** Whether a name was not UTF-8: its unreadable bytes are lost, so two such names may look the same. */
export function isGarbled(name: string): boolean {
  return name.includes(REPLACED);
}

/** Whether a file is one that desktops leave behind: a folder's walk leaves names with a leading dot out as well. */
export function isHidden(name: string): boolean {
  return name.split('/').some((part) => part.startsWith('.') || part === '__MACOSX');
}
