import type { Server } from 'node:http'
import type { Socket } from 'node:net'

const MOST_CONNECTIONS = 2_000
/** Those on which nobody who is known has sent a request yet. */
const MOST_UNKNOWN = 256
/** Those of one host: one for each of its journals, and some that were not closed properly. */
const MOST_OF_HOST = 40

/** Limits connections, so that neither a host nor a stranger keeps others from the collector. */
export class Connections {
  /** By the address and port of the other side; a TLS socket does not tell which socket is below it. The oldest come first. */
  readonly #unknown = new Map<string, Socket>()
  readonly #hosts = new Map<string, string>()
  readonly #ofHost = new Map<string, number>()

  constructor(server: Server) {
    server.maxConnections = MOST_CONNECTIONS
    server.on('connection', (socket: Socket) => this.#add(socket))
  }

  /** @returns false if the host has too many connections */
  admit(socket: Socket, host: string): boolean {
    const name = nameOf(socket)
    const before = this.#hosts.get(name)
    if (before === host) return true
    const isOpen = before !== undefined || this.#unknown.delete(name)
    // It was closed meanwhile.
    if (!isOpen) return true
    this.#leave(before)
    this.#hosts.set(name, host)
    const connections = (this.#ofHost.get(host) ?? 0) + 1
    this.#ofHost.set(host, connections)
    return connections <= MOST_OF_HOST
  }

  #add(socket: Socket): void {
    const name = nameOf(socket)
    this.#unknown.set(name, socket)
    socket.once('close', () => {
      this.#unknown.delete(name)
      this.#leave(this.#hosts.get(name))
      this.#hosts.delete(name)
    })
    if (this.#unknown.size > MOST_UNKNOWN) this.#oldestOfMost()?.destroy()
  }

  /** Whoever is known says so at once; strangers who only connect lose their oldest connection. */
  #oldestOfMost(): Socket | undefined {
    const byAddress = Map.groupBy(this.#unknown.values(), ({ remoteAddress }) => remoteAddress)
    const most = [...byAddress.values()].reduce((one, other) => (other.length > one.length ? other : one), [])
    return most[0]
  }

  #leave(host: string | undefined): void {
    if (host === undefined) return
    const left = (this.#ofHost.get(host) ?? 0) - 1
    if (left > 0) this.#ofHost.set(host, left)
    else this.#ofHost.delete(host)
  }
}

function nameOf({ remoteAddress = '', remotePort = 0, localAddress = '' }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`
}
