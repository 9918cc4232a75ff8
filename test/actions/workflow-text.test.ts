import { expect, test, vi } from 'vitest'
import { oneLine, writeLines } from '../../actions/src/workflow-text.ts'

/** What is printed. */
function written(text: string): string {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  try {
    writeLines(text)
    return write.mock.calls.map(([chunk]) => String(chunk)).join('')
  } finally {
    write.mockRestore()
  }
}

test('lines that runners take for commands are printed as text', () => {
  expect(written('::error::x')).toBe('\\u{3a}:error::x\n')
  expect(written('a\n  ::stop-commands::t')).toBe('a\n  \\u{3a}:stop-commands::t\n')
  expect(written('a ##[group]b ##[c]')).toBe('a #\\u{23}[group]b #\\u{23}[c]\n')
})

test('what looks like one, and is none, is printed as it is', () => {
  expect(written('a ::b:: # [c] ## d')).toBe('a ::b:: # [c] ## d\n')
})

test('nothing drives a terminal, or begins a line of its own', () => {
  expect(written('a\r::error::b\u001b[2J\u2028c')).toBe('a\\u{d}::error::b\\u{1b}[2J\\u{2028}c\n')
  expect(oneLine('a\n::error::b\u202e')).toBe('a\\u{a}::error::b\\u{202e}')
})
