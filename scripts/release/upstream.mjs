// What Verdaccio asks for the packages of others. Verdaccio asks once, and answers 404 if that fails, after which no package manager
// asks again: one broken connection would fail an installation.
import { createServer } from 'node:http'
import { setTimeout } from 'node:timers/promises'

/** Milliseconds before each further attempt. */
const PAUSES = [500, 1000, 2000, 4000]

/**
 * @param registry address of the registry that has the packages
 * @returns {Promise<string>} the address of a server on loopback that asks it
 */
export async function startUpstream(registry) {
  const there = registry.replace(/\/?$/, '/')
  const server = createServer(async ({ url, headers }, response) => {
    const from = `${there}${url.slice(1)}`
    try {
      const { status, type, body } = await fetchAgain(from, { accept: headers.accept ?? '*/*' })
      // Tarballs also come from here.
      const isMetadata = type.includes('json')
      response.writeHead(status, { 'content-type': type })
      response.end(isMetadata ? body.toString().replaceAll(`"${there}`, `"${here}`) : body)
    } catch (error) {
      console.error(`Cannot fetch ${from}: ${error.cause?.message || error.cause?.code || error.message}`)
      response.writeHead(502).end()
    }
  })
  await new Promise((resolve, reject) => server.listen(0, '127.0.0.1', resolve).once('error', reject))
  const here = `http://127.0.0.1:${server.address().port}/`
  return here
}

async function fetchAgain(url, headers, pauses = PAUSES) {
  try {
    return await fetchOnce(url, headers)
  } catch (error) {
    if (pauses.length === 0) throw error
    await setTimeout(pauses[0])
    return fetchAgain(url, headers, pauses.slice(1))
  }
}

async function fetchOnce(url, headers) {
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(120_000) })
  const body = Buffer.from(await response.arrayBuffer())
  if (response.status >= 500 || response.status === 429) throw new Error(`status ${response.status}`)
  return { status: response.status, type: response.headers.get('content-type') ?? '', body }
}
