// A registry on loopback, for rehearsing a release. What it does not have, it fetches from the registry that npm uses.
import { fork } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './programs.mjs'

const PROGRAM = join(import.meta.dirname, 'registry-process.mjs')

/**
 * Starts the registry in a process of its own, which ends with this one.
 *
 * @param directory gets the packages, and the configuration of npm that may publish them
 */
export async function startRegistry(directory) {
  const storage = join(directory, 'storage')
  mkdirSync(storage, { recursive: true })
  const upstream = (await run(directory, 'npm', ['config', 'get', 'registry'])).trim()
  const registry = new RegistryProcess()
  const port = await registry.start({ directory, storage, upstream })
  const url = `http://127.0.0.1:${port}/`
  const userConfig = join(directory, 'npmrc')
  // Anybody may publish, but npm wants a token.
  writeFileSync(userConfig, `registry=${url}\n${url.replace('http:', '')}:_authToken=loopback\n`)
  const publish = (tarball) => ['publish', tarball, '--userconfig', userConfig, '--registry', url]
  return {
    url,
    storage,
    pid: registry.pid,
    publish: (tarball) => registry.use(() => run(directory, 'npm', publish(tarball))),
    use: (task) => registry.use(task),
    close: () => registry.close(),
  }
}

class RegistryProcess {
  #process
  #reported = ''
  /** Rejects when the process has ended. */
  #end

  async start(settings) {
    this.#process = fork(PROGRAM, [JSON.stringify(settings)], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      execArgv: [],
      // Its "fetch" then uses the proxy of this machine, if there is one.
      env: { ...process.env, NODE_USE_ENV_PROXY: '1' },
    })
    this.#process.stderr.setEncoding('utf8').on('data', (text) => {
      this.#reported = (this.#reported + text).slice(-5000)
    })
    this.#end = new Promise((_, reject) => {
      this.#process.once('error', reject)
      this.#process.once('close', (code, signal) =>
        reject(new Error(`The registry ended with ${signal ?? `exit code ${code}`}.`)),
      )
    })
    this.#end.catch(() => {})
    return this.use(() => new Promise((resolve) => this.#process.once('message', resolve)))
  }

  get pid() {
    return this.#process.pid
  }

  async use(task) {
    try {
      return await Promise.race([this.#end, task()])
    } catch (error) {
      const reported = this.#reported.trim()
      throw reported ? new Error(`${error.message}\nThe registry reported:\n${reported}`, { cause: error }) : error
    }
  }

  /** Throws if it has ended before. */
  async close() {
    await this.use(async () => {})
    this.#process.kill()
    await this.#end.catch(() => {})
  }
}
