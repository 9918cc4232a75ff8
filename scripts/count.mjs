// Adds up the reports that the test runners left in .cache/reports. The last line says how many tests passed and failed.
import { readdirSync, readFileSync } from 'node:fs'

const REPORTS = '.cache/reports'
let passed = 0
let failed = 0
let skipped = 0
for (const name of reportNames()) {
  const report = JSON.parse(readFileSync(`${REPORTS}/${name}`, 'utf8'))
  passed += report.numPassedTests
  // A test file that could not be loaded has failed too, even without a test.
  const broken = report.testResults?.filter(
    ({ status, assertionResults }) => status === 'failed' && !assertionResults.length,
  )
  failed += report.numFailedTests + (broken?.length ?? 0)
  skipped += (report.numPendingTests ?? 0) + (report.numTodoTests ?? 0)
}
if (skipped > 0) console.log(`(${skipped} skipped)`)
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0

function reportNames() {
  try {
    return readdirSync(REPORTS).filter((name) => name.endsWith('.json'))
  } catch {
    return []
  }
}
