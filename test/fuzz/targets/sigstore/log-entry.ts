import { hash } from 'node:crypto'
import { readLoggedEntry } from '../../../../packages/core/src/monitoring/logged-entry.ts'
import {
  checkCheckpoint,
  namesOfLog,
  type Entry,
} from '../../../../packages/core/src/verification/sigstore/checkpoint.ts'
import { mustEqual, readOrRefused, REFUSED, texts, textOf, type Target } from '../../target.ts'

// An input is the body of an entry; or a checkpoint, after which come the fields of an entry that nobody signed.

const BETWEEN = '\n--\n'
const ROOT = Buffer.alloc(32, 1).toString('base64')
const LOG = 'https://log.example/tree'
const DIGEST = Buffer.from(hash('sha256', 'x'), 'hex').toString('base64')
const CERTIFICATE = { x509Certificate: { rawBytes: 'MAA=' }, keyDetails: 'PKIX_ECDSA_P256_SHA_256' }
const CHECKPOINT = `log.example/tree\n7\n${ROOT}\n\n\u2014 log.example/tree AAAAAAAA\n`
const PROOF = { logIndex: '3', treeSize: '7', rootHash: ROOT, hashes: ['', ''] }

const target: Target = {
  dictionary: [
    BETWEEN,
    '\u2014 ',
    ' - 1193050959916656506',
    'log.example',
    '"publicKey":{"rawBytes":"MAA="}',
    '"apiVersion":"0.0.2"',
    '"kind":"dsse"',
    '"dsseV002"',
    '"hashedRekordV002"',
    '"__proto__":',
    '"promise":true',
    'null',
  ],
  seeds() {
    const data = { algorithm: 'SHA2_256', digest: DIGEST }
    const entry = (kind: string, spec: object) => JSON.stringify({ apiVersion: '0.0.2', kind, spec })
    return texts(
      entry('hashedrekord', { hashedRekordV002: { data, signature: { content: 'AA==', verifier: CERTIFICATE } } }),
      entry('dsse', {
        dsseV002: {
          payloadHash: data,
          signatures: [
            { content: 'AA==', verifier: CERTIFICATE },
            { content: 'AA==', verifier: { publicKey: { rawBytes: 'MAA=' } } },
          ],
        },
      }),
      [CHECKPOINT, JSON.stringify(PROOF)].join(BETWEEN),
      [CHECKPOINT.replace('tree', 'trees'), JSON.stringify(PROOF)].join(BETWEEN),
      [CHECKPOINT.replace('\u2014 log', '\u2014 a.log'), JSON.stringify(PROOF)].join(BETWEEN),
      [
        CHECKPOINT.replaceAll('log.example/tree', 'log.example').replace('\n', ' - 42\n'),
        JSON.stringify({ ...PROOF, promise: true, global: '99' }),
      ].join(BETWEEN),
    )
  },
  check(input) {
    const text = textOf(input)
    if (text === undefined) return
    checkBody(text)
    const [envelope = '', fields] = text.split(BETWEEN)
    const given = fields === undefined ? undefined : fieldsIn(fields)
    if (given) checkProof(envelope, given)
  },
}
export default target

interface Body {
  kind: 'dsse' | 'hashedrekord'
  apiVersion: string
  spec: {
    hashedRekordV002: { data: Digest; signature: Signature }
    dsseV002: { payloadHash: Digest; signatures: Signature[] }
  }
}
interface Digest {
  algorithm: string
  digest: string
}
interface Signature {
  verifier: { x509Certificate?: { rawBytes: string } | null }
}

function checkBody(text: string): void {
  const read = readOrRefused(() => readLoggedEntry(Buffer.from(text)))
  if (read === REFUSED) return
  const { kind, apiVersion, spec } = JSON.parse(text) as Body
  const { hashedRekordV002: one, dsseV002: several } = spec
  mustEqual(Object.keys(spec), [kind === 'dsse' ? 'dsseV002' : 'hashedRekordV002'], 'What the entry has')
  const { algorithm, digest } = kind === 'dsse' ? several.payloadHash : one.data
  const signatures = kind === 'dsse' ? several.signatures : [one.signature]
  const certificates = signatures.flatMap(({ verifier }) => verifier.x509Certificate?.rawBytes ?? [])
  mustEqual(
    [read.kind, read.digest, read.certificates.map((each) => each.toString('base64'))],
    [kind, { algorithm, hex: Buffer.from(digest, 'base64').toString('hex') }, certificates],
    'The entry',
  )
  mustEqual(apiVersion, '0.0.2', 'Its version')
}

interface Proof {
  logIndex: string
  treeSize: string
  rootHash: string
  hashes: string[]
  promise: boolean
  global: string
}

function fieldsIn(text: string): Proof | undefined {
  try {
    const { logIndex, treeSize, rootHash, hashes, promise, global } = JSON.parse(text) as Partial<
      Record<string, unknown>
    >
    return {
      ...{
        logIndex: String(logIndex),
        treeSize: String(treeSize),
        rootHash: String(rootHash),
        promise: promise === true,
      },
      hashes: Array.isArray(hashes) ? hashes.map(String) : [],
      global: String(global ?? logIndex),
    }
  } catch {
    return undefined
  }
}

/** The parts of a checkpoint are found by another expression. */
function checkProof(envelope: string, { logIndex, treeSize, rootHash, hashes, promise, global }: Proof): void {
  const entry = {
    logIndex: global,
    inclusionPromise: promise ? {} : undefined,
    inclusionProof: {
      ...{ logIndex, treeSize, rootHash: Buffer.from(rootHash, 'base64') },
      hashes: hashes.map((each) => Buffer.from(each)),
      checkpoint: { envelope },
    },
  } as unknown as Entry
  const read = readOrRefused(() => checkCheckpoint(entry, [LOG], undefined))
  if (read === REFUSED) return
  const [, origin = '', size, root, others = '', signatures = ''] =
    /^([^\n]+)\n(\d+)\n([\w+/]{43}=)\n((?:[^\n]+\n)*)\n((?:\u2014 [^\n]*\n)+)$/.exec(envelope) ?? []
  mustEqual([treeSize, Buffer.from(rootHash, 'base64').toString('base64')], [size, root], 'Size and root')
  if (!promise) mustEqual(global, logIndex, 'The index')
  const signers = signatures.split('\n').map((line) => line.split(' ')[1] ?? '')
  const names = ['log.example', 'log.example/tree']
  mustEqual(new Set(namesOfLog(LOG)), new Set(names), 'The names of the log')
  if (!signers.some((name) => names.includes(name) && (origin === name || origin.startsWith(`${name} - `))))
    throw new Error(`It is by ${origin}, signed by ${signers.join()}, with ${others.length} bytes besides.`)
}
