import { propertyOf } from '../any-realm.ts'
import { ModelSealError, shown } from '../errors.ts'
import { checkedText, checkObject } from '../kinds.ts'
import { didYouMean } from '../nearest.ts'

/** The signer that a starting policy trusts. */
export type StartingSigner =
  | { kind: 'key'; /** Path of the PEM, relative to the policy. */ publicKey: string }
  | {
      kind: 'certificate'
      /** Path of the root's PEM, relative to the policy. */
      root: string
      /** `email:…`, `URI:…` or `DNS:…`. */
      san: string
    }
  | {
      kind: 'github'
      /** `owner/name` */
      repository: string
      /** File in `.github/workflows`. */
      workflow: string
      /** Such as `refs/heads/main`. */
      ref: string
    }

/**
 * Writes a commented starting policy.
 *
 * @param models glob for the models: paths relative to the policy, sources such as `hf://org/*`, or URLs (default: all below
 * the policy)
 * @param kinds of the attestations that models must have, such as `evaluation`, each with a comment on what to fill in
 * @param schema path of the JSON Schema for editors, relative to the policy
 * @returns YAML
 * @example
 * ```ts
 * await writeFile('modelseal.policy.yaml', startingPolicy({ kind: 'key', publicKey: 'release.pub' }))
 * ```
 */
export function startingPolicy(
  signer: StartingSigner,
  models = '**',
  kinds: readonly string[] = [],
  schema = 'node_modules/@modelseal/core/policy.schema.json',
): string {
  checkedText(schema, 'the path of the JSON Schema')
  if (/[^\x20-\x7e]|^\s|\s$/.test(schema))
    throw new ModelSealError('INVALID_ARGUMENT', `Cannot name the JSON Schema ${shown(schema)} in a comment.`, {
      expected: 'a path of printable ASCII characters',
    })
  checkObject(signer, 'the signer', 'a signer of the kind key, certificate or github', isStartingSigner)
  checkedText(models, 'the glob for the models')
  const required = kindsOf(kinds)
  const { root, accepted } = PARTS[signer.kind](signer as never)
  return `# yaml-language-server: $schema=${schema}
# The trust policy of modelseal: who may sign which model. A model that no rule accepts is refused.
# "modelseal policy check" finds mistakes in it; "modelseal policy explain MODEL" shows how it judges a model.
version: 1

# When this policy was written. With maxAge, an older copy accepts nothing, so that nobody can
# hold back a revocation for ever by keeping an old copy in place.
# issued: ${new Date().toISOString().replace(/\.\d+/, '')}
# maxAge: 180d

trustRoots:
${root}
rules:
  # The first rule that matches a model applies. Paths are relative to this file.
  - name: models
    match:
      ${placeOf(models)}: ${quoted(models)}
    signers:
${accepted}
${requirementOf(required)}    # threshold: 2            # how many distinct signers in the list must have signed
    # mode: audit             # load anyway, and report models that would have been refused

# Models that no rule can accept, whoever signed them.
# revoked:
#   rootDigests:
#     - digest: sha256:${'0'.repeat(64)}
#       reason: recalled by its publisher
`
}

/** @throws {@link ModelSealError} `INVALID_ARGUMENT` */
function kindsOf(kinds: readonly string[]): RequiredKind[] {
  return [...new Set(kinds)].map((kind) => {
    if (Object.hasOwn(REQUIRED, kind)) return kind as RequiredKind
    const names = Object.keys(REQUIRED)
    throw new ModelSealError(
      'INVALID_ARGUMENT',
      `Cannot require attestations of the kind ${shown(kind)}: there is no such kind.`,
      {
        expected: names.join(', '),
        hint: didYouMean(kind, names).trim() || undefined,
      },
    )
  })
}

/** `require.attestations`, complete: what is in comments makes it stricter. */
function requirementOf(kinds: readonly RequiredKind[]): string {
  if (kinds.length === 0) return ''
  const demands = kinds.map((kind) => {
    const { always, example } = REQUIRED[kind]
    const mark = always.length > 0 ? '' : '# '
    return `        - type: ${kind}
          # Whose statements count. Without this line, those of the signers above.
          # signers: [{ key: ${kind} }]     # add the trust root above
          # maxAge: 90d                 # counted from the time that the statement states
          ${mark}where:                      # one statement must meet all conditions
${[...always.map((line) => `            - ${line}\n`), ...example.map((line) => `          #   - ${line}\n`)].join('')}`
  })
  return `    require:
      # Signed statements about the model, which "modelseal attest" makes (docs/how-to/attestations.md).
      attestations:
${demands.join('')}`
}

type RequiredKind = keyof typeof REQUIRED

/** By the name of the kind. */
const REQUIRED = {
  // A statement that a model failed is an evaluation, too.
  evaluation: {
    always: ['{ field: result, equals: PASSED }'],
    example: [`{ metric: accuracy, dataset: "sha256:${'0'.repeat(64)}", atLeast: 0.92 }`],
  },
  'model-card': { always: [], example: ['{ field: licence, oneOf: [apache-2.0, mit] }'] },
  'data-card': { always: [], example: ['{ field: licence, oneOf: [cc-by-4.0, cc0-1.0] }'] },
  provenance: {
    always: [],
    example: [
      '{ field: builder, pattern: "https://github.com/actions/**" }',
      `{ field: base-model, equals: "sha256:${'0'.repeat(64)}" }`,
    ],
  },
  'verification-summary': {
    always: ['{ field: result, equals: PASSED }'],
    example: ['{ field: verifier, equals: "https://models.example.com/verifier" }'],
  },
} as const

/** The field for a glob: models of a hub or registry are matched by their source. */
function placeOf(models: string): 'path' | 'source' | 'url' {
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(models)?.[1]
  return scheme === undefined ? 'path' : /^https?$/i.test(scheme) ? 'url' : 'source'
}

function isStartingSigner(given: object): boolean {
  const kind = propertyOf(given, 'kind')
  if (typeof kind !== 'string' || !Object.hasOwn(FIELDS, kind)) return false
  return FIELDS[kind as StartingSigner['kind']].every((name) => typeof propertyOf(given, name) === 'string')
}

const FIELDS: { [K in StartingSigner['kind']]: readonly string[] } = {
  key: ['publicKey'],
  certificate: ['root', 'san'],
  github: ['repository', 'workflow', 'ref'],
}

/** A double-quoted scalar: every JSON string is one in YAML. */
function quoted(text: string): string {
  return JSON.stringify(text)
}

type Parts<S> = (signer: S) => { root: string; accepted: string }

const PARTS: { [K in StartingSigner['kind']]: Parts<Extract<StartingSigner, { kind: K }>> } = {
  key: ({ publicKey }) => ({
    root: `  release:
    # A PEM file that begins with "-----BEGIN PUBLIC KEY-----".
    publicKey: ${quoted(publicKey)}
`,
    accepted: '      - key: release',
  }),
  certificate: ({ root, san }) => ({
    root: `  authority:
    certificates:
      # The root certificate. Intermediates and revocation lists can be added beside it.
      roots: ${quoted(root)}
`,
    accepted: `      - certificate:
          root: authority
          # The signer's name in the certificate, exactly. A glob would be { pattern: "email:*@example.com" }.
          san: ${quoted(san)}`,
  }),
  github: ({ repository, workflow, ref }) => ({
    root: `  sigstore:
    sigstore: public-good
`,
    accepted: `      - sigstore:
          root: sigstore
          issuer: https://token.actions.githubusercontent.com
          # The workflow that signs, exactly.
          identity: ${quoted(`https://github.com/${repository}/.github/workflows/${workflow}@${ref}`)}`,
  }),
}
