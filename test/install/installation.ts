import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const PACKAGES = join(import.meta.dirname, '../../packages')

/** A directory into which npm installed some of the packages. */
export class Installation {
  readonly directory: string

  constructor(directory: string, tarballs: string, packages: readonly string[]) {
    this.directory = directory
    mkdirSync(directory)
    writeFileSync(join(directory, 'package.json'), '{ "private": true }')
    this.install(packages.map((name) => join(tarballs, tarballOf(name))))
  }

  install(specifiers: readonly string[]): void {
    const args = ['install', '--prefix', this.directory, '--no-audit', '--no-fund', ...specifiers]
    execFileSync('npm', args, { cwd: this.directory, stdio: 'pipe' })
  }

  /** The names of all packages in it, at any depth. */
  packages(): string[] {
    const lockfile = readFileSync(this.path('node_modules/.package-lock.json'), 'utf8')
    const { packages } = JSON.parse(lockfile) as { packages: Record<string, object> }
    return Object.keys(packages)
      .map((path) => path.replace(/^.*node_modules\//, ''))
      .sort()
  }

  /** The total size of its files. */
  bytes(): number {
    const modules = this.path('node_modules')
    const files = readdirSync(modules, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    return files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0)
  }

  path(file: string): string {
    return join(this.directory, file)
  }
}

function tarballOf(name: string): string {
  const { version } = JSON.parse(readFileSync(join(PACKAGES, folderOf(name), 'package.json'), 'utf8')) as {
    version: string
  }
  return `${name.replace('@', '').replace('/', '-')}-${version}.tgz`
}

function folderOf(name: string): string {
  return name === 'modelseal' ? 'cli' : name.replace('@modelseal/', '')
}
