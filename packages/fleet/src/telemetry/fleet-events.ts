import { channel } from 'node:diagnostics_channel'
import type { ErrorCode } from '@modelseal/core/errors'

/** Why a job is given out again. */
export type RedoneReason =
  /** What came back was not written by a known worker, or is older than what counts. */
  | 'rejected'
  /** Its worker was killed, or lost its connection. */
  | 'stalled'
  /** A worker gave it back, as when it is stopped. */
  | 'returned'
  /** Redis has lost it. */
  | 'lost'

/** What happens in a coordinator or a worker, to be counted. */
export type FleetEvent =
  | { type: 'model'; outcome: string; code?: ErrorCode }
  | { type: 'jobOffered' }
  | { type: 'jobFinished'; bytes: number; seconds: number }
  | { type: 'jobReused' }
  | { type: 'jobRedone'; reason: RedoneReason }
  /** Jobs that are in the queue, and jobs that wait until there is room in it. */
  | { type: 'window'; inUse: number; waiting: number }
  | { type: 'audit'; agrees: boolean }
  | { type: 'workBegun' }
  | { type: 'workEnded'; bytes: number; seconds: number; code?: ErrorCode }

const events = channel('modelseal:fleet')

/** Reports what happened to whoever counts it. */
export function report(event: FleetEvent): void {
  if (events.hasSubscribers) events.publish(event)
}

/** @returns a function that ends the subscription */
export function onFleetEvent(listener: (event: FleetEvent) => void): () => void {
  const receive = (message: unknown) => listener(message as FleetEvent)
  events.subscribe(receive)
  return () => {
    events.unsubscribe(receive)
  }
}
