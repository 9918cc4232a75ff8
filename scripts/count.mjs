// Adds up the reports that the test runners left in .cache/reports. Names the tests that failed; the last line says how
// many passed and failed.
import { readdirSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'

const REPORTS = '.cache/reports'
let passed = 0
let failed = 0
let skipped = 0
for (const name of reportNames()) {
  const report = JSON.parse(readFileSync(`${REPORTS}/${name}`, 'utf8'))
  passed += report.numPassedTests
  failed += report.numFailedTests
  skipped += (report.numPendingTests ?? 0) + (report.numTodoTests ?? 0)
  for (const file of report.testResults ?? []) failed += reportFailures(file)
}
if (skipped > 0) console.log(`(${skipped} skipped)`)
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0

/** Prints the failures of a test file; returns 1 if it failed outside of its tests, which its runner does not count. */
function reportFailures({ name, status, message, assertionResults }) {
  const file = relative('', name)
  const failures = assertionResults.filter((test) => test.status === 'failed')
  for (const { fullName, failureMessages } of failures)
    console.log(`FAILED ${file}: ${fullName}\n${beginning(failureMessages.join('\n'))}`)
  if (status !== 'failed' || failures.length > 0) return 0
  console.log(`FAILED ${file}\n${beginning(message || 'It failed outside of its tests.')}`)
  return 1
}

function beginning(message) {
  return message.replace(/^/gm, '  ').slice(0, 2000)
}

function reportNames() {
  try {
    return readdirSync(REPORTS).filter((name) => name.endsWith('.json'))
  } catch {
    return []
  }
}
