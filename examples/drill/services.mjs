// The services of the drill, each a process of its own.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { start } from './processes.mjs'

/** How long a service may take to start or to answer, however busy the machine is; in milliseconds. */
const LONGEST = 60_000

/** Between two requests, in milliseconds. */
const PAUSE = 50

const SILENCE = { type: 'application/json', path: '/v1/speech', body: JSON.stringify({ samples: Array(512).fill(0) }) }
const GREY = { type: 'application/octet-stream', path: '/v1/faces', body: new Uint8Array(256 * 256 * 3).fill(128) }
const SERVICES = [
  { name: 'ONNX Runtime', args: ['../service/main.mjs'], model: 'vad', request: SILENCE, health: '/healthz' },
  { name: 'TensorFlow.js', args: ['../tfjs-service.mjs'], model: 'blazeface', request: GREY, health: '/healthz' },
  {
    name: 'unchanged, with @modelseal/register',
    args: ['--import', '@modelseal/register', '../unchanged-service.mjs'],
    env: { MODELSEAL_ON_REVOKED: 'release' },
    model: 'vad',
    request: SILENCE,
  },
]

/** Starts the services. Each keeps its files in a directory of its own, as on a machine of its own. */
export function startServices({ models, policy, directory, refresh }) {
  return Promise.all(
    SERVICES.map(async (service, index) => {
      const own = join(directory, `service-${index}`)
      mkdirSync(own, { mode: 0o700 })
      const env = { PORT: '0', MODELSEAL_POLICY: policy, MODELSEAL_CACHE: own, TMPDIR: own, ...service.env }
      const child = start([...service.args, models[service.model]], env)
      return new Service({ ...service, refresh }, child, await addressOf(service.name, child))
    }),
  )
}

/** Services print it when they listen. */
async function addressOf(name, child) {
  for (const end = Date.now() + LONGEST; Date.now() < end; await setTimeout(PAUSE)) {
    const [, address] = /listening \w+ (http:\/\/[^/"\s]+)/i.exec(child.output) ?? []
    if (address) return address
    checkRuns(name, child)
  }
  throw new Error(`"${name}" does not start. It wrote: ${child.output}`)
}

class Service {
  #child
  #address
  #request
  #health
  /** How long it may go on as before, in milliseconds. */
  #longest

  constructor({ name, request, health, refresh }, child, address) {
    this.name = name
    this.#child = child
    this.#address = address
    this.#request = { method: 'POST', ...request }
    this.#health = health && { method: 'GET', path: health }
    this.#longest = refresh * 1000 + LONGEST
  }

  /**
   * Asks until the service answers requests with this status. A service with a health check is asked for that first, as load balancers
   * do, because requests can keep it busy.
   *
   * @returns the answer, and when it came, in milliseconds since 1970
   */
  async until(status) {
    if (this.#health) await this.#until(status, this.#health)
    return this.#until(status, this.#request)
  }

  /** Reloads the model until it is accepted. */
  async reload() {
    await this.#until(200, { method: 'POST', path: '/reload' })
    return this.answer(200)
  }

  /** @throws Error if it answers a request with another status */
  async answer(status) {
    const answer = await this.#ask(this.#request)
    if (answer.status !== status) throw new Error(`"${this.name}" answers ${shown(answer)} instead of ${status}.`)
    return answer
  }

  async stop() {
    this.#child.kill()
    await this.#child.ended
  }

  async #until(status, request) {
    const end = Date.now() + this.#longest
    for (;;) {
      const answer = await this.#ask(request)
      if (answer.status === status) return answer
      if (Date.now() > end)
        throw new Error(`"${this.name}" still answers ${shown(answer)} after ${this.#longest / 1000} s.`)
      await setTimeout(PAUSE)
    }
  }

  async #ask({ method, path, type, body }) {
    const headers = type ? { 'content-type': type } : {}
    const signal = AbortSignal.timeout(LONGEST)
    try {
      const response = await fetch(new URL(path, this.#address), { method, headers, body, signal })
      return { status: response.status, body: await response.json(), at: Date.now() }
    } catch ({ message, cause }) {
      await Promise.race([this.#child.ended, setTimeout(1000)])
      checkRuns(this.name, this.#child)
      throw new Error(`"${this.name}" does not answer: ${cause?.message ?? message}`)
    }
  }
}

function checkRuns(name, { exitCode, signalCode, output }) {
  if (exitCode !== null || signalCode)
    throw new Error(`"${name}" has ended (${exitCode ?? signalCode}). It wrote: ${output}`)
}

function shown({ status, body }) {
  return `${status} ${JSON.stringify(body)}`
}
