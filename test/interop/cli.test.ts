import { execFile } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { writeModel } from './models.ts'
import { certificateParty } from './signers.ts'

// A script that calls model_signing also works if the command is replaced by modelseal: with the same arguments
// and working directory, each tool verifies what the other signed.

const python = process.env['REFERENCE_PYTHON']
const PROGRAMS = {
  model_signing: python === undefined ? ['model_signing'] : [join(dirname(python), 'model_signing')],
  modelseal: [process.execPath, join(import.meta.dirname, '../../packages/cli/bin/modelseal.cjs')],
}
type Program = keyof typeof PROGRAMS
const BOTH = Object.keys(PROGRAMS) as Program[]

const work = realpathSync(mkdtempSync(join(tmpdir(), 'modelseal-interop-')))
let directory: string
let cases = 0
let count = 0

afterAll(() => {
  rmSync(work, { recursive: true })
  console.log(`${cases} interoperation cases with the two command lines`)
})

const PASSWORD = 'password-of-tests'
await certificateParty(work, 'release')
const files = Object.fromEntries(
  readdirSync(work).map((name) => [name.replace('release-', ''), readFileSync(join(work, name), 'utf8')]),
)

/** Creates a working directory with a model, a key pair and a certificate chain. */
beforeEach(() => {
  directory = join(work, `case-${++count}`)
  writeModel(join(directory, 'models/vad'), {
    'weights.bin': 'w',
    'nested/config.json': '{}',
    'cache/tmp': 'junk',
    '.gitignore': '*.log',
  })
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const pkcs8 = { format: 'pem', type: 'pkcs8' } as const
  const keys = {
    'k.key': privateKey.export(pkcs8),
    'locked.key': privateKey.export({ ...pkcs8, cipher: 'aes-256-cbc', passphrase: PASSWORD }),
    'k.pub': publicKey.export({ format: 'pem', type: 'spki' }),
  }
  writeModel(directory, { ...files, ...(keys as Record<string, string>) })
})

/** Runs a command line as a script would, and returns only its exit code. */
function run(program: Program, line: string, cwd = directory): Promise<number> {
  cases++
  const [command = '', ...first] = PROGRAMS[program]
  return new Promise((resolve, reject) => {
    execFile(command, [...first, ...line.split(/\s+/)], { cwd }, (error) => {
      if (error && typeof error.code !== 'number') reject(new Error(`${program} could not be run`, { cause: error }))
      else resolve(error ? Number(error.code) : 0)
    })
  })
}

/** Verifies what `signer` signed with both tools. */
async function verdicts(signer: Program, sign: string, verify: string, cwd = directory) {
  expect(await run(signer, sign, cwd), sign).toBe(0)
  return Object.fromEntries(await Promise.all(BOTH.map(async (program) => [program, await run(program, verify, cwd)])))
}

const ACCEPTED = { model_signing: 0, modelseal: 0 }

const SCRIPTS: [what: string, sign: string, verify: string][] = [
  [
    'a key',
    'sign key --private_key k.key --signature vad.sig models/vad',
    'verify key --public_key k.pub --signature vad.sig models/vad',
  ],
  [
    'the model first, values behind =, and a log level',
    '--log-level WARNING sign key models/vad --signature=vad.sig --private_key=k.key',
    '--log-level debug verify key models/vad --public_key=k.pub --signature=vad.sig',
  ],
  [
    'no path for the signature',
    'sign key models/vad --private_key k.key',
    'verify key models/vad --public_key k.pub --signature model.sig',
  ],
  [
    'the signature inside the model, and a slash after the model',
    'sign key models/vad/ --private_key k.key --signature models/vad/deep.sig',
    'verify key models/vad/ --public_key k.pub --signature ./models/vad/deep.sig',
  ],
  [
    'ignored paths relative to the working directory, one in the model and one not',
    'sign key models/vad --ignore-paths models/vad/cache --ignore-paths cache --private_key k.key --signature vad.sig',
    'verify key models/vad --ignore-paths ./models/../models/vad/cache --public_key k.pub --signature vad.sig',
  ],
  [
    'Git files included',
    'sign key models/vad --no-ignore-git-paths --private_key k.key --signature vad.sig',
    'verify key models/vad --no-ignore-git-paths --public_key k.pub --signature vad.sig',
  ],
  [
    'the last of two contradictory flags',
    'sign key models/vad --no-ignore-git-paths --ignore-git-paths --private_key k.key --signature vad.sig',
    'verify key models/vad --no-ignore_unsigned_files --ignore_unsigned_files --public_key k.pub --signature vad.sig',
  ],
  [
    'a certificate',
    'sign certificate models/vad --private_key release.key --signing_certificate leaf.pem --certificate_chain intermediate.pem --signature vad.sig',
    'verify certificate models/vad --certificate_chain root.pem --signature vad.sig',
  ],
  [
    'a certificate, its chain in several files, and fingerprints',
    'sign certificate models/vad --private_key release.key --signing_certificate leaf.pem --certificate_chain intermediate.pem --certificate_chain root.pem --signature vad.sig',
    'verify certificate models/vad --log_fingerprints --certificate_chain intermediate.pem --certificate_chain root.pem --signature vad.sig',
  ],
]

test('with --claims-inside: both verify before and after an attestation is put inside, and only then', async () => {
  const sign = 'sign key models/vad --private_key k.key --signature vad.sig'
  const attest =
    'attest key models/vad --private-key k.key --signature vad.sig --type https://example.org/review/v1 --from review.json'
  const verify = 'verify key models/vad --public_key k.pub --signature vad.sig'
  writeFileSync(join(directory, 'review.json'), '{"approved":true}')
  expect(await verdicts('modelseal', `${sign} --claims-inside`, verify)).toEqual(ACCEPTED)
  expect(await run('modelseal', attest)).toBe(0)
  expect(readdirSync(join(directory, 'models/vad'))).toContain('claims.jsonl')
  for (const program of BOTH) expect(await run(program, verify), program).toBe(0)
  // Signed again by modelseal, the attestations are left out; the reference tool refuses files that no signature knows.
  expect(await verdicts('modelseal', sign, verify)).toEqual(ACCEPTED)
  rmSync(join(directory, 'models/vad/claims.jsonl'))
  expect(await run('modelseal', sign)).toBe(0)
  writeFileSync(join(directory, 'models/vad/claims.jsonl'), readFileSync(join(directory, 'review.json')))
  expect(await run('model_signing', verify)).toBe(1)
})

describe.each(BOTH)('signed by %s', (signer) => {
  test.each(SCRIPTS)('with %s: both verify with the same arguments, and refuse a change', async (_, sign, verify) => {
    expect(await verdicts(signer, sign, verify)).toEqual(ACCEPTED)
    writeFileSync(join(directory, 'models/vad/weights.bin'), 'X')
    for (const program of BOTH) expect(await run(program, verify)).toBe(1)
  })

  test('with the model as the working directory', async () => {
    const cwd = join(directory, 'models/vad')
    const keys = join(directory, 'k')
    const sign = `sign key . --private_key ${keys}.key --signature model.sig --ignore-paths cache`
    const verify = `verify key . --public_key ${keys}.pub --signature model.sig`
    expect(await verdicts(signer, sign, verify, cwd)).toEqual(ACCEPTED)
  })

  test('with links: the flag decides in the reference tool, the signature in modelseal', async () => {
    symlinkSync('weights.bin', join(directory, 'models/vad/link.bin'))
    const sign = 'sign key models/vad --allow_symlinks --private_key k.key --signature vad.sig'
    const verify = 'verify key models/vad --public_key k.pub --signature vad.sig'
    expect(await verdicts(signer, sign, `${verify} --allow_symlinks`)).toEqual(ACCEPTED)
    expect(await verdicts(signer, sign, verify)).toEqual({ model_signing: 1, modelseal: 0 })
    for (const program of BOTH) expect(await run(program, sign.replace(' --allow_symlinks', ''))).toBe(1)
  })

  test('as a single file: the reference tool accepts only its own name for it', async () => {
    const sign = 'sign key models/vad/weights.bin --private_key k.key --signature vad.sig'
    const verify = 'verify key models/vad/weights.bin --public_key k.pub --signature vad.sig'
    expect(await verdicts(signer, sign, verify)).toEqual({
      model_signing: signer === 'modelseal' ? 1 : 0,
      modelseal: 0,
    })
  })

  test('with an additional unsigned file: both ignore it only on request', async () => {
    const verify = 'verify key models/vad --public_key k.pub --signature vad.sig'
    await run(signer, 'sign key models/vad --private_key k.key --signature vad.sig')
    writeFileSync(join(directory, 'models/vad/added'), 'x')
    for (const program of BOTH) {
      expect(await run(program, verify)).toBe(1)
      expect(await run(program, `${verify} --ignore_unsigned_files`)).toBe(0)
      expect(await run(program, `${verify} --ignore-paths models/vad/added`)).toBe(0)
    }
  })
})

describe('only modelseal signs', () => {
  const verify = 'verify key models/vad --public_key k.pub --signature vad.sig'

  test('with an encrypted key: the reference tool passes the password on in a form that it cannot use', async () => {
    const sign = `sign key models/vad --private_key locked.key --password ${PASSWORD} --signature vad.sig`
    expect(await run('model_signing', sign)).toBe(1)
    expect(await verdicts('modelseal', sign, verify)).toEqual(ACCEPTED)
  })

  test.each([
    '--shard-size 7',
    '--hash-type blake2b',
    '--hash-type blake3',
    // The reference tool hashes whole files with SHA-256, whatever the signature says.
  ])('%s: cannot be verified by the other command line', async (flag) => {
    const sign = `sign key models/vad --private_key k.key --signature vad.sig ${flag}`
    expect(await verdicts('modelseal', sign, verify)).toEqual({ model_signing: 1, modelseal: 0 })
  })
})

describe('exit codes', () => {
  test.each([
    ['an unknown option', 'sign key models/vad --private_key k.key --no_such_option', 2],
    ['no model', 'sign key --private_key k.key', 2],
    ['no key', 'sign key models/vad', 2],
    ['an unknown level', '--log-level loud sign key models/vad --private_key k.key', 2],
    ['the log level after the command', 'sign key models/vad --private_key k.key --log-level info', 2],
    ['no signature', 'verify key models/vad --public_key k.pub', 2],
    ['a missing key file', 'sign key models/vad --private_key none.key', 1],
    ['a key of another kind', 'sign key models/vad --private_key k.pub', 1],
    ['a wrong password', 'sign key models/vad --private_key locked.key --password wrong', 1],
    ['a missing signature file', 'verify key models/vad --public_key k.pub --signature none.sig', 1],
    [
      'a key that does not match the certificate',
      'sign certificate models/vad --private_key k.key --signing_certificate leaf.pem',
      1,
    ],
    ['help for signing', 'sign key -h', 0],
    ['help for verifying', 'verify certificate --help', 0],
    ['the version', '--version', 0],
  ])('are the same for %s', async (_, line, code) => {
    for (const program of BOTH) expect(await run(program, line), program).toBe(code)
  })

  test('differ for a chain without a root: the reference tool trusts the system roots, modelseal trusts none', async () => {
    const sign =
      'sign certificate models/vad --private_key release.key --signing_certificate leaf.pem --signature vad.sig'
    const verify = 'verify certificate models/vad --signature vad.sig'
    expect(await verdicts('modelseal', sign, verify)).toEqual({ model_signing: 1, modelseal: 2 })
  })
})
