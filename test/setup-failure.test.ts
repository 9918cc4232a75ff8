import { expect, test } from 'vitest'
import { questionAbout } from '../scripts/setup-failure.mjs'

test.each([
  ['ERR_PNPM_META_FETCH_FAIL  GET https://registry.example/x: request failed', 'Is the npm registry reachable?'],
  ['npm error code ENOTFOUND', 'Is the npm registry reachable?'],
  ['ENOSPC: no space left on device, write', 'Is there room on the disk?'],
  ['src/index.ts(1,1): error TS2304: Cannot find name "x".', ''],
  ['ERR_PNPM_OUTDATED_LOCKFILE  Cannot install with "frozen-lockfile"', ''],
])('set-up asks about the cause that its output shows: %s', (output, question) => {
  expect(questionAbout(output)).toBe(question)
})
