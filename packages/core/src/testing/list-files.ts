import { findFiles, type FindOptions } from '../source/local/find-files.ts'
import type { LocalSource } from '../source/local/local-source.ts'
import { statesOf, type SourceFile } from '../source/local/source-file.ts'

/** The files of a model with their states. */
export async function listFiles(source: LocalSource, options: FindOptions): Promise<SourceFile[]> {
  return statesOf(await findFiles(source, options), options.signal)
}
