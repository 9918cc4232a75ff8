import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'

/** Source maps name files by absolute paths where a tool was given one. Without these, the same sources give the same packages anywhere. */
export async function relativeMaps(): Promise<void> {
  const names = (await readdir('dist')).filter((name) => name.endsWith('.map'))
  await Promise.all(names.map((name) => makeRelative(join('dist', name))))
}

async function makeRelative(path: string): Promise<void> {
  const map = JSON.parse(await readFile(path, 'utf8')) as { file?: string; sources: string[] }
  const sources = map.sources.map(relativeToDist)
  const file = map.file === undefined ? {} : { file: relativeToDist(map.file) }
  await writeFile(path, JSON.stringify({ ...map, ...file, sources }))
}

/** A source may begin with the name of a group of modules: `core:/…/core/index.js`. */
function relativeToDist(source: string): string {
  return source.replace(`${resolve('dist')}/`, '').replace(`${resolve('.')}/`, '')
}
