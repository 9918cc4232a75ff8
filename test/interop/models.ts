import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The models that both tools sign and verify. */
export const MODELS: Record<string, Record<string, string>> = {
  'one file in a directory': { 'weights.bin': 'w'.repeat(1000) },
  'nested directories': { 'config.json': '{}', 'a/b/c/weights.bin': 'deep', 'a/b/other': 'x', 'a.txt': 'y' },
  'an empty file': { 'empty.txt': '', full: 'f' },
  'unicode names': { 'größe.bin': '1', '日本/モデル': '2', '\u{1f600}.bin': '3', '\uff21.bin': '4', 'e\u0301': '5' },
  'names that the two orders sort differently': {
    'model/x': '1',
    'model.bin': '2',
    'model-a': '3',
    'model/a/b': '4',
    'model/a-b': '5',
  },
  'spaces, quotes and backslashes': {
    "it's a name.txt": '1',
    'a"b': '2',
    'back\\slash': '3',
    ' lead': '4',
    'percent%20': '5',
  },
  'git files beside the model': { '.gitignore': '*.log', '.git/HEAD': 'ref', 'sub/.gitignore': 'kept', model: 'm' },
  'larger than a chunk': { 'big.bin': '0123456789abcdef'.repeat(20_000), small: 's' },
}

export function writeModel(root: string, files: Record<string, string>): string {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), content)
  }
  return root
}

/** A model whose second file is a link to the first. */
export function writeLinkedModel(root: string): string {
  writeModel(root, { 'blobs/abc': 'content', readme: 'r' })
  symlinkSync('blobs/abc', join(root, 'weights.bin'))
  return root
}
