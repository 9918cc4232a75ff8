import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Policy } from '@modelseal/core'
import { afterAll, onTestFinished } from 'vitest'

export type Files = Readonly<Record<string, string | Uint8Array>>

/** An empty directory that is removed when the test ends. */
export function scratch(): string {
  const directory = mkdtempSync(join(realpathSync(tmpdir()), 'modelseal-'))
  onTestFinished(() => remove(directory))
  return directory
}

/** The same for all tests of a file; call it in `beforeAll`. */
export function scratchOfSuite(): string {
  const directory = mkdtempSync(join(realpathSync(tmpdir()), 'modelseal-'))
  afterAll(() => remove(directory))
  return directory
}

export function remove(path: string): void {
  rmSync(path, { recursive: true, force: true })
}

export function writeTree(root: string, files: Files): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), content)
  }
}

/** The published type of a policy does not have them. */
export function rulesOf(policy: Policy): readonly { name: string; mode: string }[] {
  return (policy as unknown as { rules: { name: string; mode: string }[] }).rules
}

/** A key pair in files, and a policy that trusts it for every model below its directory. */
export interface Publisher {
  privateKey: string
  publicKey: string
  policy: string
  key: KeyObject
  publicPem: string
}

export function publisherIn(directory: string): Publisher {
  const pair = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const publicPem = pair.publicKey.export({ type: 'spki', format: 'pem' }).toString()
  writeTree(directory, {
    'release.key': pair.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    'release.pub': publicPem,
    'policy.yaml': `version: 1
trustRoots: { release: { publicKey: ./release.pub } }
rules: [{ name: all, match: { path: '**' }, signers: [{ key: release }] }]
`,
  })
  return {
    privateKey: join(directory, 'release.key'),
    publicKey: join(directory, 'release.pub'),
    policy: join(directory, 'policy.yaml'),
    key: pair.privateKey,
    publicPem,
  }
}
