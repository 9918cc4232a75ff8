import { createHash, generateKeyPairSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { ModelSealError, type ErrorCode } from '@modelseal/core'
import { verifyModel } from '@modelseal/core/verification'
import { inDays, SERVER_AUTH } from '../../packages/core/src/testing/authority.ts'
import { writeModel } from './models.ts'
import { Reference } from './reference.ts'
import { bundleOver, certificateParty, keyParty, type ChainOptions, type Party } from './signers.ts'

// Validly signed models that the reference tool accepts and modelseal refuses. A change in either tool
// fails a test here.

const work = mkdtempSync(join(tmpdir(), 'modelseal-interop-'))
const reference = new Reference()
let cases = 0

afterAll(() => {
  reference.close()
  rmSync(work, { recursive: true })
  console.log(`${cases} interoperation cases of what the two sides judge differently`)
})

const pem = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
}).privateKey
const PARTIES: [string, Party][] = [
  ['key', keyParty(work, 'release', pem)],
  ['certificate', await certificateParty(work, 'release')],
]

/** The model of every case: these two files, and one outside the model. */
const FILES = { a: '1', 'b/c': '2' }
const digestOf = (content: string) => createHash('sha256').update(content).digest('hex')

interface Resource {
  name: string
  digest: string
  algorithm: string
}

const RESOURCES: Resource[] = Object.entries(FILES).map(([name, content]) => ({
  name,
  digest: digestOf(content),
  algorithm: 'sha256',
}))

function statementOf(resources: Resource[], serialization: object = {}) {
  const root = createHash('sha256').update(Buffer.from(resources.map(({ digest }) => digest).join(''), 'hex'))
  return {
    _type: 'https://in-toto.io/Statement/v1',
    subject: [{ name: 'model', digest: { sha256: root.digest('hex') } }],
    predicateType: 'https://model_signing/signature/v1.0',
    predicate: {
      serialization: {
        method: 'files',
        hash_type: 'sha256',
        allow_symlinks: false,
        ignore_paths: [],
        ...serialization,
      },
      resources,
    },
  }
}

const GOOD = JSON.stringify(statementOf(RESOURCES))

/** The text of a bundle for the payload, which may be changed after signing. */
type Forge = (party: Party) => string

const over =
  (payload: string | Buffer): Forge =>
  (party) =>
    JSON.stringify(bundleOver(Buffer.from(payload), party))

interface Case {
  forge: Forge
  code: ErrorCode | 'accepted'
  theirs: 'accepted' | 'refused'
  /** Option of both verifiers. */
  ignoreUnsigned?: boolean
  /** Its command line always sets this option, which implies whole files and SHA-256, whatever the bundle says. */
  allowSymlinks?: boolean
  prepare?: (model: string) => void
}

const [a, c] = RESOURCES as [Resource, Resource]

const CASES: Record<string, Case> = {
  'no fault': { forge: over(GOOD), code: 'accepted', theirs: 'accepted' },
  'a payload with a duplicate key': {
    forge: over(GOOD.replace('"predicateType"', '"predicateType":"other","predicateType"')),
    code: 'JSON_DUPLICATE_KEY',
    theirs: 'accepted',
  },
  'a bundle with a duplicate key': {
    forge: (party) => over(GOOD)(party).replace('{"mediaType"', '{"mediaType":"other","mediaType"'),
    code: 'JSON_DUPLICATE_KEY',
    theirs: 'accepted',
  },
  'a payload with a byte order mark': { forge: over(`\ufeff${GOOD}`), code: 'JSON_NOT_UTF8', theirs: 'accepted' },
  'a payload in UTF-16': { forge: over(Buffer.from(GOOD, 'utf16le')), code: 'JSON_INVALID', theirs: 'accepted' },
  'a payload with NaN': {
    forge: over(GOOD.replace('"predicate":{', '"predicate":{"n":NaN,')),
    code: 'JSON_INVALID',
    theirs: 'accepted',
  },
  'junk in the base64 of the payload': {
    forge: (party) => over(GOOD)(party).replace('"payload":"', '"payload":"*!'),
    code: 'BASE64_INVALID',
    theirs: 'accepted',
  },
  'junk in the base64 of the signature': {
    forge: (party) => over(GOOD)(party).replace('"sig":"', '"sig":"*!'),
    code: 'BASE64_INVALID',
    theirs: 'accepted',
  },
  'a second signature by another signer': {
    forge: (party) => {
      const bundle = bundleOver(Buffer.from(GOOD), party)
      bundle.dsseEnvelope.signatures.push({ sig: Buffer.from('foreign').toString('base64'), keyid: '' })
      return JSON.stringify(bundle)
    },
    code: 'SIGNATURE_COUNT',
    theirs: 'accepted',
  },
  'a name that begins with ./': {
    forge: over(JSON.stringify(statementOf([{ ...a, name: './a' }, c]))),
    code: 'RESOURCE_NAME',
    theirs: 'accepted',
  },
  'a name that ends with /': {
    forge: over(JSON.stringify(statementOf([{ ...a, name: 'a/' }, c]))),
    code: 'RESOURCE_NAME',
    theirs: 'accepted',
  },
  'unsorted resources': {
    forge: over(JSON.stringify(statementOf([c, a]))),
    code: 'RESOURCE_ORDER',
    theirs: 'accepted',
  },
  'a repeated resource': {
    forge: over(JSON.stringify(statementOf([a, a, c]))),
    code: 'RESOURCE_DUPLICATE',
    theirs: 'accepted',
  },
  'a hash type that contradicts the digests': {
    forge: over(JSON.stringify(statementOf(RESOURCES, { hash_type: 'blake3' }))),
    code: 'RESOURCE_DIGEST',
    theirs: 'accepted',
    allowSymlinks: false,
  },
  'a name outside the model, with unsigned files ignored': {
    forge: over(JSON.stringify(statementOf([{ ...a, name: '../outside', digest: digestOf('o') }, a, c]))),
    code: 'RESOURCE_NAME',
    theirs: 'accepted',
    ignoreUnsigned: true,
  },
  'no resources for an empty model': {
    forge: over(JSON.stringify(statementOf([]))),
    code: 'RESOURCES_EMPTY',
    theirs: 'accepted',
    prepare: (model) => {
      rmSync(join(model, 'a'))
      rmSync(join(model, 'b'), { recursive: true })
    },
  },
  'an added link to a directory of unsigned files': {
    forge: over(GOOD),
    code: 'SYMLINK_REFUSED',
    theirs: 'accepted',
    allowSymlinks: true,
    prepare: (model) => {
      mkdirSync(`${model}-elsewhere`)
      writeFileSync(join(`${model}-elsewhere`, 'evil'), 'x')
      symlinkSync(`${model}-elsewhere`, join(model, 'linked'))
    },
  },
}

let count = 0

describe.each(PARTIES)('signed with a %s', (_, party) => {
  test.each(Object.entries(CASES))('%s', async (_name, { forge, code, theirs, prepare, ...flags }) => {
    cases++
    const directory = join(work, `case-${++count}`)
    const model = writeModel(join(directory, 'model'), FILES)
    writeFileSync(join(directory, 'outside'), 'o')
    prepare?.(model)
    const signature = join(directory, 'model.sig')
    writeFileSync(signature, forge(party))
    expect(await ourJudgement(model, signature, party, flags.ignoreUnsigned)).toBe(code)
    expect(await theirJudgement(model, signature, party, flags)).toBe(theirs)
  })
})

describe('a chain with', () => {
  const past = { notBefore: inDays(-20), notAfter: inDays(-10) }
  const future = { notBefore: inDays(10), notAfter: inDays(20) }
  const chains: [string, ChainOptions, ErrorCode, Case['theirs']][] = [
    ['an expired leaf', { leaf: past }, 'CERTIFICATE_EXPIRED', 'accepted'],
    ['a leaf that is not yet valid', { leaf: future }, 'CERTIFICATE_NOT_YET_VALID', 'accepted'],
    [
      'an authority that has since expired',
      { leaf: { notBefore: inDays(-15) }, intermediate: past },
      'CERTIFICATE_EXPIRED',
      'accepted',
    ],
    ['a leaf for TLS servers only', { leaf: { extendedUsages: [SERVER_AUTH] } }, 'CERTIFICATE_USAGE', 'accepted'],
    [
      'an authority for TLS servers only',
      { leaf: { ca: true, extendedUsages: [SERVER_AUTH] } },
      'CERTIFICATE_USAGE',
      'accepted',
    ],
    ['a leaf for encryption only', { leaf: { usages: ['keyEncipherment'] } }, 'CERTIFICATE_USAGE', 'refused'],
    ['an intermediate that is not an authority', { intermediate: { ca: false } }, 'CHAIN_NOT_CA', 'refused'],
  ]

  test.each(chains)('%s', async (_, options, code, theirs) => {
    cases++
    const directory = join(work, `case-${++count}`)
    const model = writeModel(join(directory, 'model'), FILES)
    const party = await certificateParty(directory, 'odd', options)
    const signature = join(directory, 'model.sig')
    writeFileSync(signature, over(GOOD)(party))
    expect(await ourJudgement(model, signature, party)).toBe(code)
    expect(await theirJudgement(model, signature, party)).toBe(theirs)
  })
})

async function ourJudgement(model: string, signature: string, { verifier }: Party, ignoreUnsignedFiles = false) {
  try {
    await verifyModel(model, { signature, verifier, ignoreUnsignedFiles })
    return 'accepted'
  } catch (error) {
    return error instanceof ModelSealError ? error.code : String(error)
  }
}

async function theirJudgement(model: string, signature: string, { theirs }: Party, flags: object = {}) {
  const answer = await reference.ask({ operation: 'verify', model, signature, ...theirs.verify, ...flags })
  return answer.ok ? 'accepted' : 'refused'
}
