import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { validateCycloneDx } from '../../packages/core/src/attestation/kinds/cyclonedx-library.ts'
import { placesOf } from '../../scripts/release/artefacts.mjs'
import { makeRelease, publishRelease, type Release } from '../../scripts/release/dry-run.mjs'
import { packAll } from '../../scripts/release/pack.mjs'
import { manifestOf, publishedPackages } from '../../scripts/release/packed-docs.mjs'
import { run } from '../../scripts/release/programs.mjs'
import { EXAMPLES, makeProject, PACKAGE_MANAGERS, runExample } from '../../scripts/release/projects.mjs'
import { provenanceOf } from '../../scripts/release/provenance.mjs'
import { startRegistry, type Registry } from '../../scripts/release/registry.mjs'
import { setVersion } from '../../scripts/release/version.mjs'
import { verifyPackage } from '../../scripts/verify-release.mjs'
import { scratchOfSuite } from '../support/models.ts'

// A whole release, from the sources to new projects that use it. Needs the registry, for what the packages depend on.

const ROOT = join(import.meta.dirname, '../..')
const HUB = '@modelseal/hub'

let directory: string
let release: Release
let registry: Registry
beforeAll(async () => {
  // On a runner, the release would say that it was made there.
  for (const name of ['GITHUB_ACTIONS', 'GITLAB_CI', 'BUILDKITE']) vi.stubEnv(name, undefined)
  directory = scratchOfSuite()
  release = await makeRelease(ROOT, directory)
  registry = await startRegistry(join(directory, 'registry'))
  await publishRelease(release, registry)
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await registry.close()
})

function filesOf(name: string, artefacts = release.artefacts) {
  return placesOf(artefacts, name, release.packages[name]!).files
}

test('packages that are built in different directories are the same, byte for byte', async () => {
  const here = await packAll(ROOT, join(directory, 'packed-here'))
  const different = here.filter(
    ({ name, tarball }) => !readFileSync(tarball).equals(readFileSync(filesOf(name).tarball)),
  )
  expect(different.map(({ name }) => name)).toEqual([])
  expect(here).toHaveLength(Object.keys(release.packages).length)
})

test('a tarball of "npm pack" is the one that is published', async () => {
  const { copy, packages } = release
  const into = join(directory, 'packed-by-npm')
  mkdirSync(into)
  for (const name of ['core', 'register']) {
    await run(join(copy, 'packages', name), 'npm', ['pack', '--pack-destination', into])
    const { tarball } = filesOf(`@modelseal/${name}`)
    expect(readFileSync(join(into, basename(tarball))).equals(readFileSync(tarball))).toBe(true)
    expect(readdirSync(join(copy, 'packages', name))).not.toContain('docs')
  }
  expect(await run(copy, 'git', ['status', '--porcelain', 'packages'])).toBe(
    await run(ROOT, 'git', ['status', '--porcelain', 'packages']),
  )
  expect(Object.keys(packages)).toContain('modelseal')
})

test('bills of materials are valid, and name the libraries in the package and those that it installs', async () => {
  const fault = (field: string, expected: string) => new Error(`${field}: expected ${expected}`)
  for (const name of Object.keys(release.packages))
    await validateCycloneDx(JSON.parse(readFileSync(filesOf(name).sbom, 'utf8')), fault as never)
  const components = (name: string) =>
    (
      JSON.parse(readFileSync(filesOf(name).sbom, 'utf8')) as {
        components: { purl: string; properties?: { value: string }[] }[]
      }
    ).components
  const core = components('@modelseal/core')
  const bundled = core.filter(({ properties }) => properties).map(({ purl }) => purl.replace(/@[^@]+$/, ''))
  expect(bundled).toEqual(expect.arrayContaining(['pkg:npm/pkijs', 'pkg:npm/%40sigstore/verify', 'pkg:npm/yaml']))
  expect(bundled).not.toContain('pkg:npm/%40napi-rs/blake-hash')
  expect(components('@modelseal/register').map(({ purl }) => purl)).toContain(
    `pkg:npm/%40modelseal/tfjs@${release.version}`,
  )
  // Of a dependency of a dependency.
  expect(components('modelseal').map(({ purl }) => purl.split('@')[0])).toContain('pkg:npm/make-fetch-happen')
})

test('the provenance says no more than this machine knows', async () => {
  const { predicate, subject } = JSON.parse(readFileSync(filesOf(HUB).provenance, 'utf8')) as Statement
  expect(subject.map(({ name }) => name)).toEqual([basename(filesOf(HUB).tarball)])
  expect(predicate.runDetails).toEqual({ builder: { id: 'urn:modelseal:builder:local' } })
  const commit = (await run(ROOT, 'git', ['rev-parse', 'HEAD'])).trim()
  expect(predicate.buildDefinition.resolvedDependencies[0]).toEqual({ name: 'source', digest: { gitCommit: commit } })
})

test('in a CI system, the provenance names its builder and run', () => {
  const environment = {
    GITHUB_ACTIONS: 'true',
    GITHUB_SERVER_URL: 'https://forge.example',
    GITHUB_REPOSITORY: 'team/project',
    GITHUB_WORKFLOW_REF: 'team/project/.github/workflows/release.yml@refs/heads/main',
    GITHUB_RUN_ID: '1',
    GITHUB_RUN_ATTEMPT: '2',
    GITHUB_EVENT_NAME: 'push',
    GITHUB_REPOSITORY_ID: '3',
    GITHUB_REPOSITORY_OWNER_ID: '4',
    GITHUB_REF: 'refs/heads/main',
    GITHUB_SHA: 'a'.repeat(40),
    RUNNER_ENVIRONMENT: 'github-hosted',
  }
  const subject = { tarball: 'a.tgz', sha256: 'b'.repeat(64), sha512: 'c'.repeat(128) }
  const { predicate } = JSON.parse(provenanceOf(ROOT, subject, environment)) as Statement
  expect(predicate.runDetails.builder.id).toBe('https://github.com/actions/runner/github-hosted')
  expect(predicate.buildDefinition.resolvedDependencies.map(({ digest }) => digest?.gitCommit)).toContain(
    'a'.repeat(40),
  )
})

interface Statement {
  subject: { name: string }[]
  predicate: {
    buildDefinition: { resolvedDependencies: { name?: string; digest?: { gitCommit?: string } }[] }
    runDetails: { builder: { id: string } }
  }
}

describe('verify-release', () => {
  const verified = (artefacts = release.artefacts) =>
    verifyPackage({
      name: HUB,
      version: release.version,
      policy: join(artefacts, 'release.policy.yaml'),
      directory: artefacts,
      registry: registry.url,
    })

  function verifyAll(artefacts: string) {
    const policy = ['--policy', join(artefacts, 'release.policy.yaml')]
    const args = [release.version, ...policy, '--directory', artefacts, '--registry', registry.url]
    return run(ROOT, process.execPath, [join(ROOT, 'scripts/verify-release.mjs'), ...args])
  }

  /** The release, in which some bytes of a file of the hub package are others. */
  function changed(file: 'tarball' | 'sbom' | 'provenance' | 'bundle', name: string) {
    const artefacts = join(directory, name)
    cpSync(release.artefacts, artefacts, { recursive: true })
    const path = filesOf(HUB, artefacts)[file]
    const bytes = readFileSync(path)
    return {
      artefacts,
      bytes,
      change(position: number) {
        const others = Buffer.from(bytes)
        others[position]! ^= 1
        writeFileSync(path, others)
      },
    }
  }

  test('accepts what was published, and says who signed and built it', async () => {
    const output = await verifyAll(release.artefacts)
    expect(output).toContain(`${HUB} ${release.version}: verified; signed by release, built from the commit `)
    expect(output).toContain(`The release ${release.version} is verified.`)
    expect(output.match(/: verified;/g)).toHaveLength(Object.keys(release.packages).length)
  })

  test.each(['tarball', 'sbom', 'provenance'] as const)('refuses a changed byte anywhere in the %s', async (file) => {
    const { artefacts, bytes, change } = changed(file, `changed-${file}`)
    await verified(artefacts)
    for (let n = 0; n < 20; n++) {
      change(Math.floor((n * (bytes.length - 1)) / 19))
      await expect(verified(artefacts)).rejects.toMatchObject({ code: 'FILE_MISMATCH' })
    }
    await expect(verifyAll(artefacts)).rejects.toThrow(
      new RegExp(
        `Cannot verify ${HUB} .*${basename(filesOf(HUB)[file])}[\\s\\S]*NOT verified|NOT verified[\\s\\S]*Cannot verify ${HUB} .*${basename(filesOf(HUB)[file])}`,
      ),
    )
  })

  test('refuses a changed byte anywhere in the bundle', async () => {
    const { artefacts, bytes, change } = changed('bundle', 'changed-bundle')
    await verified(artefacts)
    const accepted: string[] = []
    for (let n = 0; n < 100; n++) {
      const position = Math.floor((n * (bytes.length - 1)) / 99)
      change(position)
      const isAccepted = await verified(artefacts).then(
        () => true,
        () => false,
      )
      if (isAccepted) accepted.push(`${position}: ${bytes.subarray(position - 30, position + 30).toString()}`)
    }
    expect(accepted).toEqual([])
  })

  test('refuses a file that was added', async () => {
    const { artefacts } = changed('sbom', 'added')
    const place = placesOf(artefacts, HUB, release.version).directory
    writeFileSync(join(place, 'added.txt'), '')
    await expect(verified(artefacts)).rejects.toMatchObject({ code: 'FILE_UNSIGNED' })
  })

  test('refuses statements about another tarball, even if they are signed', async () => {
    const { checkProvenance, checkSbom } = await import('../../scripts/release/statements.mjs')
    const digests = { sha1: '0', sha256: '0', sha512: '0', integrity: '0' }
    const other = { name: HUB, version: release.version, digests }
    expect(() => checkSbom(readFileSync(filesOf(HUB).sbom), other)).toThrow(
      'the bill of materials is about another tarball: expected 0, found ',
    )
    expect(() => checkSbom(readFileSync(filesOf(HUB).sbom), { ...other, version: '9.0.0' })).toThrow(
      'describes another package',
    )
    expect(() => checkProvenance(readFileSync(filesOf(HUB).provenance), other)).toThrow(
      'the provenance is about another tarball',
    )
    expect(() => checkProvenance(Buffer.from('{}'), other)).toThrow('the provenance is of another type')
    expect(() => checkProvenance(Buffer.from('{'), other)).toThrow('the provenance is not JSON')
  })

  test('refuses a policy that does not enforce', async () => {
    const { artefacts, change } = changed('sbom', 'audited')
    const audit = join(artefacts, 'audit.policy.yaml')
    writeFileSync(audit, readFileSync(release.policy, 'utf8').replace('signers:', 'mode: audit\n    signers:'))
    change(5)
    const request = { name: HUB, version: release.version, policy: audit, directory: artefacts, registry: registry.url }
    await expect(verifyPackage(request)).rejects.toThrow(
      'the policy does not enforce anything here: expected accepted, found ',
    )
  })

  test('refuses a registry that serves or states something else', async () => {
    const tarball = join(registry.storage, HUB, `hub-${release.version}.tgz`)
    const metadata = join(registry.storage, HUB, 'package.json')
    const [bytes, text] = [readFileSync(tarball), readFileSync(metadata, 'utf8')]
    const others = Buffer.from(bytes)
    others[bytes.length >> 1]! ^= 1
    writeFileSync(tarball, others)
    await expect(verified()).rejects.toThrow(
      'the registry serves another tarball than the signed one: expected sha512-',
    )
    writeFileSync(tarball, bytes)
    for (const [field, message] of [
      ['integrity', 'another digest'],
      ['shasum', 'another SHA-1'],
    ] as const) {
      writeFileSync(
        metadata,
        text.replace(
          new RegExp(`("${field}": ?"(?:sha512-)?)(.)`),
          (_, before: string, first: string) => before + (first === '0' ? '1' : '0'),
        ),
      )
      await expect(verified()).rejects.toThrow(`the registry states ${message}`)
    }
    writeFileSync(metadata, text)
    await verified()
  })

  test('refuses a version that the registry does not have, and one that does not answer', async () => {
    const { checkPublished } = await import('../../scripts/release/published.mjs')
    const signed = { name: HUB, version: '9.9.9', tarball: readFileSync(filesOf(HUB).tarball) }
    await expect(checkPublished(registry.url, signed)).rejects.toThrow('does not have this version')
    await expect(checkPublished('http://127.0.0.1:1/', signed)).rejects.toThrow('the registry does not answer')
  })
})

describe.each(PACKAGE_MANAGERS)('a new project that installs with %s', (manager) => {
  let project: string
  beforeAll(async () => {
    project = join(directory, `project-${manager}`)
    const settings = { manager, directory: project, registry: registry.url, packages: release.packages }
    await registry.use(() => makeProject(ROOT, settings))
  })

  test.each(EXAMPLES)('runs examples/%s', async (example) => {
    expect(await runExample(project, example)).toMatch(OUTPUTS[example]!)
  })

  test('has the command line and the policy reference', async () => {
    const program = join(project, 'node_modules/modelseal/bin/modelseal.cjs')
    expect(await run(project, process.execPath, [program, '--version'])).toContain(release.version)
    expect(existsSync(join(project, 'node_modules/@modelseal/core/docs/reference/policy.md'))).toBe(true)
  })
})

const OUTPUTS: Record<string, RegExp> = {
  'onnx.mjs': /^Signed by release-team.*\nProbability of speech/,
  'onnx.cjs': /^Signed by release-team.*\nProbability of speech/,
  'tfjs.mjs': /^accepted: release-team\nBlazeFace gives/,
  'register.mjs': /^As signed: .*\nTampered: exit code 1, FILE_MISMATCH\n/,
}

test('changesets give all packages the next version, and write what changed', async () => {
  const { copy } = release
  writeFileSync(
    join(copy, '.changeset/next.md'),
    `---\n'@modelseal/hub': minor\n'modelseal': patch\n---\n\nPulls twice as fast.\n`,
  )
  const next = await setVersion(copy)
  expect(next).toBe(
    release.version.replace(
      /^(\d+)\.(\d+)\..*/,
      (_, major: string, minor: string) => `${major}.${Number(minor) + 1}.0`,
    ),
  )
  for (const name of publishedPackages(copy)) {
    const { version, dependencies = {}, peerDependencies = {} } = manifestOf(copy, name)
    const ours = Object.entries({ ...dependencies, ...peerDependencies }).filter(([other]) =>
      other.startsWith('@modelseal/'),
    )
    expect([version, ...ours.map(([, range]) => range)]).toEqual(Array(ours.length + 1).fill(next))
  }
  expect(readFileSync(join(copy, 'CHANGELOG.md'), 'utf8')).toContain(`\n## ${next}\n`)
  expect(readFileSync(join(copy, 'CHANGELOG.md'), 'utf8')).toContain('`@modelseal/hub`: Pulls twice as fast.\n')
  const lockfile = readFileSync(join(copy, 'pnpm-lock.yaml'), 'utf8')
  expect(lockfile).toContain(`specifier: ${next}\n`)
  expect(lockfile).not.toContain(`'@modelseal/core':\n        specifier: ${release.version}\n`)
})
