// The provenance of a tarball: an in-toto statement of SLSA provenance 1 (https://slsa.dev/spec/v1.0/provenance).
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeProvenance } from '../../packages/core/dist/attestation.js'
import { PREDICATE, STATEMENT } from './statements.mjs'

/**
 * In a CI system, the statement says what its variables say. On another machine it says only what the machine can know: the
 * commit, whether the files are those of the commit, the lockfile and the version of Node.js. Nobody but the signer vouches for it.
 *
 * @param root directory of the workspace
 * @param {{ tarball: string, sha256: string, sha512: string }} subject name and digests of the tarball
 * @param environment the variables of the process
 * @returns the JSON text
 */
export function provenanceOf(root, { tarball, sha256, sha512 }, environment) {
  const made = isInCi(environment) ? makeProvenance({}, environment) : local(root)
  const { resolvedDependencies = [], ...buildDefinition } = made.buildDefinition
  const predicate = {
    ...made,
    buildDefinition: { ...buildDefinition, resolvedDependencies: [...resolvedDependencies, ...materials(root)] },
  }
  const subject = [{ name: tarball, digest: { sha256, sha512 } }]
  return `${JSON.stringify({ _type: STATEMENT, subject, predicateType: PREDICATE, predicate }, null, 2)}\n`
}

/** Those that `makeProvenance` knows. */
function isInCi({ GITHUB_ACTIONS, GITLAB_CI, BUILDKITE }) {
  return [GITHUB_ACTIONS, GITLAB_CI, BUILDKITE].includes('true')
}

function local(root) {
  const commit = git(root, 'rev-parse', 'HEAD')
  const isChanged = git(root, 'status', '--porcelain') !== ''
  return {
    buildDefinition: {
      buildType: 'urn:modelseal:build-type:local-release:0.1',
      externalParameters: { source: isChanged ? 'a commit with changes' : 'a commit' },
      resolvedDependencies: [{ name: 'source', digest: { gitCommit: commit } }],
    },
    runDetails: { builder: { id: 'urn:modelseal:builder:local' } },
  }
}

function materials(root) {
  const lockfile = createHash('sha256')
    .update(readFileSync(join(root, 'pnpm-lock.yaml')))
    .digest('hex')
  return [
    { name: 'pnpm-lock.yaml', digest: { sha256: lockfile } },
    { uri: `pkg:generic/node@${process.versions.node}`, name: 'node' },
  ]
}

function git(root, ...args) {
  return execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim()
}
