import { GeneralName, GeneralSubtree, NameConstraints, type Extension } from 'pkijs'
import { describe, expect, test } from 'vitest'
import type { ModelSealError } from '../../errors.ts'
import {
  authority,
  COMMON_NAME,
  extension,
  ORGANIZATION,
  signingLeaf,
  type Issued,
  type Name,
} from '../../testing/authority.ts'
import { parseCertificate } from '../../x509/certificate.ts'
import { Effort } from '../effort.ts'
import { checkNameConstraints, isSelfIssued } from './name-constraints.ts'

const DNS = (value: string): Name => [2, value]

async function checked(path: readonly Issued[], effort = new Effort()): Promise<void> {
  await checkNameConstraints(await Promise.all(path.map(({ der }) => parseCertificate(der))), effort)
}

/** Which certificate may not be certified by which authority, and what was found. */
async function refusal(...path: Issued[]) {
  const error = await checked(path).then(
    () => expect.fail('accepted'),
    (error: unknown) => error as ModelSealError,
  )
  expect(error.code).toBe('CHAIN_NAME_CONSTRAINT')
  return `${error.message.slice(0, error.message.indexOf('. '))}: ${error.found ?? ''}`
}

/** An extension with name constraints as no authority should have them. */
function constraints(fields: ConstructorParameters<typeof NameConstraints>[0]): Extension {
  return extension('2.5.29.30', true, new NameConstraints(fields).toSchema())
}

const base = new GeneralName({ type: 2, value: 'example.org' })
const subtree = new GeneralSubtree({ base })

describe('the constraints of a root', () => {
  test('apply to the names of a leaf right below it', async () => {
    const root = await authority('Root', { permitted: [DNS('example.org')], excluded: [DNS('evil.example.org')] })
    await checked([await signingLeaf(root, { names: [DNS('a.example.org')] }), root])
    expect(await refusal(await signingLeaf(root, { names: [DNS('evil.net')] }), root)).toBe(
      'The certificate "CN=Signer" has a name that "CN=Root" may not certify: the name "DNS:evil.net", which is not permitted',
    )
    expect(await refusal(await signingLeaf(root, { names: [DNS('evil.example.org')] }), root)).toBe(
      'The certificate "CN=Signer" has a name that "CN=Root" may not certify: the name "DNS:evil.example.org", which is excluded',
    )
  })

  test('apply to the names of every certificate below it', async () => {
    const root = await authority('Root', { excluded: [DNS('evil.net')] })
    const middle = await authority('Intermediate', { issuer: root })
    const named = await authority('Intermediate', { issuer: root, names: [DNS('evil.net')] })
    await checked([await signingLeaf(middle, { names: [DNS('example.org')] }), middle, root])
    expect(await refusal(await signingLeaf(middle, { names: [DNS('evil.net')] }), middle, root)).toContain(
      'The certificate "CN=Signer" has a name that "CN=Root" may not certify',
    )
    expect(await refusal(await signingLeaf(named), named, root)).toContain(
      'The certificate "CN=Intermediate" has a name that "CN=Root" may not certify',
    )
  })

  test('do not apply to its own names, nor to those of certificates above', async () => {
    const root = await authority('Root', { names: [DNS('evil.net')] })
    const middle = await authority('Intermediate', {
      issuer: root,
      names: [DNS('evil.net')],
      excluded: [DNS('evil.net')],
    })
    await checked([await signingLeaf(middle), middle, root])
    await checked([middle])
  })

  test('apply to every one of several names, whatever precedes it', async () => {
    const root = await authority('Root', { permitted: [DNS('example.org'), DNS('example.net')] })
    await checked([await signingLeaf(root, { names: [DNS('a.example.net'), DNS('a.example.org')] }), root])
    const leaf = await signingLeaf(root, { names: [DNS('a.example.org'), DNS('evil.net')] })
    expect(await refusal(leaf, root)).toContain('the name "DNS:evil.net", which is not permitted')
  })
})

describe('a self-issued certificate', () => {
  test('has the same name as subject and issuer', async () => {
    const root = await authority('Root')
    expect(isSelfIssued(await parseCertificate(root.der))).toBe(true)
    expect(isSelfIssued(await parseCertificate((await signingLeaf(root)).der))).toBe(false)
  })

  test('is exempt from constraints between leaf and root, but not as a leaf', async () => {
    const name = [[ORGANIZATION, 'Example']] as const
    const root = await authority(name, { excluded: [DNS('evil.net')] })
    const rolled = await authority(name, { issuer: root, names: [DNS('evil.net')] })
    await checked([await signingLeaf(rolled), rolled, root])
    expect(await refusal(rolled, root)).toContain('the name "DNS:evil.net", which is excluded')
  })
})

describe('the names of a certificate', () => {
  const email = [['1.2.840.113549.1.9.1', 'release@evil.net']] as const

  test('are its subject, alternative names and e-mail addresses in the subject', async () => {
    const byMail = await authority('Root', { excluded: [[1, 'evil.net']] })
    expect(await refusal(await signingLeaf(byMail, { subject: email }), byMail)).toContain(
      'the name "email:release@evil.net", which is excluded',
    )
    const bySubject = await authority('Root', { excluded: [[4, 'Evil']] })
    expect(await refusal(await signingLeaf(bySubject, { subject: [[ORGANIZATION, 'Evil']] }), bySubject)).toContain(
      'which is excluded',
    )
    const common = await signingLeaf(byMail, { subject: [[COMMON_NAME, 'release@evil.net']] })
    await checked([common, byMail])
  })

  test('do not include an empty subject', async () => {
    const root = await authority('Root', { permitted: [[4, 'Example']] })
    await checked([await signingLeaf(root, { subject: [] }), root])
    expect(await refusal(await signingLeaf(root, { subject: [[ORGANIZATION, 'Other']] }), root)).toContain(
      'which is not permitted',
    )
  })

  test('are refused if they cannot be compared', async () => {
    const root = await authority('Root', { excluded: [[1, 'evil.net']] })
    expect(await refusal(await signingLeaf(root, { names: [[1, 'no address']] }), root)).toContain(
      'the name "email:no address", of a type or form that cannot be compared with the constraint',
    )
  })

  test('of other kinds need not be comparable', async () => {
    for (const limits of [{ excluded: [DNS('evil.net')] }, { permitted: [DNS('evil.net')] }]) {
      const root = await authority('Root', limits)
      await checked([await signingLeaf(root, { names: [[1, 'no address']] }), root])
    }
  })

  test('may be any that a wildcard means', async () => {
    const wild = { names: [DNS('*.example.org')] }
    const excluding = await authority('Root', { excluded: [DNS('evil.example.org')] })
    expect(await refusal(await signingLeaf(excluding, wild), excluding)).toContain('which is excluded')
    const permitting = await authority('Root', { permitted: [DNS('a.example.org')] })
    expect(await refusal(await signingLeaf(permitting, wild), permitting)).toContain('which is not permitted')
  })

  test('are compared a limited number of times', async () => {
    const root = await authority('Root', { excluded: Array.from({ length: 64 }, (_, i) => DNS(`evil${i}.net`)) })
    const names = (count: number) => Array.from({ length: count }, (_, i) => DNS(`a${i}.example.org`))
    await checked([await signingLeaf(root, { subject: [], names: names(64) }), root])
    expect(await refusal(await signingLeaf(root, { subject: [], names: names(65) }), root)).toContain(
      'more names than any real certificate has',
    )
  })

  test('are not compared once the caller has aborted', async () => {
    const root = await authority('Root', { excluded: [DNS('evil.net')] })
    const path = [await signingLeaf(root), root]
    await expect(checked(path, new Effort(AbortSignal.abort()))).rejects.toMatchObject({ code: 'ABORTED' })
  })
})

test('the constraints of a leaf are not read', async () => {
  const root = await authority('Root')
  await checked([await signingLeaf(root, { extensions: [constraints({})] }), root])
})

describe('a malformed constraint refuses every path', () => {
  const sentence = 'The authority "CN=Root" has a malformed name constraint'

  test.each<[string, ConstructorParameters<typeof NameConstraints>[0], string]>([
    ['with a minimum', { excludedSubtrees: [new GeneralSubtree({ base, minimum: 1 })] }, '"DNS:example.org"'],
    ['with a maximum', { permittedSubtrees: [new GeneralSubtree({ base, maximum: 1 })] }, '"DNS:example.org"'],
    ['without lists', {}, 'an empty list'],
    ['with an empty list', { permittedSubtrees: [] }, 'an empty list'],
    ['with a second list that is empty', { permittedSubtrees: [subtree], excludedSubtrees: [] }, 'an empty list'],
  ])('%s', async (_, fields, found) => {
    const root = await authority('Root', { extensions: [constraints(fields)] })
    const path = [await signingLeaf(root), root]
    expect(await refusal(...path)).toMatch(sentence)
    expect(await refusal(...path)).toContain(found)
    const expected = 'constraints in the forms of RFC 5280 4.2.1.10'
    await expect(checked(path)).rejects.toMatchObject({ expected })
  })
})
