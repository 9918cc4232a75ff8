import { createHash } from 'node:crypto'
import { claimedName } from '../../../../packages/core/src/bundle/claim.ts'
import { statementSteps, writeStatement } from '../../../../packages/core/src/bundle/statement.ts'
import { atOnce } from '../../../../packages/core/src/source/turns.ts'
import { mustEqual, readOrRefused, REFUSED, texts, textOf, type Target } from '../../target.ts'

const A = 'a'.repeat(64)
const B = 'b'.repeat(64)

const target: Target = {
  dictionary: [
    A,
    'https://model_signing/Digests/v0.1',
    'https://model_signing/signature/v1.0',
    '"method":"shards"',
    '"shard_size":4,',
    '"sha256-sharded-4"',
    '"ignore_paths":["x"]',
    'a:0:4',
    'blake2b',
    'blake3',
    '..',
    '\\u0000',
  ],
  seeds: () =>
    texts(
      statement([{ name: 'a', digest: A, algorithm: 'sha256' }], { method: 'files', hash_type: 'sha256' }),
      statement(
        [
          { name: 'a/b.bin', digest: A, algorithm: 'sha256' },
          { name: 'a/größe', digest: B, algorithm: 'sha256' },
        ],
        { method: 'files', hash_type: 'sha256', ignore_paths: ['x/y'] },
      ),
      statement(
        [
          { name: 'a:0:4', digest: A, algorithm: 'sha256-sharded-4' },
          { name: 'a:4:6', digest: B, algorithm: 'sha256-sharded-4' },
        ],
        { method: 'shards', hash_type: 'sha256', shard_size: 4 },
      ),
      JSON.stringify({
        _type: 'https://in-toto.io/Statement/v1',
        subject: [{ name: 'a', digest: { sha256: A }, annotations: { actual_hash_algorithm: 'file-sha256' } }],
        predicateType: 'https://model_signing/Digests/v0.1',
        predicate: { unused: 'Unused, but "predicate" cannot be empty' },
      }),
    ),
  check(input) {
    // The digest of the subject is the one that its resources have, so that a mutation of them does not only break it.
    const text = textOf(input)
    const given = text === undefined ? input : withRootDigest(text)
    const read = readOrRefused(() => atOnce(statementSteps(given)))
    if (read === REFUSED) return
    const { manifest, version } = read
    const json = JSON.parse(textOf(given) ?? '') as Statement
    const stated = version === '0.1' ? json.subject.map(({ name, digest }) => [name, digest.sha256]) : listed(json)
    const found = manifest.resources.map(({ name, digest }) => [name, digest])
    mustEqual(version === '0.1' ? found.sort() : found, version === '0.1' ? stated.sort() : stated, 'What is listed')
    if (version === '0.1') return
    const { manifest: again } = atOnce(statementSteps(writeStatement(manifest)))
    mustEqual([again.resources, again.rootDigest], [manifest.resources, manifest.rootDigest], 'What is written again')
    mustEqual(again.serialization, manifest.serialization, 'The serialization that is written again')
    mustEqual(claimedName(writeStatement(manifest)), manifest.statedName, 'The name that is claimed')
  },
}
export default target

interface Statement {
  subject: { name: string; digest: { sha256: string } }[]
  predicate: { resources: { name: string; digest: string }[] }
}

function listed({ predicate }: Statement): [string, string][] {
  return predicate.resources.map(({ name, digest }) => [name, digest])
}

function statement(resources: object[], serialization: object): string {
  return JSON.stringify({
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: 'model', digest: { sha256: 'ROOT' } }],
    predicateType: 'https://model_signing/signature/v1.0',
    predicate: { resources, serialization: { allow_symlinks: false, ...serialization } },
  })
}

/** Replaces the word ROOT by the root digest. */
function withRootDigest(text: string): Buffer {
  try {
    const digests = listed(JSON.parse(text) as Statement).map(([, digest]) => Buffer.from(digest, 'hex'))
    const root = createHash('sha256').update(Buffer.concat(digests)).digest('hex')
    return Buffer.from(text.replace('"ROOT"', `"${root}"`))
  } catch {
    return Buffer.from(text)
  }
}
