// With MODELSEAL_NODE=installed, everything after set-up runs on the Node.js that is installed, instead of the pinned one.
import { rmSync } from 'node:fs'
import { join } from 'node:path'

/** Removes the pinned Node.js from the directory in which scripts look for programs first. */
export function useInstalledNode(root, env = process.env) {
  const wanted = env.MODELSEAL_NODE ?? 'pinned'
  if (wanted !== 'pinned' && wanted !== 'installed')
    throw new Error(`Invalid value of MODELSEAL_NODE: expected "pinned" or "installed", got ${JSON.stringify(wanted)}.`)
  if (wanted === 'pinned') return
  for (const name of ['node', 'node.exe', 'node.cmd', 'node.ps1', 'node.CMD'])
    rmSync(join(root, 'node_modules/.bin', name), { force: true })
}
