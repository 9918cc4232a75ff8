// Ordinary Go modules, by name and pinned version, installed with their commands. What is there is kept.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * @param modules the modules with their versions, by the name of their program
 * @returns true if all programs are in the directory
 */
export function installGoPrograms(modules, directory) {
  mkdirSync(directory, { recursive: true })
  return Object.entries(modules).every(([name, module]) =>
    builtOnce(join(directory, name), module, { args: ['install', module], env: { GOBIN: directory } }),
  )
}

/**
 * Builds a module of this repository.
 *
 * @param source directory of the module
 * @param version anything that changes with its content
 */
export function buildGoProgram(binary, source, version) {
  return builtOnce(binary, version, { args: ['build', '-o', binary, '.'], cwd: source })
}

function builtOnce(binary, version, { args, cwd, env = {} }) {
  const stamp = `${binary}.version`
  if (existsSync(binary) && existsSync(stamp) && readFileSync(stamp, 'utf8') === version) return true
  console.log(`go ${args.join(' ')} …`)
  const own = { ...process.env, ...env, GOTOOLCHAIN: 'local' }
  const { status, error } = spawnSync('go', args, { stdio: 'inherit', cwd, env: own })
  if (error) console.error('Go is needed for this: it builds the programs.')
  if (status === 0) writeFileSync(stamp, version)
  return status === 0
}
