// npm run release:dry-run [-- DIRECTORY] [--serve]: takes a whole release to a registry on loopback: version, build, pack, bill of
// materials, provenance, bundles, publishing, verification, and new projects that install it by npm, pnpm and yarn and run the examples.
// With --serve, the registry instead keeps the published packages for other projects until Ctrl-C.
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { keySigner } from '../../packages/core/dist/signing.js'
import { makeArtefacts, placesOf } from './artefacts.mjs'
import { buildCopy, copyWorkspace, installCopy } from './copy.mjs'
import { run } from './programs.mjs'
import { EXAMPLES, makeProject, PACKAGE_MANAGERS, runExample } from './projects.mjs'
import { startRegistry } from './registry.mjs'
import { setVersion } from './version.mjs'

const POLICY = `version: 1
trustRoots:
  release: { publicKey: ./release.pub }
rules:
  - name: releases
    match: { path: "**" }
    signers: [{ key: release }]
`

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  await main(join(import.meta.dirname, '../..'), process.argv.slice(2)).catch(({ message }) => {
    console.error(message)
    process.exitCode = 1
  })

async function main(root, args) {
  const { values, positionals } = parseArgs({ args, options: { serve: { type: 'boolean' } }, allowPositionals: true })
  if (positionals.length > 1)
    throw new Error('Cannot rehearse the release: expected at most one argument, a directory.')
  const [given] = positionals
  const directory = given === undefined ? mkdtempSync(join(tmpdir(), 'modelseal-release-')) : resolve(given)
  mkdirSync(directory, { recursive: true })
  const release = await makeRelease(root, directory, setVersionIfAsked)
  const registry = await startRegistry(join(directory, 'registry'))
  try {
    await publishRelease(release, registry)
    await verifyRelease(root, release, registry.url)
    if (values.serve) await serve(release, registry)
    else for (const manager of PACKAGE_MANAGERS) await useRelease(root, { directory, release, registry, manager })
  } finally {
    await registry.close()
  }
  if (given === undefined) rmSync(directory, { recursive: true, force: true })
  console.log(
    given === undefined ? 'The release could be published.' : `The release could be published; it is in ${directory}.`,
  )
}

async function serve({ version, packages }, registry) {
  console.log(`
Until Ctrl-C, the registry has the version ${version} of:
  ${Object.keys(packages).join('\n  ')}
To use them in a project, put this line into its .npmrc:
  registry=${registry.url}
or install them once:
  npm install --registry ${registry.url} @modelseal/core modelseal
`)
  await registry.use(() => Promise.race(['SIGINT', 'SIGTERM'].map((signal) => once(process, signal))))
}

/**
 * Makes the release in a copy of the workspace, with a key that signs nothing else.
 *
 * @param {(copy: string) => Promise<void>} prepare what to do with the installed copy before it is built
 * @returns {Promise<{ version: string, packages: Record<string, string>, artefacts: string, policy: string, copy: string }>}
 */
export async function makeRelease(root, directory, prepare = async () => {}) {
  const copy = join(directory, 'source')
  step('Copying the workspace')
  await copyWorkspace(root, copy)
  await installCopy(copy)
  await prepare(copy)
  step('Building the packages')
  await buildCopy(copy)
  step('Packing and signing')
  const artefacts = join(directory, 'artefacts')
  const { signer, policy } = await newSigner(artefacts)
  const made = await makeArtefacts(copy, artefacts, signer)
  const packages = Object.fromEntries(made.map(({ name, version }) => [name, version]))
  return { version: made[0].version, packages, artefacts, policy, copy }
}

/** Without changesets, the release has the version of the workspace. */
async function setVersionIfAsked(copy) {
  const hasChangesets = readdirSync(join(copy, '.changeset')).some(
    (name) => name.endsWith('.md') && name !== 'README.md',
  )
  if (hasChangesets) step(`Setting the version ${await setVersion(copy)}`)
}

async function newSigner(directory) {
  mkdirSync(directory, { recursive: true })
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  writeFileSync(join(directory, 'release.pub'), publicKey.export({ type: 'spki', format: 'pem' }))
  const policy = join(directory, 'release.policy.yaml')
  writeFileSync(policy, POLICY)
  const key = join(directory, 'release.key')
  writeFileSync(key, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  const signer = await keySigner({ privateKey: key })
  rmSync(key)
  return { signer, policy }
}

export async function publishRelease({ packages, artefacts }, registry) {
  step(`Publishing to ${registry.url}`)
  for (const [name, version] of Object.entries(packages))
    await registry.publish(placesOf(artefacts, name, version).files.tarball)
}

async function verifyRelease(root, { version, artefacts, policy }, registry) {
  step('Verifying what was published')
  const args = [version, '--policy', policy, '--directory', artefacts, '--registry', registry]
  process.stdout.write(await run(root, process.execPath, [join(root, 'scripts/verify-release.mjs'), ...args]))
}

async function useRelease(root, { directory, release, registry, manager }) {
  step(`Installing with ${manager}, and running the examples`)
  const project = join(directory, `project-${manager}`)
  const settings = { manager, directory: project, registry: registry.url, packages: release.packages }
  await registry.use(() => makeProject(root, settings))
  for (const example of EXAMPLES) await runExample(project, example)
}

function step(what) {
  console.log(`${what} ...`)
}
