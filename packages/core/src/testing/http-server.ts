import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

/** Answers one request, correctly or not. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** A local server for one test. */
export interface TestServer {
  /** Without a trailing slash. */
  origin: string
  /** The requested paths with their queries, in order. */
  asked: string[]
}

/** @param answers the answer for each path; any other path is 404 */
export function serve(answers: Readonly<Record<string, Answer>>): Promise<TestServer> {
  return start('http', (listener) => createServer(listener), answers)
}

/** Like {@link serve}, over TLS. */
export function serveTls(tls: ServerOptions, answers: Readonly<Record<string, Answer>>): Promise<TestServer> {
  return start('https', (listener) => createTlsServer(tls, listener), answers)
}

/** Sends a whole file with its length. */
export function file(content: string | Uint8Array, headers: Record<string, string> = {}): Answer {
  return (_, response) => {
    response.writeHead(200, { 'content-length': Buffer.byteLength(content), ...headers }).end(content)
  }
}

export function redirect(location: string, status = 302): Answer {
  return (_, response) => void response.writeHead(status, { location }).end('moved')
}

async function start(
  scheme: string,
  create: (listener: RequestListener) => Server,
  answers: Readonly<Record<string, Answer>>,
): Promise<TestServer> {
  const asked: string[] = []
  const server = create((request, response) => {
    const { url = '' } = request
    asked.push(url)
    const answer = answers[url.split('?', 1)[0] ?? '']
    if (answer) answer(request, response)
    else response.writeHead(404).end('nothing here')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { origin: `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}
