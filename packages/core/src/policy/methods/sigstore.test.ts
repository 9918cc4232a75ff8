import { beforeAll, describe, expect, test } from 'vitest'
import type { UnverifiedBundle } from '../../bundle/bundle.ts'
import type { SigstoreMaterial } from '../../bundle/materials/sigstore.ts'
import { ModelSealError } from '../../errors.ts'
import { authority, signingLeaf } from '../../testing/authority.ts'
import { refusal } from '../../testing/scratch.ts'
import { IDENTITY, ISSUER, TestSigstore } from '../../testing/sigstore.ts'
import { Effort } from '../../verification/effort.ts'
import { Revocations } from '../revocations/revocations.ts'
import type { RevokedText } from '../revocations/schema.ts'
import type { CompiledRoot } from '../roots/roots.ts'
import type { TextPattern } from '../schema/text.ts'
import { methodOf } from './methods.ts'
import { sigstoreMethod } from './sigstore.ts'

type SigstoreBundle = UnverifiedBundle & { material: SigstoreMaterial }

const sigstore = new TestSigstore()
let bundle: SigstoreBundle

beforeAll(async () => {
  // 1.3.6.1.4.1.57264.1.20: the trigger of a build.
  const extensions = [{ oid: '1.3.6.1.4.1.57264.1.20', value: 'push' }]
  bundle = (await sigstore.bundle({ rekor: 'v1', extensions })) as SigstoreBundle
})

interface Names {
  root?: string
  issuer?: TextPattern
  identity?: TextPattern
  extensions?: Record<string, string>
}

const accepted = ({ root = 'ours', issuer = ISSUER, identity = IDENTITY, extensions }: Names = {}) =>
  sigstoreMethod.compile({ sigstore: { root, issuer, identity, ...(extensions && { extensions }) } })

function identify(
  entries: readonly ReturnType<typeof accepted>[],
  { roots, now = sigstore.at.getTime(), signal }: { roots?: CompiledRoot[]; now?: number; signal?: AbortSignal } = {},
) {
  const ours: CompiledRoot = { kind: 'sigstore', name: 'ours', isFile: true, trust: () => sigstore.trust() }
  const named = (roots ?? [ours]).map((root) => [root.name, root] as const)
  return sigstoreMethod.identify({
    bundle,
    entries: entries.map((accepted, place) => ({ index: 2 * place, accepted })),
    policy: { roots: new Map(named), timestampAuthorities: [], revocations: new Revocations() },
    occasion: { now, effort: new Effort(signal) },
    notTrusted: (found = 'the one that it claims') => new ModelSealError('SIGNER_NOT_TRUSTED', found),
  })
}

describe('a signer is accepted', () => {
  test('by every entry whose identity, issuer and extensions it has', async () => {
    const entries: [Names, boolean][] = [
      [{}, true],
      [{ identity: `${IDENTITY}x` }, false],
      [{ identity: { pattern: 'https://github.com/**' } }, true],
      [{ issuer: 'https://other.example' }, false],
      [{ issuer: { pattern: 'https://*' } }, true],
      [{ extensions: { buildTrigger: 'push' } }, true],
      [{ extensions: { buildTrigger: 'release' } }, false],
      [{ extensions: { sourceRepositoryRef: 'main' } }, false],
      [{ extensions: { buildTrigger: 'push', sourceRepositoryRef: 'main' } }, false],
      [{ extensions: { toString: 'x' } }, false],
    ]
    const { signature, signers } = await identify(entries.map(([names]) => accepted(names)))
    expect(signature.signer).toMatchObject({ method: 'sigstore', name: 'ours', identity: IDENTITY, issuer: ISSUER })
    expect(signature.logEntry).toBeDefined()
    expect(signers).toEqual(entries.flatMap(([, matches], place) => (matches ? [2 * place] : [])))
  })

  test('only with its own extensions', async () => {
    const entry = { ...accepted(), extensions: { constructor: Object as never } }
    await expect(identify([entry])).rejects.toEqual(refusal('SIGNER_NOT_TRUSTED'))
  })

  test('and otherwise the message names it', async () => {
    await expect(identify([accepted({ identity: 'other' })])).rejects.toEqual(
      refusal('SIGNER_NOT_TRUSTED', { message: `"${IDENTITY}", issuer "${ISSUER}"` }),
    )
  })

  test('only by a trust root of Sigstore that could be read', async () => {
    const unread = refusal('TRUST_ROOT_INVALID', { message: 'The trust root "ours" of the policy could not be read.' })
    for (const roots of [
      [],
      [{ kind: 'sigstore', name: 'ours', isFile: true }],
      [{ kind: 'publicKey', name: 'ours', keys: [], trust: () => sigstore.trust() }],
    ] as CompiledRoot[][])
      await expect(identify([accepted()], { roots })).rejects.toEqual(unread)
    const other: CompiledRoot = {
      kind: 'sigstore',
      name: 'ours',
      isFile: true,
      trust: () => new TestSigstore().trust(),
    }
    await expect(identify([accepted()], { roots: [other] })).rejects.toBeInstanceOf(ModelSealError)
  })

  test('at the time of the load, and not once the caller has aborted', async () => {
    await expect(identify([accepted()], { now: sigstore.at.getTime() - 30 * 86_400_000 })).rejects.toBeInstanceOf(
      ModelSealError,
    )
    await expect(identify([accepted()], { signal: AbortSignal.abort() })).rejects.toEqual(refusal('ABORTED'))
  })
})

test('a bundle carries its certificate, and a signer is known by its identity', async () => {
  expect(sigstoreMethod.claimed()).toBe('the method sigstore')
  expect(sigstoreMethod.carried(bundle.material)).toEqual({ keys: [], certificates: [bundle.material.certificate] })
  expect(methodOf('sigstore').keyOf({} as never)).toBeUndefined()
  expect(sigstoreMethod.proves).toEqual({ log: true, age: true })
  const { signer } = (await identify([accepted()])).signature
  expect(sigstoreMethod.names({ ...signer, identity: 'A@b.example' })).toEqual(['san a@b.example'])
  expect(
    sigstoreMethod.described(accepted({ issuer: 'i', identity: { pattern: 'a*' }, extensions: { buildTrigger: 'p' } })),
  ).toBe('sigstore, issuer "i", identity "pattern a*", buildTrigger "p"')
  expect(accepted({ extensions: { buildTrigger: undefined as never } }).extensions).toEqual({ buildTrigger: '' })
})

test('an identity has the issuer of its certificate, and the one that authenticated it, if that can be read', async () => {
  const facts = { issuer: 'CN=Fulcio' } as never
  expect(await sigstoreMethod.issuers(bundle.material, facts)).toEqual(['CN=Fulcio', ISSUER])
  const { der } = await signingLeaf(await authority('Root'))
  expect(await sigstoreMethod.issuers({ method: 'sigstore', certificate: der }, facts)).toBeUndefined()
  const broken = { method: 'sigstore', certificate: null as never } as const
  await expect(sigstoreMethod.issuers(broken, facts)).rejects.toThrow(TypeError)
})

describe('a signer is warned about', () => {
  const found = (names: Names) =>
    sigstoreMethod
      .dangers(accepted({ issuer: 'https://i.example', identity: 'a', ...names }))
      .map(({ code, message }) => [code, message])

  test('that nearly everybody is', () => {
    expect(found({ identity: { pattern: '*' } })).toEqual([['SIGNER_BROAD', 'The identity matches nearly anybody.']])
    expect(found({})).toEqual([])
  })

  const misspelt = (field: string, text: string, fix: string) => [
    'SIGNER_MISSPELT',
    `The ${field} "${text}" cannot match anything. ${fix}`,
  ]

  test.each<readonly [string, string]>([
    ['mailto:a@b.example', 'Email addresses are written without "mailto:": write "a@b.example".'],
    ...(
      [
        ['email:a@b.example', 'a@b.example'],
        ['EMAIL: a@b.example', 'a@b.example'],
        ['uri:https://b.example', 'https://b.example'],
        ['DNS:b.example', 'b.example'],
      ] as const
    ).map(([text, bare]) => [text, `Sigstore identities are written without a type: write "${bare}".`] as const),
  ])('whose identity is written as %s', (identity, fix) => {
    expect(found({ identity })).toEqual([misspelt('identity', identity, fix)])
    // An issuer may look like this.
    expect(found({ issuer: identity })).toEqual([])
  })

  test.each(['x email:a', 'IP:a', 'DNS:', 'i.example', 'https://i.example/'])('but not if it is %s', (identity) =>
    expect(found({ identity })).toEqual([]),
  )

  test.each<readonly [string, string]>([
    ['i.example', 'Issuers are URLs: write "https://i.example".'],
    ['a-b.c.example/d', 'Issuers are URLs: write "https://a-b.c.example/d".'],
    ...(
      [
        'https://i.example/',
        'https://i.example//',
        'https://auth0.com/',
        'https://a.auth0.com/x/',
        'https://a/b.auth0.com/',
        'https://i.example/https://a.auth0.com/',
      ] as const
    ).map(
      (issuer) =>
        [
          issuer,
          `Few providers end their issuer with a slash. Unless yours does, write "${issuer.replace(/\/+$/, '')}".`,
        ] as const,
    ),
  ])('whose issuer is %s', (issuer, fix) => expect(found({ issuer })).toEqual([misspelt('issuer', issuer, fix)]))

  test.each([
    'https://i.example',
    'i',
    'x i.example',
    'https://a.auth0.com/',
    'https://acme.eu.auth0.com/',
    'i.example:1',
    'x https:a/',
    'http://i/',
  ])('but not if it is %s', (issuer) => expect(found({ issuer })).toEqual([]))

  test('that has an extension with a wildcard', () => {
    expect(found({ extensions: { sourceRepositoryRef: 'refs/*' } }).map(([code]) => code)).toEqual(['WILDCARD_EXACT'])
  })
})

test('a signer is revoked if its exact identity is', () => {
  const isRevoked = (names: Names, identities: NonNullable<RevokedText['identities']>) => {
    const revocations = new Revocations()
    revocations.add({ identities })
    return sigstoreMethod.isRevoked(accepted(names), { roots: new Map(), timestampAuthorities: [], revocations })
  }
  const revoked = [{ identity: 'a@b.example', issuer: 'https://i.example' }]
  expect(isRevoked({ identity: 'a@b.example', issuer: 'https://i.example' }, revoked)).toBe(true)
  expect(isRevoked({ identity: 'c@b.example', issuer: 'https://i.example' }, revoked)).toBe(false)
  expect(isRevoked({ identity: 'a@b.example', issuer: 'https://other.example' }, revoked)).toBe(false)
  expect(isRevoked({ identity: { pattern: 'a@b.example' }, issuer: 'https://i.example' }, revoked)).toBe(false)
  expect(isRevoked({ identity: { pattern: 'a@b.example' } }, [{ identity: { pattern: '*' } }])).toBe(false)
})
