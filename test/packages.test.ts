import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { collectedChangelog } from '../scripts/release/changelog.mjs'
import { manifestOf, packedDocs, publishedPackages } from '../scripts/release/packed-docs.mjs'
import { readProject, withAddresses } from '../scripts/release/project.mjs'

// What is published besides code: the pages, the manifests and the changelogs.

const ROOT = join(import.meta.dirname, '..')
const names = publishedPackages(ROOT)
const manifests = new Map(names.map((name) => [name, manifestOf(ROOT, name)]))
const packed = new Map(names.map((name) => [name, packedDocs(ROOT, name)]))
const { version } = manifestOf(ROOT, 'core')

describe.each(names)('the package %s', (name) => {
  const manifest = manifestOf(ROOT, name)
  const docs = packed.get(name)!

  test('links only to files that are installed with it', () => {
    const broken = [...docs].flatMap(([page, text]) =>
      linksIn(text)
        .map((link) => join('/packages', name, dirname(page), link))
        .filter((path) => !isInstalled(path, name))
        .map((path) => `${page}: ${path}`),
    )
    expect(broken).toEqual([])
  })

  test('depends on other packages of the same version, which npm can install', () => {
    const ours = [manifest.dependencies, manifest.devDependencies, manifest.peerDependencies]
      .flatMap((each) => Object.entries(each ?? {}))
      .filter(([other]) => other.startsWith('@modelseal/'))
    expect(ours.filter(([, range]) => range !== version)).toEqual([])
    expect(manifest.version).toBe(version)
  })

  test('has the addresses in scripts/project.json and no others', () => {
    expect(manifest).toEqual(withAddresses(manifest, readProject(ROOT), `packages/${name}`))
  })
})

test('the policy reference is installed with the core and with the command line', () => {
  for (const name of ['core', 'cli']) expect(packed.get(name)!.get('docs/reference/policy.md')).toContain('trustRoots')
})

test('a README links to a page where the core has it', () => {
  expect(packed.get('register')!.get('README.md')).toContain('](../core/docs/how-to/journal.md)')
})

test('an example of a link in a block of code stays as it is', () => {
  for (const name of names) {
    const blocks = (text: string) => text.match(/^```[\s\S]*?^```$/gm) ?? []
    const readme = readFileSync(join(ROOT, 'packages', name, 'README.md'), 'utf8')
    expect(blocks(packed.get(name)!.get('README.md')!)).toEqual(blocks(readme))
  }
})

test('addresses are written where package managers look for them, and empty ones are left out', () => {
  const repository = 'https://forge.example/team/project'
  const given = { name: 'a', license: 'MIT', bugs: { url: 'https://old.example' }, type: 'module' }
  expect(withAddresses(given, { repository, homepage: '', bugs: '' }, 'packages/a')).toEqual({
    name: 'a',
    license: 'MIT',
    repository: { type: 'git', url: repository, directory: 'packages/a' },
    type: 'module',
  })
  expect(
    withAddresses(given, { repository: '', homepage: 'https://h.example', bugs: 'https://b.example' }, 'a'),
  ).toEqual({
    ...given,
    homepage: 'https://h.example',
    bugs: { url: 'https://b.example' },
  })
})

describe('the changelog', () => {
  const changelogs = names.map((name) => ({
    name: manifests.get(name)!.name,
    text: readFileSync(join(ROOT, 'packages', name, 'CHANGELOG.md'), 'utf8'),
  }))

  test('says what those of the packages say', () => {
    expect(readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8')).toBe(collectedChangelog(changelogs))
    for (const { text } of changelogs) expect(text).toContain(`\n## ${version}\n`)
  })

  test('has each entry once, with the packages that it is about', () => {
    const entry = (name: string, more = '') => ({
      name,
      text: `# ${name}\n\n## 2.0.0\n\n### Patch Changes\n\n- 0123abc: Mends it,\n  in two lines\n${more}\n## 1.0.0\n\n### Minor Changes\n\n- First\n`,
    })
    const text = collectedChangelog([entry('a'), entry('b', '- Updated dependencies\n  - a@2.0.0\n')])
    expect(text.slice(text.indexOf('## '))).toBe(
      '## 2.0.0\n\n### Patch Changes\n\n- `a`, `b`: Mends it,\n  in two lines\n\n## 1.0.0\n\n### Minor Changes\n\n- `a`, `b`: First\n',
    )
  })
})

function linksIn(text: string): string[] {
  const prose = text.replaceAll(/^```[\s\S]*?^```[ \t]*$/gm, '')
  return Array.from(prose.matchAll(/\]\(([^()\s]+)[^()]*\)/g), ([, link = '']) => link.replace(/#.*/, '')).filter(
    (link) => link !== '' && !/^[a-z][a-z+.-]*:/.test(link),
  )
}

/** Whether a path is that of a file in the package, or of one in a package that it depends on. */
function isInstalled(path: string, name: string): boolean {
  const [, of = '', file = ''] = /^\/packages\/([^/]+)\/(.+)$/.exec(path) ?? []
  if (of !== name && !manifests.get(name)!.dependencies?.[`@modelseal/${of}`]) return false
  const isPacked = manifests.get(of)!.files.some((entry) => file === entry || file.startsWith(`${entry}/`))
  return packed.get(of)!.has(file) || (isPacked && existsSync(join(ROOT, 'packages', of, file)))
}
