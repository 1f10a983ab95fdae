/** Defined terms of SpecificCharacterSet to the decoder that reads them (DICOM PS3.3, section C.12.1.1.2). */
const DECODERS: ReadonlyMap<string, string> = new Map([
  ['ISO_IR 100', 'iso-8859-1'],
  ['ISO_IR 101', 'iso-8859-2'],
  ['ISO_IR 109', 'iso-8859-3'],
  ['ISO_IR 110', 'iso-8859-4'],
  ['ISO_IR 144', 'iso-8859-5'],
  ['ISO_IR 127', 'iso-8859-6'],
  ['ISO_IR 126', 'iso-8859-7'],
  ['ISO_IR 138', 'iso-8859-8'],
  ['ISO_IR 148', 'iso-8859-9'],
  ['ISO_IR 203', 'iso-8859-15'],
  ['ISO_IR 13', 'shift_jis'],
  ['ISO_IR 166', 'windows-874'],
  ['ISO_IR 192', 'utf-8'],
  ['GB18030', 'gb18030'],
  ['GBK', 'gbk'],
  // Code extensions: two bytes of the second set stand apart from ASCII by their high bits, or are escaped.
  ['ISO 2022 IR 149', 'euc-kr'],
  ['ISO 2022 IR 58', 'gb18030'],
  ['ISO 2022 IR 87', 'iso-2022-jp'],
  ['ISO 2022 IR 159', 'iso-2022-jp'],
]);

/** What switches between sets: ESC, one to three intermediate bytes and a final one (ISO/IEC 2022). */
const ESCAPE = new RegExp(String.raw`${String.fromCharCode(0x1b)}[$()*+,\-./]{1,3}[0-9A-Z@]`, 'g');

/**
 * Reads text by the character set that a data set names; several names, as code extensions have them, separated by
 * backslashes: the last one that is known counts. Without one, text that is UTF-8 is read as such, and any other as Latin-1.
 */
export function decodeText(bytes: Uint8Array, characterSet: string | null): string {
  const terms = (characterSet ?? '').split('\\').map((term) => term.trim());
  const name = terms.map(decoderOf).findLast((decoder) => decoder !== null);
  if (name === 'iso-2022-jp') return new TextDecoder(name).decode(bytes);
  if (name) return new TextDecoder(name).decode(bytes).replaceAll(ESCAPE, '');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('iso-8859-1').decode(bytes);
  }
}

function decoderOf(term: string): string | null {
  return DECODERS.get(term) ?? DECODERS.get(term.replace(/^ISO 2022 IR /, 'ISO_IR ')) ?? null;
}
