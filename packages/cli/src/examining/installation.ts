import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { messageOf } from '@modelseal/core/any-realm'
import type { Finding } from './findings.ts'

/** The Node.js that runs the program, and the packages that only some users need. */

interface Manifest {
  version: string
  engines?: { node?: string }
}

export function nodeFinding(): Finding {
  const { engines } = manifestIn(ownPackage())
  return { status: 'ok', subject: 'Node.js', found: `${process.version} (supported: ${engines?.node ?? 'unknown'})` }
}

/** What each is for, and whether it is compiled, so that it may not work on every machine. */
const OPTIONAL = [
  { name: '@napi-rs/blake-hash', use: 'the hash algorithm blake3', isCompiled: true },
  { name: 'pkcs11js', use: 'keys on PKCS#11 tokens', isCompiled: true },
  { name: '@huggingface/hub', use: 'pushing to Hugging Face', isCompiled: false },
  {
    name: '@aws-sdk/credential-provider-node',
    use: 'credentials of AWS from profiles and services',
    isCompiled: false,
  },
  { name: '@cyclonedx/cyclonedx-library', use: 'model cards from CycloneDX documents', isCompiled: false },
]

export function optionalModules(): Finding[] {
  return OPTIONAL.map(({ name, use, isCompiled }) => {
    const subject = name
    const directory = findPackage(name)
    if (directory === undefined) return { status: 'ok', subject, found: `not installed (needed only for ${use})` }
    const { version } = manifestIn(directory)
    const fault = isCompiled ? loadFault(name) : undefined
    if (fault === undefined) return { status: 'ok', subject, found: `${version} (for ${use})` }
    const action = `If you need it, install it again on this machine: npm install ${name}`
    return { status: 'advice', subject, found: `${version} (for ${use}), but it cannot be loaded: ${fault}`, action }
  })
}

function loadFault(name: string): string | undefined {
  try {
    createRequire(ownFile())(name)
    return undefined
  } catch (error) {
    return messageOf(error).split('\n')[0]
  }
}

/** Where Node.js finds a package from the file of the program; its manifest need not be exported. */
function findPackage(name: string): string | undefined {
  for (const folder of createRequire(ownFile()).resolve.paths(name) ?? []) {
    try {
      const directory = join(folder, name)
      manifestIn(directory)
      return directory
    } catch {
      // In the next folder, perhaps.
    }
  }
  return undefined
}

function ownPackage(): string {
  for (let directory = dirname(ownFile()); ; directory = dirname(directory)) {
    try {
      manifestIn(directory)
      return directory
    } catch (error) {
      if (directory === dirname(directory)) throw error
    }
  }
}

/** The program is CommonJS, and its source is not. */
function ownFile(): string {
  return typeof __filename === 'string' ? __filename : fileURLToPath(import.meta.url)
}

function manifestIn(directory: string): Manifest {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest
}
