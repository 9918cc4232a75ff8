import { ModelSealError, shown } from '@modelseal/core/errors'

/** What is known of the length of a file, in bytes. */
interface KnownLength {
  readonly name: string
  /** From the listing, or of the requested part. */
  readonly size: number | undefined
  /** From the response. */
  readonly length: number | undefined
}

/**
 * Ends as soon as a file is longer than the hub itself says, such as one that was compressed to fill the memory.
 *
 * @throws {@link ModelSealError} `HTTP_RESPONSE` if the file is longer or shorter
 */
export async function* exactly(known: KnownLength, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { name, length } = known
  const size = known.size ?? length
  const refused = (found: string) =>
    new ModelSealError(
      'HTTP_RESPONSE',
      `Cannot fetch the file ${shown(name)}: the hub sends another length than it states.`,
      {
        file: name,
        expected: `${size} bytes`,
        found,
        hint: 'Try again. If it fails again, ask the operator of the hub.',
      },
    )
  if (size !== undefined && length !== undefined && length !== size) throw refused(`${length} bytes`)
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.length
    if (size !== undefined && bytes > size) throw refused(`${bytes} bytes or more`)
    yield chunk
  }
  if (size !== undefined && bytes !== size) throw refused(`${bytes} bytes`)
}
