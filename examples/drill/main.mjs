// Rehearses a revocation: three services follow an advisory feed, a new version of it denies their models, and the time
// until each of them refuses is measured.
// Run it from the repository: npm run drill -- [--revoke model|key|file] [--refresh SECONDS] [--json]
import { parseArgs } from 'node:util'
import { rehearse, REVOCATIONS } from './drill.mjs'

const { revoke, refresh, json } = options()

// Leaving with process.exit() ends the services and removes their files.
process.once('SIGHUP', () => process.exit(129))
process.once('SIGINT', () => process.exit(130))
process.once('SIGTERM', () => process.exit(143))

try {
  const result = await rehearse({ revoke, refresh, say: json ? () => {} : console.log })
  if (json) console.log(JSON.stringify(result, null, 2))
  else print(result)
  process.exit(result.restored ? 0 : 1)
} catch ({ message }) {
  fail(message)
}

function print({ services, restored, last, goal, met }) {
  const width = Math.max(...services.map(({ service }) => service.length))
  console.log(`\n${'service'.padEnd(width)}  refused after  code`)
  for (const { service, seconds, code, error } of services)
    console.log(error ?? `${service.padEnd(width)}  ${shown(seconds).padStart(13)}  ${code}`)
  console.log()
  if (!restored) fail('not every service refuses.')
  console.log(
    `The next version denies nothing. ${shown(restored.seconds)} after it was signed, ${restored.service} serves again (POST /reload).`,
  )
  console.log(`From signing to the last refusal: ${shown(last)}. The goal of ${goal} s was ${met ? 'met' : 'missed'}.`)
}

function options() {
  try {
    const { values } = parseArgs({
      options: {
        revoke: { type: 'string', default: 'model' },
        refresh: { type: 'string', default: '2' },
        json: { type: 'boolean', default: false },
      },
    })
    const refresh = Number(values.refresh)
    if (!Object.hasOwn(REVOCATIONS, values.revoke)) throw new Error('expected --revoke model, key or file.')
    if (!Number.isInteger(refresh) || refresh < 1) throw new Error('expected --refresh SECONDS, a whole number.')
    return { ...values, refresh }
  } catch ({ message }) {
    fail(message)
  }
}

function shown(seconds) {
  return `${seconds.toFixed(2)} s`
}

function fail(message) {
  console.error(`The drill failed: ${message}`)
  process.exit(1)
}
