import { describe, expect, test } from 'vitest'
import { shown } from '../../errors.ts'
import { checkpointText, MAX_CHECKPOINT_BYTES } from '../../merkle/checkpoint.ts'
import { writeNote } from '../../merkle/signed-note.ts'
import { refusal } from '../../testing/scratch.ts'
import { checkCheckpoint, namesOfLog, type Entry } from './checkpoint.ts'

const root = Buffer.alloc(32, 7)
const hint = expect.stringContaining('modified or forged') as string
const signature = (name: string) => ({ name, keyHash: Buffer.alloc(4, 1), signature: Buffer.alloc(64, 2) })

function envelopeOf({ origin = 'rekor.test', size = 9, signers = ['rekor.test'] } = {}): string {
  return writeNote({ text: checkpointText({ origin, size, root }), signatures: signers.map(signature) })
}

/** An entry whose fields are those that the log signed, unless a test changes them. */
function entryOf(envelope = envelopeOf(), proof: object = {}, more: object = {}): Entry {
  return {
    logIndex: '3',
    inclusionPromise: undefined,
    inclusionProof: {
      logIndex: '3',
      rootHash: root,
      treeSize: '9',
      hashes: [],
      checkpoint: { envelope },
      ...proof,
    },
    ...more,
  } as unknown as Entry
}

const checked = (entry: Entry, logs = ['https://rekor.test']) => checkCheckpoint(entry, logs, 'model.sig')

function refuses(entry: Entry, expected: string, found: string, what: string): void {
  expect(() => checked(entry)).toThrow(
    refusal('LOG_INCLUSION_INVALID', {
      file: 'model.sig',
      expected,
      found,
      hint,
      message: expect.stringContaining(`in the log: ${what}`),
    }),
  )
}

test('an entry passes whose fields are those that its log signed', () => {
  expect(() => checked(entryOf())).not.toThrow()
})

describe('an entry is refused if', () => {
  test('its size of the tree is another one', () => {
    const what = 'the size of the tree is not the one that the log signed'
    for (const treeSize of ['8', '09', ' 9', ''])
      refuses(entryOf(undefined, { treeSize }), '9', JSON.stringify(treeSize), what)
  })

  test('its root hash is another one', () => {
    const rootHash = Buffer.alloc(32, 8)
    refuses(
      entryOf(undefined, { rootHash }),
      root.toString('base64'),
      `"${rootHash.toString('base64')}"`,
      'the root hash is not the one that the log signed',
    )
  })

  test('an index is not a number in decimal digits', () => {
    for (const index of ['', 'x', '-1', '03', '1.5', '3x', 'x3', '12345678901234567890'])
      for (const [inProof, stated] of [
        [index, '3'],
        ['3', index],
      ])
        refuses(
          entryOf(undefined, { logIndex: inProof }, { logIndex: stated, inclusionPromise: {} }),
          'decimal digits',
          JSON.stringify(`${stated} ${inProof}`),
          'an index is not a number',
        )
    for (const index of ['0', '10', '1234567890123456789'])
      expect(() => checked(entryOf(undefined, { logIndex: index }, { logIndex: index }))).not.toThrow()
  })

  test('its index is not the one in the tree, unless the log promised it', () => {
    const other = { logIndex: '4' }
    refuses(entryOf(undefined, {}, other), '3', '"4"', 'the index is not the one that the log signed')
    expect(() => checked(entryOf(undefined, {}, { ...other, inclusionPromise: {} }))).not.toThrow()
  })

  test('its checkpoint cannot be read', () => {
    const what = 'the checkpoint cannot be read'
    for (const envelope of ['', 'junk', envelopeOf({ signers: [] })])
      refuses(entryOf(envelope), 'a signed note by a log', shown(envelope), what)
  })

  test('its proof is larger than that of any tree', () => {
    const hashes = (count: number) => Array.from({ length: count }, () => root)
    expect(() => checked(entryOf(undefined, { hashes: hashes(64) }))).not.toThrow()
    const what = 'its proof is too large'
    refuses(entryOf(undefined, { hashes: hashes(65) }), 'at most 64 hashes', '65', what)
    const [plain, longest] = [envelopeOf({ origin: '' }).length, MAX_CHECKPOINT_BYTES]
    const padded = (size: number) => envelopeOf({ origin: `rekor.test - ${'x'.repeat(size - plain - 13)}` })
    expect(padded(longest)).toHaveLength(longest)
    expect(() => checked(entryOf(padded(longest)))).not.toThrow()
    refuses(entryOf(padded(longest + 1)), 'at most 64 hashes', '0', what)
  })

  test('its checkpoint is by another log', () => {
    const what = 'the checkpoint is by another log'
    for (const envelope of [
      envelopeOf({ origin: 'evil.test' }),
      envelopeOf({ origin: 'rekor.test.evil' }),
      envelopeOf({ origin: 'rekor.test-2' }),
      envelopeOf({ origin: 'x rekor.test - 1' }),
      envelopeOf({ signers: ['evil.test'] }),
      envelopeOf({ origin: 'evil.test', signers: ['evil.test'] }),
    ]) {
      const [origin = ''] = envelope.split('\n')
      refuses(entryOf(envelope), '"rekor.test"', JSON.stringify(origin), what)
    }
  })
})

describe('the log of a checkpoint', () => {
  test('may append the number of its tree, and have others sign', () => {
    const envelope = envelopeOf({ origin: 'rekor.test - 1193050959916656506', signers: ['witness.test', 'rekor.test'] })
    expect(() => checked(entryOf(envelope))).not.toThrow()
  })

  test('may be any that the trusted root names, under one of its names', () => {
    const entry = entryOf(envelopeOf({ origin: 'rekor.test:8443/v2', signers: ['rekor.test:8443/v2'] }))
    const other = 'https://other.test'
    expect(() => checked(entry, [other, 'https://rekor.test:8443/v2/'])).not.toThrow()
    const names = ['other.test', 'rekor.test', 'rekor.test:8443']
    expect(() => checked(entry, [other, 'https://rekor.test:8443'])).toThrow(
      refusal('LOG_INCLUSION_INVALID', {
        expected: names.map((name) => `"${name}"`).join(' or '),
        found: '"rekor.test:8443/v2"',
      }),
    )
  })

  test('signs as the host of its URL, with or without port and path', () => {
    expect(namesOfLog('https://rekor.test')).toEqual(['rekor.test', 'rekor.test', 'rekor.test'])
    expect(namesOfLog('https://rekor.test:8443/a/b/')).toEqual(['rekor.test', 'rekor.test:8443', 'rekor.test:8443/a/b'])
    expect(namesOfLog('https://rekor.test/a')).toEqual(['rekor.test', 'rekor.test', 'rekor.test/a'])
    expect(namesOfLog('rekor.test')).toEqual(['rekor.test'])
  })
})
