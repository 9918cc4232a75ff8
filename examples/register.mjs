// Enforces the trust policy on an unchanged program, then changes a byte of its model.
// Run it from the repository: npm run setup && npx node examples/register.mjs
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { prepare } from './prepare.mjs'

const { models, policy } = await prepare()

// The same as on the command line: node --import @modelseal/register unchanged.mjs MODEL
function start(environment) {
  const args = ['--import', '@modelseal/register', join(import.meta.dirname, 'unchanged.mjs'), models.vad]
  const env = { ...process.env, MODELSEAL_POLICY: policy, ...environment }
  return spawnSync(process.execPath, args, { cwd: import.meta.dirname, env, encoding: 'utf8' })
}

console.log(`As signed: ${start().stdout.trim()}`)

const bytes = readFileSync(models.vad)
bytes[bytes.length >> 1] ^= 1
writeFileSync(models.vad, bytes)

const { status, stderr } = start()
console.log(`Tampered: exit code ${status}, ${/code: '(\w+)'/.exec(stderr)?.[1]}`)

const audit = start({ MODELSEAL_MODE: 'audit' })
console.log(`Tampered, in an audit: ${audit.stderr.split('\n')[0].replace(/".*":/, '…')}`)
