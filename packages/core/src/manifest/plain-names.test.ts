import { describe, expect, test } from 'vitest'
import { shown, type FileProblem } from '../errors.ts'
import { isHubRecord, isPartialDownload, plainNames } from './plain-names.ts'

const problem = (code: FileProblem['code'], file: string): FileProblem => ({ code, file })
const unsigned = (file: string) => problem('FILE_UNSIGNED', file)
const missing = (file: string) => problem('FILE_MISSING', file)

/** Causes, and the names of the files that each explains. */
function causesOf(...problems: FileProblem[]): [string, string[]][] {
  return [...plainNames(problems)].map(([cause, explained]) => [cause, explained.map(({ file }) => file)])
}
/** Who created an unsigned file. */
const creatorOf = (name: string) => causesOf(unsigned(name))[0]?.[0].split(' created ')[0]

describe('a record of the hub', () => {
  test.each([
    '.cache/huggingface/.gitignore',
    '.cache/huggingface/CACHEDIR.TAG',
    '.cache/huggingface/download/a.metadata',
    '.cache/huggingface/download/sub/a.lock',
    '.cache/huggingface/upload/a.lock',
    '.cache/huggingface/upload/sub/a.bin.metadata',
  ])('is %s', (name) => {
    expect(isHubRecord(name)).toBe(true)
  })

  test.each([
    'sub/.cache/huggingface/.gitignore',
    'x.cache/huggingface/.gitignore',
    'xcache/huggingface/.gitignore',
    '.cache/huggingface/.gitignore.py',
    '.cache/huggingface/xgitignore',
    '.cache/huggingface/CACHEDIRxTAG',
    '.cache/huggingface/sub/CACHEDIR.TAG',
    '.cache/huggingface/a.metadata',
    '.cache/huggingface/other/a.metadata',
    '.cache/huggingface/download/.metadata',
    '.cache/huggingface/download/a.metadata.py',
    '.cache/huggingface/download/a.bin',
    '.cache/huggingface/download/ametadata',
    '.cache/huggingfacex/.gitignore',
    '.cache/huggingface/sub/.cache/huggingface/.gitignore',
  ])('is not %s', (name) => {
    expect(isHubRecord(name)).toBe(false)
  })

  test('has one cause for all of them', () => {
    const names = ['.cache/huggingface/.gitignore', '.cache/huggingface/download/a.lock']
    const causes = causesOf(...names.map(unsigned))
    expect(causes).toEqual([[expect.stringContaining('created the directory ".cache/huggingface"'), names]])
  })
})

describe('a partial download', () => {
  test.each(['incomplete', 'part', 'partial', 'crdownload', 'download', 'aria2', 'tmp', '!qB', 'PART'])(
    'ends in .%s',
    (suffix) => {
      expect(isPartialDownload(`weights.bin.${suffix}`)).toBe(true)
      expect(isPartialDownload(`weights.bin${suffix}`)).toBe(false)
      expect(isPartialDownload(`weights.${suffix}.bin`)).toBe(false)
    },
  )

  test('explains the file that it is for, and otherwise all that are missing or differ', () => {
    const differs = problem('FILE_MISMATCH', 'other')
    expect(causesOf(missing('a.bin'), unsigned('a.bin.part'))).toEqual([
      ['The download of "a.bin" has not finished.', ['a.bin.part', 'a.bin']],
    ])
    expect(causesOf(missing('a.bin'), differs, unsigned('x.part'))).toEqual([
      ['A download that has not finished created "x.part".', ['x.part']],
      [expect.stringContaining('finish the download first'), ['a.bin', 'other']],
    ])
    expect(causesOf(unsigned('x.part'))).toHaveLength(1)
    // A name in another form is not a download.
    expect(causesOf(missing('a'), differs, unsigned('A'))).toHaveLength(1)
    expect(causesOf(missing('a'), unsigned('b'))).toEqual([])
  })
})

describe('an unsigned file', () => {
  test.each<[string, string[]]>([
    ['A download from the Hugging Face Hub', ['sub/.cache/huggingface/x', '.huggingface/x', 'sub/.huggingface/x']],
    [
      'macOS',
      ['.DS_Store', 'a/.DS_Store', '._x', 'a/._x.y', '__MACOSX/x', 'a/.Spotlight-V100/x', '.fseventsd/x', '.Trashes/x'],
    ],
    ['Windows', ['Thumbs.db', 'a/thumbs.DB', 'ehthumbs.db', 'a/desktop.ini']],
    ['Python', ['__pycache__/x', 'a/__pycache__/x', 'x.pyc', 'a/x.pyo', 'model.pyc']],
    ['Jupyter', ['.ipynb_checkpoints/x', 'a/.ipynb_checkpoints/x']],
    [
      'An editor',
      [
        '.x.swp',
        'a/.x.swa',
        'x~',
        'a/x~',
        '#x#',
        'a/#x#',
        '.#x',
        'a/.#x',
        'x.orig',
        'a/x.bak',
        '#long#',
        '.#long',
        'long.orig',
        '.vscode/x',
        'a/.idea/x',
      ],
    ],
    [
      'Version control',
      [
        'a/.git/HEAD',
        '.hg/x',
        '.svn/x',
        'a/.dvc/x',
        'a/.gitignore',
        '.gitattributes',
        '.gitkeep',
        '.gitmodules',
        '.hgignore',
      ],
    ],
    ['The file system', ['lost+found/x', 'a/lost+found/x', '.nfs01af', 'a/.fuse_hidden0001', '.Trash-1000/x']],
  ])('was created by %s', (creator, names) => {
    for (const name of names) expect([name, creatorOf(name)]).toEqual([name, creator])
  })

  test.each([
    ...['x.cache/huggingface/y', '.cachehuggingface/x', 'x.huggingface/y', '.cache/huggingface', 'xhuggingface/y'],
    ...[
      'x.DS_Store',
      '.DS_Store/x',
      'xDS_Store',
      '._',
      '._a/b',
      'x._y',
      'x__MACOSX/y',
      'xSpotlight-V100/x',
      'xfseventsd/x',
      'xTrashes/x',
    ],
    ...['Thumbs.db.py', 'xThumbs.db', 'Thumbsxdb', 'ehthumbsxdb', 'desktopxini'],
    ...['x__pycache__/y', '__pycache__', '.pyc', 'x.pyd', 'xpyc', 'x.pyc/y'],
    ...['x.ipynb_checkpoints/y', 'xipynb_checkpoints/x', '.ipynb_checkpoints'],
    ...[
      '.x.swq',
      'x.swp',
      '.xswp',
      '.swp',
      '.x.swp.y',
      '~',
      'x~y',
      '#x',
      '##',
      'x#y#',
      '.#',
      'x.#y',
      '.orig',
      '.bak',
      'xorig',
      'x.bak.y',
    ],
    ...['x.vscode/y', 'xvscode/y', '.vscode', '.ideas/x'],
    ...['x.git/y', 'xgit/y', '.gitx', '.cvs/x', '.gitignores', '.gitkeepx', '.gitattributesx', '.gitmodulesx'],
    ...[
      'xlost+found/y',
      'lostfound/x',
      'losttfound/x',
      '.nfs',
      '.nfsxyz',
      '.nfs01x',
      'xnfs01',
      '.fuse_hidden',
      '.fuse_hidden0x',
      '.Trash-/x',
      '.Trash-x/y',
      'xTrash-1000/x',
    ],
  ])('of unknown origin is %s', (name) => {
    expect(creatorOf(name)).toBeUndefined()
  })

  test('is examined only if it is among the first ten thousand', () => {
    const many = (count: number) => Array.from({ length: count }, (_, i) => unsigned(`f${i}`))
    expect(causesOf(...many(9_999), unsigned('.DS_Store'))).toHaveLength(1)
    expect(causesOf(...many(10_000), unsigned('.DS_Store'))).toEqual([])
    const lost = (count: number) => Array.from({ length: count }, (_, i) => missing(`f${i}`))
    expect(causesOf(...lost(9_999), missing('a'), unsigned('A'))).toHaveLength(1)
    expect(causesOf(...lost(10_000), missing('a'), unsigned('A'))).toEqual([])
  })
})

describe('a name in another form', () => {
  test.each([
    ['cafe\u0301', 'caf\u00e9', /\(NFD instead of NFC\)/],
    ['caf\u00e9', 'cafe\u0301', /\(NFC instead of NFD\)/],
    ['caf\u00e9-cafe\u0301', 'caf\u00e9-caf\u00e9', /\(a mixture of both instead of NFC\)/],
    ['Model', 'model', /differ only in case/],
    ['a\\b', 'a/b', /how their characters are written/],
    ['\uff4dodel', 'model', /how their characters are written/],
  ])('%s explains that %s is missing', (found, signed, cause) => {
    const causes = causesOf(missing(signed), unsigned(found))
    expect(causes).toEqual([[expect.stringMatching(cause), [found, signed]]])
    expect(causes[0]?.[0]).toContain(`${shown(found)} and the signed ${shown(signed)}`)
  })

  test('is no other name', () => {
    expect(causesOf(missing('strasse'), unsigned('stra\u00dfe'))).toEqual([])
  })
})
