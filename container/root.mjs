// Makes the root directory of the image from the built command line and this Node.js. It contains the libraries that Node.js is
// linked with, the packages in the lockfile, and the few files that a C library asks for.
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const PNPM = 'pnpm@12.21.0'

/** Of the user in the image. `chown` is done where the layer is written, since a build need not run as root. */
export const USER = 65_532

/** Directories that belong to the user. */
export const HOMES = ['home/modelseal', 'models']

/** @param root a directory that does not exist or is empty */
export function makeRoot(root) {
  for (const directory of ['dev', 'etc', 'opt', 'proc', 'sys', 'tmp', 'usr/local/bin', ...HOMES])
    mkdirSync(join(root, directory), { recursive: true })
  chmodSync(join(root, 'tmp'), 0o1777)
  for (const [name, content] of Object.entries(FILES)) writeFileSync(join(root, name), content)
  copyProgram(process.execPath, root)
  deploy(join(root, 'opt/modelseal'))
}

const FILES = {
  'etc/passwd': `root:x:0:0:root:/root:/sbin/nologin\nmodelseal:x:${USER}:${USER}:modelseal:/home/modelseal:/sbin/nologin\n`,
  'etc/group': `root:x:0:\nmodelseal:x:${USER}:\n`,
  'etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\n',
}

/** Copies Node.js and the libraries that it is linked with, to the paths by which it finds them. */
function copyProgram(program, root) {
  copyFileSync(program, join(root, 'usr/local/bin/node'))
  chmodSync(join(root, 'usr/local/bin/node'), 0o755)
  const linked = execFileSync('ldd', [program], { encoding: 'utf8' })
  const libraries = [...linked.matchAll(/^\s*(?:\S+ => )?(\/\S+) \(0x/gm)].map(([, path]) => path)
  if (!libraries.some((path) => path.includes('/libc.'))) throw new Error(`Cannot read the output of ldd: ${linked}`)
  for (const library of libraries) {
    mkdirSync(dirname(join(root, library)), { recursive: true })
    copyFileSync(realpathSync(library), join(root, library))
    chmodSync(join(root, library), 0o755)
  }
}

/** Installs the command line with its dependencies from the lockfile, without what pnpm writes about this machine. */
function deploy(directory) {
  const { status, stdout, stderr } = spawnSync(
    'npx',
    ['--yes', PNPM, '--filter', 'modelseal', 'deploy', '--prod', directory],
    {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
      encoding: 'utf8',
      env: { ...process.env, CI: 'true' },
    },
  )
  if (status !== 0) throw new Error(`Cannot deploy the command line: ${stdout}${stderr}`)
  for (const name of OF_PNPM) rmSync(join(directory, name), { recursive: true, force: true })
}

const OF_PNPM = [
  'pnpm-lock.yaml',
  'pnpm-workspace.yaml',
  'node_modules/.bin',
  'node_modules/.modules.yaml',
  'node_modules/.pnpm-workspace-state-v1.json',
  'node_modules/.pnpm/lock.yaml',
]
