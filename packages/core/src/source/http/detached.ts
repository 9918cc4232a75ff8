import { subscribe } from 'node:diagnostics_channel'

/** What undici tells about a request, on the channels of its documentation ("Diagnostics Channel Support"). */
interface Told {
  request: object
  socket: { readonly alpnProtocol?: unknown; ref?: () => void; unref?: () => void }
  /** What connects. The clients of one origin share it. */
  connector: object
}

/** Begins to limit how long connecting may take. @returns ends the limit */
type LimitConnecting = () => () => void

const requests = new WeakSet<object>()
/** Those that a detached request was sent on last. */
const sockets = new WeakSet<object>()
const connecting = new WeakMap<object, (() => void)[]>()
/** The limit of the request that is being dispatched. */
let dispatching: LimitConnecting | undefined
let isListening = false

/**
 * Dispatches a request that nobody waits for: as soon as it has been sent, its connection does not keep the process alive. Connecting
 * does, whatever is done about the socket (libuv, `uv_connect_t`), so its time should be limited.
 *
 * @param dispatch begins the request with undici before it returns
 */
export function dispatchDetached<T>(dispatch: () => T, limit: LimitConnecting): T {
  listen()
  dispatching = limit
  try {
    return dispatch()
  } finally {
    dispatching = undefined
  }
}

/** Once there is a first such request, so that others cost nothing. */
function listen(): void {
  if (isListening) return
  isListening = true
  on('undici:request:create', ({ request }) => {
    if (dispatching) requests.add(request)
  })
  on('undici:client:beforeConnect', ({ connector }) => {
    if (dispatching) connecting.set(connector, [...(connecting.get(connector) ?? []), dispatching()])
  })
  on('undici:client:connected', connected)
  on('undici:client:connectError', connected)
  on('undici:client:sendHeaders', sent)
}

function connected({ connector }: Told): void {
  for (const end of connecting.get(connector) ?? []) end()
  connecting.delete(connector)
}

function sent({ request, socket }: Told): void {
  // Other requests share a connection of HTTP/2 at the same time.
  if (socket.alpnProtocol === 'h2') return
  if (requests.has(request)) {
    sockets.add(socket)
    socket.unref?.()
  } else if (sockets.delete(socket)) socket.ref?.()
}

function on(channel: string, listener: (told: Told) => void): void {
  subscribe(channel, (message) => {
    listener(message as Told)
  })
}
