import { spawnSync } from 'node:child_process'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { directory, failed, modelseal, PROGRAM, useWorkingDirectory, write } from './modelseal.ts'

useWorkingDirectory()

const document = (name: string) => readFile(new URL(`../../${name}`, import.meta.url), 'utf8')

/** The first block of a language after a heading. */
async function block(name: string, heading: string, language: string): Promise<string> {
  const text = await document(name)
  const after = text.slice(text.indexOf(`\n## ${heading}\n`))
  const [, code] = new RegExp(`^\`\`\`${language}(?: [^\n]*)?\n(.*?)^\`\`\`$`, 'ms').exec(after) ?? []
  if (code === undefined) throw new Error(`There is no ${language} under "${heading}" in ${name}.`)
  return code
}

function run(script: string): { status: number | null; stdout: string; stderr: string } {
  const program = `modelseal() { "${process.execPath}" "${PROGRAM}" "$@"; }\nset -e\n`
  const commands = script.replaceAll(/^(?:npx )?modelseal /gm, 'modelseal ')
  return spawnSync('sh', ['-c', program + commands], { cwd: directory, encoding: 'utf8' })
}

beforeEach(async () => {
  await mkdir(join(directory, 'models/vad'), { recursive: true })
  await write('models/vad/weights.bin', 'weights')
  await write('models/vad/README.md', '---\nlicense: apache-2.0\n---\n# VAD\n')
  expect(run('modelseal sign key models/vad --private-key release.key --signature models/vad/model.sig').status).toBe(0)
})

test('the commands of the README have a model accepted by a policy that requires its evaluation', async () => {
  const { status, stdout, stderr } = run(await block('README.md', 'Statements about a model', 'sh'))
  expect({ status, stderr: stderr.replaceAll(/^[.+*-]*\n/gm, '') }).toEqual({ status: 0, stderr: '' })
  expect(stdout).toMatch(
    /^Attested "models\/vad"\n[^]*^Accepted "models\/vad"\n[^]*^ {2}attestation {2}There is an evaluation/m,
  )
})

test('the results and the policy of docs/how-to/attestations.md belong together', async () => {
  const results = await block('docs/how-to/attestations.md', 'Attest a model', 'json')
  // The policy limits the age of the evaluation.
  await write('results.json', results.replace(/(?<="evaluatedOn": ")[^"]+/, new Date().toISOString()))
  await write(
    'modelseal.policy.yaml',
    await block('docs/how-to/attestations.md', 'Require attestations', 'yaml policy'),
  )
  const keys = (await block('README.md', 'Statements about a model', 'sh')).split('\n').slice(1, 3)
  expect(run(keys.join('\n')).status).toBe(0)
  const verify = ['verify', 'models/vad']
  failed(await modelseal(verify), 'ATTESTATION_MISSING')
  const attest = 'modelseal attest key models/vad'
  run(`${attest} --type evaluation --from results.json --private-key evaluation.key`)
  failed(await modelseal(verify), 'ATTESTATION_MISSING')
  run(`${attest} --type model-card --private-key release.key`)
  expect(await modelseal(verify)).toMatchObject({ code: 0, stderr: '' })
  expect((await modelseal(['policy', 'check', 'modelseal.policy.yaml'])).code).toBe(0)
})
