/** In JSON, line breaks are only between tokens, where spaces mean the same. */
export function inOneLine(bytes: Buffer): Buffer {
  const text = bytes
    .toString('latin1')
    .replaceAll(/[\r\n]/g, ' ')
    .trim()
  return Buffer.from(text, 'latin1')
}
