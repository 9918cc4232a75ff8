// The cost of a trust policy for a service: compiling 1,000 rules and 10,000 revocations, compared with
// the YAML parser's time for the same text, and judging one model. Run after a build:
//   npm run bench:policy
import { generateKeyPairSync } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadPolicy, openVerifiedModel } from '@modelseal/core'
import { keySigner, signModel } from '@modelseal/core/signing'
import { LineCounter, parseDocument } from 'yaml'

const RULES = 1_000
const REVOCATIONS = 10_000
const ROUNDS = 12

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
} finally {
  await rm(directory, { recursive: true, force: true })
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
