import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { standardText } from './license-texts.ts'
import type { Build, Plugin } from './plugin.ts'

/** Packages in the built files: directory, and which of its files were bundled. Their licenses must be distributed with them. */
const carried = new Map<string, Set<string>>()

export const licenses: Plugin = {
  name: 'licenses',
  setup(build) {
    build.onEnd(({ metafile }) => {
      carry(metafile)
    })
  },
}

type Metafile = Parameters<Parameters<Build['onEnd']>[0]>[0]['metafile']

export function carry(metafile: Metafile): void {
  const inputs = Object.values(metafile?.outputs ?? {}).flatMap((output) => Object.entries(output.inputs))
  for (const [input, { bytesInOutput }] of inputs) {
    if (bytesInOutput === 0) continue
    const [directory] = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input) ?? []
    if (directory !== undefined) carried.set(directory, (carried.get(directory) ?? new Set()).add(input))
  }
}

export async function writeLicenses(file = 'dist/LICENSES.txt'): Promise<void> {
  if (carried.size === 0) return
  const texts = [...carried].map(async ([directory, files]) => {
    const { name, version } = await manifestIn(directory)
    return `${name} ${version}\n\n${await licenseIn(directory, files)}`
  })
  await writeFile(file, (await Promise.all(texts)).sort().join('\n\n'))
}

async function licenseIn(directory: string, files: ReadonlySet<string>): Promise<string> {
  const file = (await readdir(directory)).find((name) => /^licen[cs]e/i.test(name))
  if (file !== undefined) return readFile(join(directory, file), 'utf8')
  // Published without its text, which is the same as that of our own license.
  const { license, author } = await manifestIn(directory)
  if (typeof author === 'string' && (license === 'MIT' || license === 'ISC')) return standardText(license, author)
  const ours = await readFile('LICENSE', 'utf8')
  if (license === 'Apache-2.0') return ours
  // The other license is at the beginning of the files that are under it.
  const texts = await Promise.all([...files].map((file) => readFile(file, 'utf8')))
  const notices = texts.map((text) => /^(?:\/\/.*\n)*/.exec(text)?.[0] ?? '')
  const others = new Set(notices.filter((notice) => notice.includes('Redistribution and use')))
  if (license !== '(Apache-2.0 AND BSD-3-Clause)' || others.size === 0)
    throw new Error(`Cannot include the license of ${directory}: the package contains no license file.`)
  return [ours, ...others].join('\n').replaceAll(/^\/\/ ?/gm, '')
}

interface Manifest {
  name: string
  version: string
  license?: string
  author?: unknown
}

async function manifestIn(directory: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(directory, 'package.json'), 'utf8')) as Manifest
}
