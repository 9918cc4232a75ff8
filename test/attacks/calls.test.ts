import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadPolicy, watchPolicy, type Policy } from '@modelseal/core'
import { checkPolicy, testPolicy } from '@modelseal/core/policy'
import {
  certificateSigner,
  keySigner,
  signModel,
  signModelAgain,
  sigstoreSigner,
  type Signer,
} from '@modelseal/core/signing'
import {
  checkIdentity,
  exportTrustRoot,
  loadSigstoreTrust,
  readBundle,
  readCertificates,
  validateChain,
  verifyCertificateBundle,
  verifyKeyBundle,
  verifyModel,
  type Verifier,
} from '@modelseal/core/verification'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  authority,
  pemOf,
  privateKeyPem,
  revocationList,
  signingLeaf,
} from '../../packages/core/src/testing/authority.ts'
import { readPublicKey } from '../../packages/core/src/x509/public-key.ts'
import { timestamp, timestampAuthority } from '../../packages/core/src/testing/timestamp.ts'
import { Workspace } from '../signed-models.ts'

// Like options.test.ts, for calls other than loads: on policies, verifiers and bundles.

const start = process.cwd()
let own: Workspace
let strange: Workspace

beforeAll(async () => {
  own = await prepared('own')
  strange = await prepared('strange')
})
afterEach(() => process.chdir(start))
afterAll(() => {
  own[Symbol.dispose]()
  strange[Symbol.dispose]()
})

/** A workspace in which every name that a test uses exists, with distinct content. */
async function prepared(name: string): Promise<Workspace> {
  const workspace = new Workspace()
  const write = (file: string, content: string | Buffer) => writeFileSync(join(workspace.path, file), content)
  const root = await authority(`Root of ${name}`)
  const leaf = await signingLeaf(root)
  write('root.pem', pemOf(root))
  write('leaf.pem', pemOf(leaf))
  write('leaf.key', await privateKeyPem(leaf))
  const revoked = name === 'own' ? [{ certificate: leaf }] : []
  write('list.crl', await revocationList(root, { revoked }))
  await workspace.sign('m', { 'weights.bin': `the weights of ${name}` })
  await signModel(join(workspace.path, 'models/m'), {
    signer: await certificateSigner({
      privateKey: join(workspace.path, 'leaf.key'),
      certificate: join(workspace.path, 'leaf.pem'),
    }),
    signature: join(workspace.path, 'certificate.sig'),
  })
  const decision = name === 'own' ? 'accepted' : 'refused'
  write('trust-policy.test.yaml', `- { model: models/m, expect: ${decision} }\n`)
  mkdirSync(join(workspace.path, 'empty'))
  return workspace
}

const codeOf = (error: unknown) => (error as { code?: string }).code ?? String(error)

/** Starts a call in one directory, and changes to another before the call continues. */
async function leaving<T>(call: () => Promise<T>, from = own.path, to = strange.path): Promise<T> {
  process.chdir(from)
  const calling = call()
  process.chdir(to)
  return calling
}

/** Returns the first value on the first read, and the others from then on. */
function changing(options: Record<string, [unknown, unknown]>): { reads: string[]; options: never } {
  const reads: string[] = []
  const properties = Object.entries(options).map(([name, [first, later]]) => [
    name,
    {
      enumerable: true,
      get: () => (reads.push(name) && reads.filter((read) => read === name).length > 1 ? later : first),
    },
  ])
  return {
    reads,
    options: Object.defineProperties({}, Object.fromEntries(properties) as PropertyDescriptorMap) as never,
  }
}

async function polluted<T>(name: string, value: unknown, work: () => T | Promise<T>): Promise<T> {
  const root = Object.prototype as Record<string, unknown>
  root[name] = value
  try {
    return await work()
  } finally {
    Reflect.deleteProperty(root, name)
  }
}

describe('paths are relative to the working directory at the time of the call, for', () => {
  test('loadPolicy, watchPolicy and checkPolicy', async () => {
    expect((await leaving(() => loadPolicy('trust-policy.yaml'))).path).toBe(own.policy)
    const watched = await leaving(() => watchPolicy('trust-policy.yaml'))
    expect((await watched.current()).path).toBe(own.policy)
    const findings = await leaving(() => checkPolicy('trust-policy.yaml'))
    expect(new Set(findings.map(({ file }) => file))).toEqual(new Set([own.policy]))
  })

  test('testPolicy and its expectations', async () => {
    const results = await leaving(() =>
      testPolicy({ policy: 'trust-policy.yaml', expectations: 'trust-policy.test.yaml' }),
    )
    expect(results).toMatchObject([{ passed: true, expect: 'accepted', verdict: { policy: own.policy } }])
  })

  test.each(['public key', 'public key of a previous signature'])('a %s', async (what) => {
    const verifier = { publicKey: 'release.pub' }
    const signature = 'models/m/model.sig'
    if (what === 'public key') {
      const { signer } = await leaving(() => verifyModel('models/m', { signature, verifier }))
      expect(signer).toMatchObject({ method: 'key', name: 'release.pub' })
    } else {
      const signer = await keySigner({ privateKey: join(own.path, 'release.key') })
      await leaving(() => signModelAgain('models/m', { signer, previous: { signature, verifier } }))
    }
    const strangers = join(own.path, 'models/m/model.sig')
    await expect(
      leaving(
        () => verifyModel(join(own.path, 'models/m'), { signature: strangers, verifier }),
        strange.path,
        own.path,
      ),
    ).rejects.toMatchObject({ code: 'KEY_MISMATCH' })
  })

  test('certificates, revocation lists and timestamp authorities', async () => {
    const check = (verifier: Verifier, at?: [string, string]) =>
      leaving(
        () =>
          verifyModel(join(own.path, 'models/m'), {
            signature: join(own.path, 'certificate.sig'),
            ignorePaths: ['model.sig'],
            verifier,
          }),
        ...(at ?? []),
      ).then(({ signer }) => signer.name, codeOf)
    const away: [string, string] = [strange.path, own.path]
    expect(await check({ certificateChain: ['root.pem'] })).toBe('root.pem')
    expect(await check({ certificateChain: ['root.pem'] }, away)).toBe('CHAIN_NO_PATH')
    expect(await check({ certificateChain: ['root.pem'], crls: ['list.crl'] })).toBe('CERTIFICATE_REVOKED')
    expect(await check({ certificateChain: ['root.pem'], timestampAuthorities: ['root.pem'] })).toBe('root.pem')
    expect(
      await check({ certificateChain: ['root.pem'], timestampAuthorities: ['none.pem'] }, [own.path, own.path]),
    ).toBe('FILE_NOT_FOUND')
  })

  test('a trusted root of Sigstore', async () => {
    const outcome = (from: string, to: string) =>
      leaving(() => loadSigstoreTrust({ file: 'root.pem' }), from, to).catch((error: unknown) => error)
    expect(await outcome(own.path, strange.path)).toMatchObject({ file: join(own.path, 'root.pem') })
    expect(
      await leaving(() =>
        verifyModel('models/m', {
          signature: 'models/m/model.sig',
          verifier: { identity: 'a', issuer: 'b', trustRoot: { file: 'root.pem' } },
        }),
      ).catch((error: unknown) => error),
    ).toMatchObject({ file: join(own.path, 'root.pem') })
  })

  test('the file that a trusted root is exported to', async () => {
    await leaving(() => exportTrustRoot('public-good', 'exported.json'))
    expect(existsSync(join(own.path, 'exported.json'))).toBe(true)
    expect(existsSync(join(strange.path, 'exported.json'))).toBe(false)
  })

  test('files that are read on their own', async () => {
    const here = await readPublicKey(join(own.path, 'release.pub'))
    for (let run = 0; run < 20; run++) {
      expect((await leaving(() => readPublicKey('release.pub'))).fingerprint).toBe(here.fingerprint)
      const [root] = await leaving(() => readCertificates('root.pem'))
      expect(root).toEqual((await readCertificates(join(own.path, 'root.pem')))[0])
      const { digest } = await leaving(() => readBundle('certificate.sig'))
      expect(digest).toBe((await readBundle(join(own.path, 'certificate.sig'))).digest)
    }
  })
})

describe('each option is read once, and later changes have no effect, for', () => {
  test('watchPolicy', async () => {
    const seen: string[] = []
    const watch = changing({
      onReload: [() => seen.push('first'), () => seen.push('later')],
      onError: [() => seen.push('first error'), () => seen.push('later error')],
    })
    const policy = join(own.path, 'watched.yaml')
    const rules = 'rules: [{ name: all, match: { path: "models/**" }, mode: skip, reason: test }]'
    writeFileSync(policy, `version: 1\n${rules}\n`)
    const watched = await watchPolicy(policy, watch.options)
    writeFileSync(policy, `version: 1\n# longer\n${rules}\n`)
    await watched.current()
    writeFileSync(policy, 'version: none')
    await watched.current()
    expect(seen.sort()).toEqual(expect.arrayContaining([expect.stringMatching(/^first/)]))
    expect(seen.filter((one) => one.startsWith('later'))).toEqual([])
    expect(watch.reads.sort()).toEqual(['onError', 'onReload'])
  })

  test('testPolicy', async () => {
    const { options, reads } = changing({
      policy: [own.policy, strange.policy],
      expectations: [join(own.path, 'trust-policy.test.yaml'), join(strange.path, 'trust-policy.test.yaml')],
      signal: [undefined, AbortSignal.abort()],
    })
    expect(await testPolicy(options)).toMatchObject([{ passed: true, expect: 'accepted' }])
    expect(reads.sort()).toEqual(['expectations', 'policy', 'signal'])
  })

  test('a verifier and its lists', async () => {
    const check = (verifier: Verifier, signature: string) =>
      verifyModel(join(own.path, 'models/m'), { signature, verifier, ignorePaths: ['model.sig'] })
    const key = changing({ publicKey: [join(strange.path, 'release.pub'), join(own.path, 'release.pub')] })
    await expect(check(key.options, join(own.path, 'models/m/model.sig'))).rejects.toMatchObject({
      code: 'KEY_MISMATCH',
    })
    expect(key.reads).toEqual(['publicKey'])

    const certificateChain = [join(strange.path, 'root.pem')]
    const checking = check({ certificateChain }, join(own.path, 'certificate.sig'))
    certificateChain.push(join(own.path, 'root.pem'))
    await expect(checking).rejects.toMatchObject({ code: 'CHAIN_NO_PATH' })

    const crls = [join(own.path, 'list.crl')]
    const revoked = check({ certificateChain: [join(own.path, 'root.pem')], crls }, join(own.path, 'certificate.sig'))
    crls.pop()
    await expect(revoked).rejects.toMatchObject({ code: 'CERTIFICATE_REVOKED' })
  })

  test('the key of verifyKeyBundle', async () => {
    const bundle = await readBundle(join(own.path, 'models/m/model.sig'))
    const [right, wrong] = await Promise.all([own, strange].map(({ path }) => readPublicKey(join(path, 'release.pub'))))
    const { options, reads } = changing({
      fingerprint: [right?.fingerprint, wrong?.fingerprint],
      key: [wrong?.key, right?.key],
      hash: ['sha256', 'sha256'],
    })
    expect(() => verifyKeyBundle(bundle, options, 'release')).toThrow(
      expect.objectContaining({ code: 'SIGNATURE_INVALID' }),
    )
    expect(reads.sort()).toEqual(['fingerprint', 'hash', 'key'])
  })

  test('the timestamp authorities of verifyKeyBundle', async () => {
    const { signer: tsa } = await timestampAuthority(await authority('Root of time'))
    const bundle = await readBundle(join(own.path, 'models/m/model.sig'))
    const stamped = { ...bundle, timestamps: [await timestamp(tsa, bundle.envelope.signature)] }
    const key = await readPublicKey(join(own.path, 'release.pub'))
    const trust = { timestampAuthorities: [(await authority('Another root')).der] }
    const verifying = verifyKeyBundle(stamped, key, 'release', trust)
    trust.timestampAuthorities.pop()
    await expect(verifying).rejects.toMatchObject({ code: 'TIMESTAMP_UNTRUSTED' })
  })

  test('the trust of verifyCertificateBundle, and the input of validateChain', async () => {
    const bundle = await readBundle(join(own.path, 'certificate.sig'))
    const [ownRoot, otherRoot] = await Promise.all(
      [own, strange].map(async ({ path }) => (await readCertificates(join(path, 'root.pem')))[0] ?? Buffer.alloc(0)),
    )
    const [leaf] = await readCertificates(join(own.path, 'leaf.pem'))
    const roots = [otherRoot]
    const trust = changing({
      roots: [roots, [ownRoot]],
      intermediates: [undefined, [ownRoot]],
      crls: [undefined, []],
      timestampAuthorities: [undefined, []],
      now: [undefined, new Date(0)],
    })
    const verifying = verifyCertificateBundle(bundle, trust.options, 'roots')
    roots.push(ownRoot)
    await expect(verifying).rejects.toMatchObject({ code: 'CHAIN_NO_PATH' })
    expect(new Set(trust.reads).size).toBe(trust.reads.length)

    const [strangeLeaf = Buffer.alloc(0)] = await readCertificates(join(strange.path, 'leaf.pem'))
    const input = { leaf: strangeLeaf, roots: [ownRoot] as Buffer[] }
    const validating = validateChain(input)
    input.leaf = leaf ?? Buffer.alloc(0)
    await expect(validating).rejects.toMatchObject({ code: 'CHAIN_NO_PATH' })
  })
})

describe('a property of Object.prototype changes nothing for', () => {
  const FIELDS: Record<string, unknown> = {
    policy: '/nowhere.yaml',
    expectations: '/nowhere.yaml',
    signal: AbortSignal.abort(),
    format: 'onnx',
    url: 'https://attacker.example/model',
    because: 'SIGNATURE_INVALID',
    rule: 'another',
    now: new Date(0),
    effort: {},
    crls: [],
    intermediates: [Buffer.alloc(1)],
    timestampAuthorities: [Buffer.alloc(1)],
    at: new Date(0),
    crlsAt: new Date(0),
    usage: 'timeStamping',
    systemRoots: true,
    identity: 'mallory',
    publicKey: 'release.pub',
    extensions: { sourceRepositoryRef: 'x' },
    trustRoot: 'staging',
    onReload: () => {
      throw new Error('called')
    },
    file: 'elsewhere.yaml',
  }

  test.each(Object.entries(FIELDS))('policies and verifiers: %s', async (name, value) => {
    const findings = await checkPolicy(own.policy)
    const bundle = await readBundle(join(own.path, 'certificate.sig'))
    const keyed = await readBundle(join(own.path, 'models/m/model.sig'))
    const publicKey = await readPublicKey(join(own.path, 'release.pub'))
    const roots = await readCertificates(join(own.path, 'root.pem'))
    const [leaf = Buffer.alloc(0)] = await readCertificates(join(own.path, 'leaf.pem'))
    const signer = { method: 'sigstore', identity: 'a', issuer: 'b', extensions: {} } as never
    const check = () => checkIdentity(signer, { identity: 'a', issuer: 'b' })
    await polluted(name, value, () => expect(check).not.toThrow())
    const outcomes = await polluted(name, value, async () => [
      (await testPolicy({ policy: own.policy })).map(({ passed }) => passed),
      JSON.stringify(await checkPolicy(own.policy)),
      await watchPolicy(own.policy)
        .then((watched) => watched.current())
        .then((policy: Policy) => policy.path),
      (await verifyKeyBundle(keyed, publicKey, 'key', {})).signer.name,
      (await verifyCertificateBundle(bundle, { roots }, 'roots')).signer.name,
      (await validateChain({ leaf, roots })).path.length,
      await verifyModel(join(own.path, 'models/m'), {
        signature: join(own.path, 'certificate.sig'),
        ignorePaths: ['model.sig'],
        verifier: { certificateChain: [join(own.path, 'root.pem')] },
      }).then(({ signer }) => signer.method, codeOf),
    ])
    expect(outcomes).toEqual([[true], JSON.stringify(findings), own.policy, 'key', 'roots', 2, 'certificate'])
  })
})

describe('a signer', () => {
  const sign = async (signer: Signer) => {
    const signature = join(own.path, 'signed-again.sig')
    await signModel(join(own.path, 'models/m'), { signer, signature, ignorePaths: ['model.sig'] })
    return readBundle(signature)
  }

  test('reads key and certificates relative to the working directory at the time of the call', async () => {
    const key = await readPublicKey(join(own.path, 'release.pub'))
    for (let run = 0; run < 10; run++) {
      const bundle = await sign(await leaving(() => keySigner({ privateKey: 'release.key' })))
      expect(verifyKeyBundle(bundle, key, 'release').signer).toMatchObject({ fingerprint: key.fingerprint })
    }
    const signer = await leaving(() =>
      certificateSigner({ privateKey: 'leaf.key', certificate: 'leaf.pem', chain: ['root.pem'] }),
    )
    const roots = await readCertificates(join(own.path, 'root.pem'))
    expect((await sign(signer)).material).toMatchObject({
      certificates: [(await readCertificates(join(own.path, 'leaf.pem')))[0], roots[0]],
    })
  })

  test('looks for a trusted root relative to the working directory at the time of the call', async () => {
    const refused = await leaving(() => sigstoreSigner({ trustRoot: { file: 'root.pem' } })).catch((e: unknown) => e)
    expect(refused).toMatchObject({ file: join(own.path, 'root.pem') })
  })

  test('reads each option once', async () => {
    const inOwn = (file: string) => join(own.path, file)
    const { options, reads } = changing({
      privateKey: [inOwn('leaf.key'), inOwn('none')],
      password: [undefined, 'later'],
      certificate: [inOwn('leaf.pem'), join(strange.path, 'leaf.pem')],
      chain: [undefined, [join(strange.path, 'root.pem')]],
    })
    expect((await sign(await certificateSigner(options))).material).toMatchObject({
      certificates: [(await readCertificates(inOwn('leaf.pem')))[0]],
    })
    expect(reads.sort()).toEqual(['certificate', 'chain', 'password', 'privateKey'])
  })

  test('reads nothing from Object.prototype', async () => {
    const files = { privateKey: join(own.path, 'leaf.key'), certificate: join(own.path, 'leaf.pem') }
    const chain = [join(strange.path, 'root.pem')]
    const signer = await polluted('chain', chain, () => certificateSigner(files))
    expect((await sign(signer)).material).toMatchObject({ certificates: { length: 1 } })
  })
})
