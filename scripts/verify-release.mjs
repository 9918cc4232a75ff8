// node scripts/verify-release.mjs VERSION --policy POLICY [--directory DIRECTORY] [--registry URL]: verifies a published version as
// strictly as modelseal verifies models. The directory is the release that was published beside the packages.
import { parseArgs } from 'node:util'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { openVerifiedModel } from '../packages/core/dist/index.js'
import { placesOf } from './release/artefacts.mjs'
import { digestsOf } from './release/digests.mjs'
import { manifestOf, publishedPackages } from './release/packed-docs.mjs'
import { checkPublished } from './release/published.mjs'
import { checkProvenance, checkSbom, UnverifiedRelease } from './release/statements.mjs'

const ROOT = join(import.meta.dirname, '..')
const USAGE = 'node scripts/verify-release.mjs VERSION --policy POLICY [--directory DIRECTORY] [--registry URL]'

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) process.exitCode = await main()

async function main() {
  const { version, policy, directory, registry } = optionsOf(process.argv.slice(2))
  let failed = 0
  for (const name of publishedPackages(ROOT).map((folder) => manifestOf(ROOT, folder).name))
    try {
      const { commit, builder, signer } = await verifyPackage({ name, version, policy, directory, registry })
      console.log(`${name} ${version}: verified; signed by ${signer}, built from the commit ${commit} by ${builder}`)
    } catch (error) {
      failed++
      console.error(`Cannot verify ${name} ${version}: ${error.message}`)
    }
  console.log(
    failed === 0
      ? `The release ${version} is verified.`
      : `The release ${version} is NOT verified: ${failed} ${failed === 1 ? 'package' : 'packages'} failed.`,
  )
  return failed === 0 ? 0 : 1
}

function optionsOf(args) {
  const options = { policy: { type: 'string' }, directory: { type: 'string' }, registry: { type: 'string' } }
  const { values, positionals } = parsedOrUsage({ args, options, allowPositionals: true })
  const [version, ...others] = positionals
  if (!/^\d+\.\d+\.\d+(-[\w.-]+)?$/.test(version ?? '') || others.length > 0 || values.policy === undefined)
    wrongUsage()
  const { policy, directory = `modelseal-${version}`, registry = 'https://registry.npmjs.org/' } = values
  return { version, policy, directory, registry }
}

function parsedOrUsage(config) {
  try {
    return parseArgs(config)
  } catch (error) {
    // Such as "Unknown option '--polciy'", without the advice that follows.
    return wrongUsage(`${error.message.split('. ')[0]}.`)
  }
}

function wrongUsage(...reasons) {
  console.error([...reasons, `Usage: ${USAGE}`].join('\n'))
  process.exit(2)
}

/**
 * Verifies the bundle of a tarball, what is signed with it, and that the registry serves the same.
 *
 * @returns what the verified statements say: who signed, and from which commit and by which builder the tarball was made
 */
export async function verifyPackage({ name, version, policy, directory, registry }) {
  const { directory: place, files } = placesOf(directory, name, version)
  const { verdict, tarball, sbom, provenance } = await signedFiles(place, files, policy)
  const digests = digestsOf(tarball)
  const subject = { name, version, digests }
  checkSbom(sbom, subject)
  const made = checkProvenance(provenance, subject)
  await checkPublished(registry, { name, version, tarball })
  return { ...made, signer: verdict.bundles.find(({ counted }) => counted)?.signer?.name }
}

/** The bytes of the files as they were hashed. A policy that only records or skips does not make them signed. */
async function signedFiles(place, { tarball, sbom, provenance }, policy) {
  const model = await openVerifiedModel(place, { policy })
  try {
    if (model.verdict.decision !== 'accepted')
      throw new UnverifiedRelease('the policy does not enforce anything here', {
        expected: 'accepted',
        found: model.verdict.decision,
      })
    const read = (file) => model.read(file.slice(place.length + 1))
    return {
      verdict: model.verdict,
      tarball: await read(tarball),
      sbom: await read(sbom),
      provenance: await read(provenance),
    }
  } finally {
    await model.close()
  }
}
