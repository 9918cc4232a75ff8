import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { threadId } from 'node:worker_threads'
import { variable } from '../../../environment.ts'
import type { RecordOf } from '../../format/record.ts'
import type { BegunSegment, WriterKey } from '../../format/writer-key.ts'
import type { WriterSettings } from '../settings/merged-settings.ts'

/** Of the packages. */
export const VERSION = '0.1.0'

/** The same in all segments of a thread. */
const STARTED = new Date(Date.now() - process.uptime() * 1_000).toISOString()
let knownHost: string | undefined

/** The first record of a segment: who writes it. */
export function segmentRecord(
  begun: BegunSegment,
  writer: WriterKey,
  {
    service,
    host,
    retention,
    collected,
  }: Partial<Pick<WriterSettings, 'service' | 'host' | 'retention' | 'collected'>>,
): RecordOf<'segment'> {
  const { segment, continues } = begun
  return {
    type: 'segment',
    time: new Date().toISOString(),
    format: 1,
    segment,
    ...(continues !== undefined && { continues }),
    service: service ?? serviceName(),
    host: host ?? (knownHost ??= hostname()),
    pid: process.pid,
    thread: threadId,
    node: process.version,
    modelseal: VERSION,
    started: STARTED,
    ...(retention !== undefined && { retention: retention === Infinity ? 0 : retention }),
    ...(collected && { collected }),
    key: writer.publicKey,
    signature: writer.sign(begun),
  }
}

let known: string | undefined

/** `MODELSEAL_SERVICE`, the name of the package that the program belongs to, or the name of its file. */
function serviceName(): string {
  const [, program = ''] = process.argv
  known ??= packageName(program) ?? (basename(program) || 'node')
  return variable('MODELSEAL_SERVICE') ?? known
}

function packageName(program: string): string | undefined {
  if (program === '') return undefined
  for (let path = dirname(program); ; path = dirname(path)) {
    try {
      const { name } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) as { name?: unknown }
      if (typeof name === 'string' && name !== '') return name
    } catch {
      // There is none, or it is not one.
    }
    if (path === dirname(path)) return undefined
  }
}
