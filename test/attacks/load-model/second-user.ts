// The process of the second user, see user.ts.
import { ThisUser, type Answer, type Message, type Method } from './user.ts'

const user = new ThisUser()
let resume: () => void = () => {}

process.on('message', (message: Message) => {
  if ('interrupted' in message) resume()
  else void answer(message.call, message.arguments)
})
process.on('disconnect', () => process.exit())

async function answer(call: Method, given: unknown[]): Promise<void> {
  try {
    const method = user[call] as (...given: unknown[]) => Promise<unknown>
    send({ value: await method.call(user, ...given, ...(call === 'load' ? [interrupt] : [])) })
  } catch (error) {
    send({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  }
}

/** Lets the other user do something in the middle of a load. */
function interrupt(): Promise<void> {
  return new Promise((resolve) => {
    resume = resolve
    send({ interrupt: true })
  })
}

function send(message: Answer): void {
  process.send?.(message)
}
