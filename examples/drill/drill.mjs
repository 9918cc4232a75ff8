// The steps of the drill.
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { newSigner, prepare } from '../prepare.mjs'
import { publishFeed } from './feed.mjs'
import { endAllOnExit } from './processes.mjs'
import { startServices } from './services.mjs'

/** What the feed denies: as shown, and as options of `modelseal advisory add`. */
export const REVOCATIONS = {
  model: {
    what: 'both models',
    options: ({ signed }) => Object.values(signed).flatMap(({ rootDigest }) => ['--root-digest', rootDigest]),
  },
  key: { what: 'the key that signed them', options: ({ key }) => ['--key', key] },
  file: {
    what: 'a file of each model',
    options: ({ models }) => Object.values(models).flatMap((path) => ['--file-digest', sha256(path)]),
  },
}

/** Time that services have in addition to `refresh`, in seconds. */
const ALLOWANCE = 1

/**
 * @param options.revoke a name in `REVOCATIONS`
 * @param options.refresh how often services look for a new version of the feed, in seconds
 * @param options.say is told what happens, a line each
 * @returns how long each service took to refuse, in seconds; or its `error`, also if it refused too early or ended
 */
export async function rehearse({ revoke, refresh, say }) {
  endAllOnExit()
  const { models, policy, signed } = await prepare()
  const directory = dirname(policy)
  await newSigner(directory, 'security')
  const feed = await publishFeed(directory)
  follow(policy, feed.url, refresh)

  say('Three services load signed models and follow an advisory feed.')
  const services = await startServices({ models, policy, directory, refresh })
  await Promise.all(services.map((service) => service.until(200)))
  say(`All of them answer requests. They look for a new version of the feed every ${refresh} s.`)

  const { what, options } = REVOCATIONS[revoke]
  const denied = options({ models, signed, key: join(directory, 'release.pub') })
  await feed.add(denied)
  await Promise.all(services.map((service) => service.answer(200)))
  const signedAt = await feed.publish()
  say(`The security team signs and publishes a version that denies ${what}.`)
  const results = await Promise.all(services.map((service) => refusalOf(service, signedAt)))
  const seconds = results.map(({ seconds }) => seconds)
  const last = Math.max(...seconds)
  const goal = refresh + ALLOWANCE
  const result = { revoke, refresh, services: results, last, goal, met: last <= goal }
  if (results.some(({ error }) => error)) return { ...result, last: null }

  await feed.remove(denied)
  const takenBackAt = await feed.publish()
  const [reloaded] = services
  const { at } = await reloaded.reload()
  await Promise.all(services.map((service) => service.stop()))
  await feed.close()
  return { ...result, restored: { service: reloaded.name, seconds: (at - takenBackAt) / 1000 } }
}

/** Never rejects, so that the other services are waited for. */
async function refusalOf(service, signedAt) {
  try {
    const { at, body } = await service.until(503)
    const { code, message } = body
    if (code !== 'MODEL_REVOKED') throw new Error(`"${service.name}" refuses for another reason: ${code}: ${message}`)
    return { service: service.name, seconds: (at - signedAt) / 1000, code, message }
  } catch ({ message }) {
    return { service: service.name, seconds: null, error: message }
  }
}

/** Makes the policy follow the feed. */
function follow(policy, url, refresh) {
  const text = readFileSync(policy, 'utf8').replace('rules:', '  security: { publicKey: ./security.pub }\nrules:')
  const feed = `{ url: "${url}", signers: [{ key: security }], refresh: ${refresh}s }`
  writeFileSync(policy, `${text}advisories:\n  - ${feed}\n`)
}

function sha256(path) {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}
