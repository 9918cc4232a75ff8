import type { Queue } from 'bullmq'

/** Names of the workers that are connected to the queue. */
export async function connectedWorkers(queue: Queue): Promise<string[]> {
  const workers = await queue.getWorkers()
  // BullMQ puts the name of the queue in place of that of the connection.
  return workers.map(({ rawname = '' }) => rawname.slice(rawname.lastIndexOf(':') + 1)).sort()
}
