import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { parseNote } from '../../../../packages/core/src/merkle/signed-note.ts'
import { WitnessClient } from '../../../../packages/journal/src/witnessing/witness-client.ts'
import { mustEqual, readOrRefusedLater, REFUSED, texts, type Target } from '../../target.ts'

// The input is what a witness answers: the status, the type of the content, and the content.

const NOTE = `example.org/log\n7\n${Buffer.alloc(32, 1).toString('base64')}\n\n\u2014 example.org/log AAAAAAAA\n`
const STATUS = [200, 409, 422, 403, 404, 400, 500, 204, 301, 99]

let answer = { status: 200, type: '', content: '' }
let origin: string | undefined

const target: Target = {
  longest: 1024,
  dictionary: [
    '200\n',
    '409\n',
    '422\n',
    'text/x.tlog.size\n',
    '; charset=utf-8',
    '\u2014 witness AAAAAAAA\n',
    '\u2014 ',
    '\n',
  ],
  seeds: () =>
    texts(
      '200\ntext/plain\n\u2014 witness.example/w1 AAAAAAAA\n',
      '409\ntext/x.tlog.size\n42\n',
      '409\ntext/plain\nanother root\n',
      '422\n\n',
      '404\n\nunknown log',
      '200\n\n',
    ),
  async check(input) {
    origin ??= await serve()
    const [status = '', type = '', content = ''] = Buffer.from(input)
      .toString('latin1')
      .split(/^([^\n]*)\n([^\n]*)\n/)
      .slice(1)
    answer = {
      status: STATUS.includes(Number(status)) ? Number(status) : 200,
      type: type.replace(/[^\x20-\x7e]/g, ''),
      content,
    }
    const client = new WitnessClient(`${origin}/w1`, 5_000, undefined)
    const read = await readOrRefusedLater(() => client.submit({ old: 3, proof: [Buffer.alloc(32)], note: NOTE }))
    if (read === REFUSED) return
    const text = Buffer.from(content, 'latin1').toString()
    if (read.kind === 'signed') {
      mustEqual([answer.status, read.lines], [200, text], 'The lines')
      const note = parseNote(`${NOTE}${read.lines}`)
      // What is added cannot change what was signed, only add signatures.
      if (note && note.text !== parseNote(NOTE)?.text && !read.lines.includes('\n\n'))
        throw new Error('It is another note.')
    } else if (read.kind === 'size') mustEqual([answer.status, `${read.size}\n`], [409, text], 'The size')
    else if (read.kind === 'inconsistent')
      mustEqual([409, 422].includes(answer.status), true, 'Whether it has another history')
    else mustEqual([403, 404].includes(answer.status), true, 'Whether it is unknown')
  },
}
export default target

async function serve(): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.once('data', () => {
      const { status, type, content } = answer
      const length = status === 204 ? '' : `Content-Length: ${content.length}\r\n`
      socket.end(
        Buffer.from(
          `HTTP/1.1 ${status} x\r\nContent-Type: ${type}\r\n${length}Connection: close\r\n\r\n${content}`,
          'latin1',
        ),
      )
    })
  })
  server.unref().listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
