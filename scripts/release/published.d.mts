import type { Subject } from './statements.mjs'

export function checkPublished(registry: string, subject: Subject): Promise<void>
