import { ModelSealError } from '../../errors.ts'

/**
 * Collects an answer of a registry that is read as a whole.
 *
 * @param what for messages
 * @throws {@link ModelSealError} `SOURCE_FAILED` if it is longer than allowed
 */
export async function collected(
  what: string,
  maxBytes: number,
  { length = 0, chunks }: { length: number | undefined; chunks: AsyncIterable<Uint8Array> },
): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let bytes = 0
  const check = (size: number) => {
    if (size <= maxBytes) return
    throw new ModelSealError('SOURCE_FAILED', `Cannot read the ${what}: it is too large.`, {
      expected: `at most ${maxBytes} bytes`,
      found: `${size} bytes or more`,
      hint: 'Check that the URL names a model.',
    })
  }
  check(length)
  for await (const chunk of chunks) {
    bytes += chunk.length
    check(bytes)
    parts.push(chunk)
  }
  return Buffer.concat(parts)
}
