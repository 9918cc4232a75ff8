// The cost of a trust policy for a service: compiling 1,000 rules and 10,000 revocations, compared with
// the YAML parser's time for the same text, and judging one model; and what a rule that requires ten attestations
// by key adds to a load in a running process. Run after a build:
//   npm run bench:policy
import { generateKeyPairSync } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadPolicy, openVerifiedModel } from '@modelseal/core'
import { attestModel, makeEvaluation } from '@modelseal/core/attestation'
import { keySigner, signModel } from '@modelseal/core/signing'
import { LineCounter, parseDocument } from 'yaml'

const RULES = 1_000
const REVOCATIONS = 10_000
const ROUNDS = 12
const LOADS = 100
const ATTESTATIONS = 10
/** The most that they may add to a load, in milliseconds. */
const ATTESTATIONS_MS = 15

const directory = await mkdtemp(join(tmpdir(), 'modelseal-bench-'))
try {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  await writeFile(join(directory, 'release.key'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
  await writeFile(join(directory, 'release.pub'), publicKey.export({ type: 'spki', format: 'pem' }))
  const model = join(directory, 'models', `team-${RULES - 1}`, 'vad')
  await mkdir(model, { recursive: true })
  await writeFile(join(model, 'weights.bin'), 'weights')
  await signModel(model, { signer: await keySigner({ privateKey: join(directory, 'release.key') }) })
  const path = join(directory, 'policy.yaml')
  await writeFile(path, policyText())

  const parse = []
  const load = []
  const judge = []
  const text = await readFile(path, 'utf8')
  for (let round = 0; round < ROUNDS; round++) {
    parse.push(
      await measured(() => parseDocument(text, { lineCounter: new LineCounter(), prettyErrors: false }).toJS()),
    )
    load.push(await measured(() => loadPolicy(path)))
  }
  const policy = await loadPolicy(path)
  for (let round = 0; round < 200; round++) {
    const { verdict } = await openVerifiedModel(model, { policy })
    judge.push(verdict.durations.policy)
  }
  // The shortest time, which other load disturbed least.
  const [parser, whole] = [Math.min(...parse), Math.min(...load)]
  console.log(
    `${RULES} rules, ${REVOCATIONS} revocations, ${(text.length / 1e6).toFixed(1)} MB of YAML; the best of ${ROUNDS}`,
  )
  console.log(`the parser alone      ${parser.toFixed(0)} ms`)
  console.log(`loading the policy    ${whole.toFixed(0)} ms (${(whole / parser).toFixed(2)} of the parser)`)
  console.log(`beside the parser     ${(whole - parser).toFixed(0)} ms`)
  console.log(
    `judging by it         ${median(judge).toFixed(3)} ms (the last of ${RULES} rules; median of ${judge.length})`,
  )

  const { without, required } = await attested(model)
  const added = required - without
  console.log(
    `${ATTESTATIONS} attestations       ${added.toFixed(2)} ms (added to a load of ${without.toFixed(2)} ms; medians of ${LOADS}; at most ${ATTESTATIONS_MS})`,
  )
  if (added > ATTESTATIONS_MS) process.exitCode = 1
} finally {
  await rm(directory, { recursive: true, force: true })
}

/** The time of a load, without a rule that requires attestations and with one that requires one by each of ten keys. */
async function attested(model) {
  const names = Array.from({ length: ATTESTATIONS }, (_, index) => `lab-${index}`)
  const results = [{ metric: 'accuracy', value: 0.94, dataset: { name: 'test', digest: { sha256: 'd'.repeat(64) } } }]
  for (const name of names) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    await writeFile(join(directory, `${name}.key`), privateKey.export({ type: 'pkcs8', format: 'pem' }))
    await writeFile(join(directory, `${name}.pub`), publicKey.export({ type: 'spki', format: 'pem' }))
    const signer = await keySigner({ privateKey: join(directory, `${name}.key`) })
    const predicate = makeEvaluation({ results, evaluatedOn: new Date().toISOString() })
    await attestModel(model, { signer, type: 'evaluation', predicate })
  }
  const trustRoots = Object.fromEntries(['release', ...names].map((name) => [name, { publicKey: `${name}.pub` }]))
  const where = [{ metric: 'accuracy', atLeast: 0.9 }]
  const signers = names.map((key) => ({ key }))
  const attestations = [{ type: 'evaluation', signers, threshold: ATTESTATIONS, maxAge: '90d', where }]
  const policies = []
  for (const require of [{}, { attestations }]) {
    const path = join(directory, `policy-${policies.length}.yaml`)
    const rules = [{ name: 'all', match: { path: '**' }, signers: [{ key: 'release' }], require }]
    await writeFile(path, JSON.stringify({ version: 1, trustRoots, rules }))
    policies.push(await loadPolicy(path))
  }
  const times = [[], []]
  // In turns, so that other load disturbs both alike.
  for (let round = 0; round < LOADS; round++)
    for (const [index, policy] of policies.entries())
      times[index].push(await measured(async () => (await openVerifiedModel(model, { policy })).close()))
  return { without: median(times[0]), required: median(times[1]) }
}

function policyText() {
  let text = 'version: 1\ntrustRoots:\n  release: { publicKey: release.pub }\nrules:\n'
  for (let i = 0; i < RULES; i++) {
    text += `  - name: rule ${i}\n    match: { path: "models/team-${i}/*/**" }\n    signers: [{ key: release }]\n`
  }
  text += 'revoked:\n  fileDigests:\n'
  for (let i = 0; i < REVOCATIONS; i++) {
    text += `    - { digest: "sha256:${i.toString(16).padStart(64, '0')}", reason: recalled }\n`
  }
  return text
}

async function measured(work) {
  const start = performance.now()
  await work()
  return performance.now() - start
}

function median(times) {
  return [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)]
}
