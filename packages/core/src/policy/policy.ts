import { dirname, relative, resolve, sep } from 'node:path'
import picomatch from 'picomatch'
import { readPublicKey, type PublicKey } from '../bundle/public-key.ts'
import { ModelSealError, shown } from '../errors.ts'
import { readSmallFile } from '../source/read-small-file.ts'
import { findPolicy } from './find-policy.ts'
import { MAX_POLICY_BYTES, parsePolicy } from './parse-policy.ts'
import type { PolicyFile } from './schema.ts'

/** A key that a rule accepts. */
export interface AcceptedKey {
  /** Name of the trust root. */
  name: string
  publicKey: PublicKey
}

/** A rule, ready to be applied. */
export interface Rule {
  name: string
  matches: (model: string) => boolean
  signers: readonly AcceptedKey[]
}

/** A trust policy that was read, checked and compiled. Reuse it: it does not change. */
export interface Policy {
  /** Absolute path of the file. */
  path: string
  rules: readonly Rule[]
}

/**
 * Reads and compiles a trust policy with all the keys that it names.
 *
 * @param given path of the file; without one it is looked for, see {@link findPolicy}
 * @throws {@link ModelSealError} `POLICY_NOT_FOUND`, `POLICY_INVALID`, `FILE_NOT_FOUND`, `FILE_UNREADABLE`, `KEY_INVALID`
 * @example
 * ```ts
 * const policy = await loadPolicy('trust-policy.yaml')
 * const vad = await openVerifiedModel('models/vad', { policy })
 * ```
 */
export async function loadPolicy(given?: string): Promise<Policy> {
  const path = await findPolicy(given)
  const bytes = await readSmallFile(path, {
    what: 'trust policy',
    maxBytes: MAX_POLICY_BYTES,
    notFound: 'POLICY_NOT_FOUND',
  })
  const file = parsePolicy(bytes, path)
  const keys = await readTrustRoots(file, dirname(path))
  return { path, rules: file.rules.map((rule) => compileRule(rule, keys, path)) }
}

/**
 * The first rule that matches the model decides.
 *
 * @param model absolute path that the program loads
 * @throws {@link ModelSealError} `POLICY_NO_MATCH`
 */
export function ruleFor(policy: Policy, model: string): Rule {
  const rule = policy.rules.find(({ matches }) => matches(model))
  if (rule) return rule
  throw new ModelSealError(
    'POLICY_NO_MATCH',
    `No rule of the policy ${shown(policy.path)} matches the model ${shown(model)}.`,
    {
      file: model,
      expected: 'a rule whose match.path covers it',
      found: policy.rules.length === 1 ? '1 rule that does not' : `${policy.rules.length} rules that do not`,
      hint: `As the policy sees it, the path is ${shown(pathFrom(dirname(policy.path), model))}.`,
    },
  )
}

async function readTrustRoots(file: PolicyFile, base: string): Promise<Map<string, PublicKey>> {
  const keys = new Map<string, PublicKey>()
  for (const [name, { publicKey }] of Object.entries(file.trustRoots)) {
    keys.set(name, await readPublicKey(resolve(base, publicKey)))
  }
  return keys
}

function compileRule(rule: PolicyFile['rules'][number], keys: ReadonlyMap<string, PublicKey>, path: string): Rule {
  const signers = rule.signers.map(({ key }) => {
    const publicKey = keys.get(key)
    if (publicKey) return { name: key, publicKey }
    throw new ModelSealError(
      'POLICY_INVALID',
      `The rule ${shown(rule.name)} of the policy ${shown(path)} names a key that it does not define.`,
      {
        file: path,
        signer: key,
        expected: `one of ${[...keys.keys()].map(shown).join(', ') || 'the trust roots'}`,
        found: shown(key),
      },
    )
  })
  return { name: rule.name, matches: pathMatcher(rule.match.path, dirname(path)), signers }
}

/** Globs are matched against the path relative to the policy; a glob from the root, against the whole path. */
function pathMatcher(globs: string | readonly string[], base: string): (model: string) => boolean {
  // A leading dot is no secret here: "**" means every model.
  const matchers = [globs]
    .flat()
    .map((glob) => ({ absolute: glob.startsWith('/'), matches: picomatch(glob.replace(/^\.\//, ''), { dot: true }) }))
  return (model) =>
    matchers.some(({ absolute, matches }) => matches(absolute ? model.split(sep).join('/') : pathFrom(base, model)))
}

function pathFrom(base: string, model: string): string {
  return relative(base, model).split(sep).join('/')
}
