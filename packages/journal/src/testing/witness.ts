import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { parseCheckpoint } from '../../../core/src/merkle/checkpoint.ts'
import { provesConsistency } from '../../../core/src/merkle/proofs.ts'
import { emptyRoot } from '../../../core/src/merkle/tree.ts'
import { TestWitnessKey } from '../../../core/src/testing/witness.ts'

/** What a test makes the witness do instead. @returns false to answer as a witness does */
type Trick = (response: ServerResponse, request: string) => boolean

/** A witness by C2SP tlog-witness that knows every journal. `test/journal` has a real one. */
export class TestWitness {
  readonly key = new TestWitnessKey()
  /** The newest checkpoint that it cosigned. */
  seen = { size: 0, root: emptyRoot() }
  requests: string[] = []
  trick: Trick = () => false
  url = ''

  static async start(): Promise<TestWitness> {
    const witness = new TestWitness()
    const server = createServer((request, response) => {
      let text = ''
      request.on('data', (piece: Buffer) => (text += String(piece)))
      request.on('end', () => {
        witness.requests.push(text)
        if (request.url !== '/w1/add-checkpoint' || request.method !== 'POST') response.writeHead(405).end()
        else if (!witness.trick(response, text)) witness.#answer(response, text)
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      server.close()
      server.closeAllConnections()
    })
    witness.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/w1`
    return witness
  }

  #answer(response: ServerResponse, text: string): void {
    const split = text.indexOf('\n\n')
    const [old = '', ...proof] = text.slice(0, split).split('\n')
    const note = text.slice(split + 2)
    const { checkpoint } = parseCheckpoint(note) ?? {}
    const hashes = proof.map((line) => Buffer.from(line, 'base64'))
    if (old !== `old ${this.seen.size}`)
      response.writeHead(409, { 'content-type': 'text/x.tlog.size' }).end(`${this.seen.size}\n`)
    else if (!checkpoint || !provesConsistency(hashes, this.seen, checkpoint)) response.writeHead(422).end()
    else {
      this.seen = checkpoint
      response.end(this.key.line(note))
    }
  }
}
