import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { importPair, makeCertificate, makeKey, makeToken, PIN, ready, softHsm, work } from '../pkcs11/soft-hsm.ts'
import {
  directory,
  failed,
  JUDGE,
  modelseal,
  requiring,
  rootDigestIn,
  SIGN,
  useWorkingDirectory,
  write,
} from './modelseal.ts'

useWorkingDirectory()

const SIGN_TOKEN = ['sign', 'pkcs11-key', 'vad', '--signature', 'vad/model.sig']

afterAll(() => rm(work, { recursive: true }))

describe.skipIf(!ready)('with SoftHSM', () => {
  let publicKey: string
  let certificate: string

  beforeAll(async () => {
    await mkdir(join(work, 'tokens'))
    await writeFile(join(work, 'softhsm2.conf'), `directories.tokendir = ${join(work, 'tokens')}\nlog.level = ERROR\n`)
    process.env['SOFTHSM2_CONF'] = join(work, 'softhsm2.conf')
    makeToken('release')
    const pair = makeKey('P-256')
    importPair('release', pair.privateKey, 'bare', '01')
    publicKey = pair.publicKey
    const certified = makeCertificate('P-384')
    importPair('release', certified.privateKey, 'certified', '02')
    certificate = certified.certificate
  })

  beforeEach(() => Promise.all([write('pin', `${PIN}\n`), write('wrong-pin', 'wrong-43981\n')]))

  const uri = (object: string, pin = 'pin') =>
    `pkcs11:token=release;object=${object}?module-path=${softHsm}&pin-source=${directory}/${pin}`

  test('a signature by a token key verifies with its public key', async () => {
    const signed = await modelseal([...SIGN_TOKEN, '--pkcs11-uri', uri('bare')])
    expect(signed).toMatchObject({ code: 0, stderr: '' })
    expect(signed.stdout).not.toContain(PIN)
    const verify = ['verify', 'key', 'vad', '--signature', 'vad/model.sig', '--public-key', publicKey]
    expect(await modelseal(verify)).toMatchObject({ code: 0, stderr: '' })
  })

  test('finds a module by its name in --module-paths, in either spelling of the option', async () => {
    const byName = uri('bare').replace(/module-path=[^&]*/, 'module-name=softhsm2')
    for (const option of ['--module-paths', '--module_paths']) {
      const paths = [option, directory, option, join(softHsm, '..')]
      expect(await modelseal([...SIGN_TOKEN, '--pkcs11_uri', byName, ...paths])).toMatchObject({ code: 0 })
    }
    failed(await modelseal([...SIGN_TOKEN, '--pkcs11-uri', byName, '--module-paths', directory]), 'PKCS11_MODULE')
  })

  test('signs with a certificate for a token key', async () => {
    const sign = ['sign', 'pkcs11-certificate', 'vad', '--signature', 'vad/model.sig']
    const signed = await modelseal([...sign, '--pkcs11_uri', uri('certified'), '--signing_certificate', certificate])
    expect(signed).toMatchObject({ code: 0, stderr: '' })
    const verify = ['verify', 'certificate', 'vad', '--signature', 'vad/model.sig', '--certificate-chain', certificate]
    const verified = await modelseal(verify)
    expect(verified).toMatchObject({ code: 0, stderr: '' })
    expect(verified.stdout).toContain('certificate "')
    failed(
      await modelseal([...sign, '--pkcs11-uri', uri('bare'), '--signing-certificate', certificate]),
      'KEY_MISMATCH',
    )
  })

  test.each([
    ['pkcs11-key', 'bare', () => [], () => ({ team: { publicKey } }), { key: 'team' }],
    [
      'pkcs11-certificate',
      'certified',
      () => ['--signing-certificate', certificate],
      () => ({ team: { certificates: { roots: certificate } } }),
      { certificate: { root: 'team', subject: { pattern: 'CN=signer *' } } },
    ],
  ])('attests with %s, and a policy believes only this signer', async (method, object, more, roots, signer) => {
    const type = 'https://example.org/review/v1'
    await write('review.json', '{"approved":true}')
    await modelseal(SIGN)
    const attest = ['attest', method, 'vad', '--type', type, '--from', 'review.json']
    const attested = await modelseal([...attest, '--pkcs11-uri', uri(object), ...more()])
    expect(attested).toMatchObject({ code: 0, stderr: '' })
    expect(attested.stdout).not.toContain(PIN)
    await requiring({ type, signers: [signer] }, roots())
    expect(await modelseal(JUDGE)).toMatchObject({ code: 0, stderr: '' })
    // The signers of the rule are meant, who have attested nothing.
    await requiring({ type })
    failed(await modelseal(JUDGE), 'SIGNER_NOT_TRUSTED')
  })

  test('signs a feed with two keys of a token, both of which a policy requires', async () => {
    const { stdout } = await modelseal(SIGN)
    await modelseal(['advisory', 'create', 'feed.yaml', '--feed', 'acme'])
    await modelseal(['advisory', 'add', 'feed.yaml', '--root-digest', rootDigestIn(stdout)!])
    await write(
      'policy.json',
      JSON.stringify({
        version: 1,
        trustRoots: {
          release: { publicKey: './release.pub' },
          token: { publicKey },
          team: { certificates: { roots: certificate } },
        },
        rules: [{ name: 'r', match: { path: '**' }, signers: [{ key: 'release' }] }],
        advisories: [
          {
            file: 'feed.jsonl',
            signers: [{ key: 'token' }, { certificate: { root: 'team', subject: { pattern: 'CN=signer *' } } }],
            threshold: 2,
          },
        ],
      }),
    )
    const sign = (method: string, object: string, ...more: string[]) =>
      modelseal([
        ...['advisory', 'sign', method, 'feed.yaml', '--output', 'feed.jsonl', '--pkcs11-uri', uri(object)],
        ...more,
      ])
    const cache = { MODELSEAL_CACHE: join(directory, 'cache') }
    await mkdir(cache.MODELSEAL_CACHE, { mode: 0o700 })
    const verify = ['advisory', 'verify', 'feed.jsonl', '--policy', 'policy.json']
    expect(await sign('pkcs11-key', 'bare')).toMatchObject({ code: 0, stderr: '' })
    failed(await modelseal(verify), 'SIGNATURE_THRESHOLD')
    failed(await modelseal(JUDGE, cache), 'ADVISORY_STALE')
    const second = await sign(
      'pkcs11-certificate',
      'certified',
      '--signing-certificate',
      certificate,
      '--add-signature',
    )
    expect(second).toMatchObject({ code: 0, stderr: '' })
    expect(second.stdout).not.toContain(PIN)
    const verified = await modelseal(verify)
    expect(verified).toMatchObject({ code: 0, stderr: '' })
    expect(verified.stdout).toMatch(/accepted as +".*feed\.jsonl", signed by key .* and CN=signer /)
    failed(await modelseal(JUDGE, cache), 'MODEL_REVOKED')
    const alone = ['advisory', 'verify', 'feed.jsonl', '--certificate-chain', certificate]
    expect(await modelseal(alone)).toMatchObject({ code: 0, stderr: '' })
  })

  test('never prints a wrong PIN, not even with stack traces', async () => {
    const args = [...SIGN_TOKEN, '--pkcs11-uri', uri('bare', 'wrong-pin')]
    expect(failed(await modelseal(args), 'PKCS11_PIN')).not.toContain('43981')
    const traced = await modelseal(['--log-level', 'debug', ...args])
    expect(traced.code).toBe(1)
    expect(traced.stderr).toContain('\n      at ')
    expect(traced.stdout + traced.stderr).not.toContain('43981')
    expect(await readdir(join(directory, 'vad'))).not.toContain('model.sig')
  })

  test('names what is missing', async () => {
    failed(await modelseal([...SIGN_TOKEN, '--pkcs11-uri', uri('nothing')]), 'PKCS11_NOT_FOUND')
    failed(await modelseal([...SIGN_TOKEN, '--pkcs11-uri', uri('bare', 'no-pin')]), 'FILE_NOT_FOUND')
  })
})

test.each(['bare', 'pkcs11:', 'pkcs11:object=k', 'pkcs11:object=%zz?module-path=/m.so', 'file:/key'])(
  'refuses %j, which is not the URI of a key',
  async (uri) => {
    failed(await modelseal([...SIGN_TOKEN, '--pkcs11-uri', uri]), 'PKCS11_URI_INVALID')
  },
)

test('never prints the PIN in a URI that is otherwise invalid', async () => {
  const uri = 'pkcs11:object=%zz?module-path=/m.so&pin-value=43981'
  for (const level of ['info', 'debug']) {
    const { code, stdout, stderr } = await modelseal(['--log-level', level, ...SIGN_TOKEN, '--pkcs11-uri', uri])
    expect(code).toBe(1)
    expect(stdout + stderr).not.toContain('43981')
  }
})

test('requires a URI', async () => {
  const { code, stderr } = await modelseal(SIGN_TOKEN)
  expect(code).toBe(2)
  expect(stderr).toContain("'--pkcs11-uri <uri>' not specified")
})

test('says how to install a missing package', async () => {
  await write(
    'without-pkcs11js.cjs',
    `const { registerHooks } = require('node:module')
     let missing
     try {
       // Resolved from here, no package is installed.
       require.resolve('pkcs11js')
     } catch (error) {
       missing = error
     }
     registerHooks({
       resolve(specifier, context, next) {
         if (specifier === 'pkcs11js') throw missing
         return next(specifier, context)
       },
     })`,
  )
  const args = [...SIGN_TOKEN, '--pkcs11-uri', 'pkcs11:object=k?module-path=/nowhere.so']
  // The package manager that runs this test sets NODE_PATH to a directory of all packages.
  const ended = await modelseal(args, { NODE_PATH: '' }, ['--require', join(directory, 'without-pkcs11js.cjs')])
  expect(failed(ended, 'PKCS11_UNAVAILABLE')).toContain('npm install pkcs11js')
})
