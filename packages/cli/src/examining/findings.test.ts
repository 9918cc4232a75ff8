import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { HostFacts } from '@modelseal/core/policy'
import { describe, expect, onTestFinished, test } from 'vitest'
import { isolationFindings, placeFindings, policyFindings } from './host.ts'
import { nodeFinding, optionalModules } from './installation.ts'
import { clockAndTrustRoot } from './trust.ts'
import { proxies, tokens } from './variables.ts'

const FAULT = { code: 'CACHE_UNSAFE', message: 'Cannot use it. Change its mode.', hint: 'Change its mode.' } as const
const PLACE = { exists: true, writable: true, owner: 0, mode: '0700', room: 5e12 }
const FACTS: HostFacts = {
  policy: { problem: FAULT },
  cache: { ...PLACE, path: '/cache' },
  temporary: { ...PLACE, path: '/tmp' },
  isolation: { copy: { place: '/tmp', notes: [] }, inPlace: { place: '/tmp', notes: [] } },
}

describe('of this machine', () => {
  test('a refusal of the core is a problem, with its code and its hint once', async () => {
    const [policy] = await policyFindings(FACTS)
    expect(policy).toEqual({
      status: 'problem',
      subject: 'policy',
      found: 'CACHE_UNSAFE: Cannot use it.',
      action: 'Change its mode.',
    })
    const [cache] = await placeFindings({ ...FACTS, cache: { ...FACTS.cache, problem: FAULT } })
    expect(cache).toMatchObject({ status: 'problem', subject: 'cache directory' })
  })

  test('directories are shown with owner, mode and free space', async () => {
    expect(await placeFindings(FACTS)).toEqual([
      { status: 'ok', subject: 'cache directory', found: '"/cache" (user 0, mode 0700), 5.0 TB free' },
      { status: 'ok', subject: 'TMPDIR', found: '"/tmp" (user 0, mode 0700), 5.0 TB free' },
    ])
  })

  test('little space, a missing TMPDIR and no cache directory get advice', async () => {
    const findings = await placeFindings({
      ...FACTS,
      cache: { exists: false, writable: false },
      temporary: { path: '/none', exists: false, writable: false },
    })
    expect(findings).toMatchObject([
      { status: 'advice', action: expect.stringContaining('MODELSEAL_CACHE') as string },
      { status: 'advice', action: expect.stringContaining('TMPDIR') as string },
    ])
    expect(await placeFindings({ ...FACTS, temporary: { ...FACTS.temporary, room: 1e6 } })).toMatchObject([
      { status: 'ok' },
      { status: 'advice', found: expect.stringContaining('1.0 MB free') as string },
    ])
  })

  test('directories that this user can neither write to nor create get advice', async () => {
    const cache = { path: '/cache', exists: false, writable: false }
    expect(await placeFindings({ ...FACTS, cache, temporary: { ...FACTS.temporary, writable: false } })).toEqual([
      {
        status: 'advice',
        subject: 'cache directory',
        found: '"/cache" cannot be created by this user',
        action: expect.stringContaining('MODELSEAL_CACHE') as string,
      },
      {
        status: 'advice',
        subject: 'TMPDIR',
        found: '"/tmp" cannot be written to by this user',
        action: expect.stringContaining('TMPDIR') as string,
      },
    ])
  })

  test('without place for copies, loads by path fail; without links, they copy', () => {
    const none = { notes: [], problem: FAULT }
    const statuses = isolationFindings({ ...FACTS, isolation: { copy: none, inPlace: none } }).map(
      ({ status }) => status,
    )
    expect(statuses).toEqual(['ok', 'advice', 'problem'])
  })

  test('what is not suitable gets advice that helps', () => {
    const advice = (note: string) =>
      isolationFindings({ ...FACTS, isolation: { ...FACTS.isolation, inPlace: { place: '/p', notes: [note] } } })[1]
    expect(advice('Cannot use TMPDIR for links: no.')).toMatchObject({
      status: 'advice',
      found: 'possible, through private directories in "/p". Cannot use TMPDIR for links: no.',
      action: expect.stringContaining('Set TMPDIR') as string,
    })
    const remote =
      'The working directory is on a file system (0x1) that is not known to be local, so models in it are copied.'
    expect(advice(remote)?.action).toContain('file system of this machine')
  })

  test('a policy with an error is a problem, and one with risks gets advice', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'modelseal-'))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    const path = join(directory, 'p.yaml')
    const found = async (text: string) => {
      writeFileSync(path, text, { mode: 0o600 })
      return policyFindings({ ...FACTS, policy: { path, from: 'option' } })
    }
    expect(await found('version: 2\n')).toMatchObject([
      { status: 'problem', action: `Run "modelseal policy check ${path}".` },
    ])
    expect(await found('version: 1\nrules: []\n')).toMatchObject([{ status: 'problem' }])
  })
})

describe('of the network', () => {
  test('proxies that Node.js does not use get advice, and no password is shown', () => {
    const HTTPS_PROXY = 'http://user:secret@proxy.example:3128'
    const [finding] = proxies({ HTTPS_PROXY })
    expect(finding).toMatchObject({ status: 'advice', found: expect.stringContaining('proxy.example:3128') as string })
    expect(JSON.stringify(finding)).not.toContain('secret')
    expect(proxies({ HTTPS_PROXY, NODE_USE_ENV_PROXY: '1' })).toMatchObject([{ status: 'ok' }])
    for (const noUrl of ['user:secret@proxy.example:3128', 'secret'])
      expect(proxies({ HTTPS_PROXY: noUrl })).toMatchObject([
        { found: 'HTTPS_PROXY (not a URL), which Node.js does not use' },
      ])
    expect(proxies({})).toEqual([{ status: 'ok', subject: 'proxies', found: 'none' }])
  })

  test('tokens are named, and never shown', () => {
    const home = mkdtempSync(join(tmpdir(), 'modelseal-'))
    onTestFinished(() => rmSync(home, { recursive: true }))
    expect(tokens({}, home)).toMatchObject([{ found: 'none' }])
    mkdirSync(join(home, '.docker'))
    writeFileSync(join(home, '.docker/config.json'), '{"auths":"secret"}')
    const [finding] = tokens({ HF_TOKEN: 'secret', AWS_PROFILE: 'secret' }, home)
    expect(finding?.found).toBe('Hugging Face: HF_TOKEN; object stores: AWS_PROFILE; registries: ~/.docker/config.json')
  })
})

describe('of the installation', () => {
  test('Node.js, with the versions that are supported', () => {
    expect(nodeFinding().found).toMatch(/^v\d+\.\d+\.\d+ \(supported: \^22/)
  })

  test('optional packages, with the versions that are installed', () => {
    const blake3 = optionalModules().find(({ subject }) => subject === '@napi-rs/blake-hash')
    expect(blake3).toMatchObject({ status: 'ok', found: '1.3.6 (for the hash algorithm blake3)' })
  })

  test('a clock before the trusted root was made is a problem', async () => {
    expect(await clockAndTrustRoot(0)).toMatchObject([
      { status: 'problem', subject: 'clock' },
      { subject: 'trust root' },
    ])
    expect(await clockAndTrustRoot(Date.now())).toMatchObject([{ status: 'ok' }, { subject: 'trust root' }])
  })

  test('an old trusted root gets advice', async () => {
    const [, root] = await clockAndTrustRoot(Date.now() + 20 * 365 * 86_400_000)
    expect(root).toMatchObject({ status: 'advice', action: expect.stringContaining('trust-root update') as string })
  })
})
