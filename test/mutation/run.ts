// npm run mutation -- [FOLDER|FILE …]: tries mutants of the code with the unit tests beside it, and lists those that no test
// notices and survivors/ does not explain. With --changed [COMMIT], only those on lines changed since then, for at most five
// minutes. With --scores, it only prints the scores of the last runs, as in docs/explanation/mutation.md.
import { mkdirSync, writeFileSync } from 'node:fs'
import { posix, relative } from 'node:path'
import { changedLines, commitOf, lastLanded, type Lines } from './changed.ts'
import { optionsOf, type MutationOptions } from './options.ts'
import { foldersOf, SCOPES, sourcesOf, testFolders, type Scope } from './scopes.ts'
import { sampleOf } from './sample.mjs'
import { resultsOf, runStryker } from './stryker.ts'
import {
  acceptedSurvivors,
  compare,
  listOf,
  namedMutants,
  survives,
  type NamedMutant,
  type Survivor,
} from './survivors.ts'

/** Stryker needs as much to stop. */
const RESERVED_MS = 20_000
const WHOLE: Lines = { from: 1, to: Number.MAX_SAFE_INTEGER }
const COLUMNS = ['killed', 'timeout', 'survived', 'no coverage', 'accepted', 'score']
const HEAD = `| code | ${COLUMNS.join(' | ')} |\n|---|${COLUMNS.map(() => '---:|').join('')}`

process.chdir(`${import.meta.dirname}/../..`)
const options = readOptions()
const started = Date.now()
const sample = sampleOf(options.sample)
if (options.scores) printScores()
else if (options.changed) await tryChanged(options.positionals[0])
else await tryFolders(options.positionals)

function readOptions(): MutationOptions {
  try {
    return optionsOf(process.argv.slice(2))
  } catch (error) {
    return stop(error instanceof Error ? error.message : String(error))
  }
}

/** For what whoever runs this got wrong. */
function stop(message: string): never {
  console.error(message)
  process.exit(2)
}

async function tryFolders(paths: readonly string[]): Promise<void> {
  const wanted = paths.map((path) => relative('', path).replaceAll('\\', '/'))
  const isWithinPath = (file: string, path: string) => file === path || file.startsWith(`${path}/`)
  const all = SCOPES.flatMap(sourcesOf)
  // One of several that is misspelled would be left out silently.
  const unknown = wanted.filter((path) => !all.some((file) => isWithinPath(file, path)))
  if (unknown.length > 0) stop(`No file of ${unknown.join(', ')} is mutated: see test/mutation/scopes.ts.`)
  const isWanted = (file: string) => wanted.length === 0 || wanted.some((path) => isWithinPath(file, path))
  const chosen = SCOPES.map((scope) => ({ scope, files: sourcesOf(scope).filter(isWanted) }))
  const some = chosen.filter(({ files }) => files.length > 0)
  const until = options.minutes === undefined ? Infinity : deadline(options.minutes)
  for (const { scope, files } of some) {
    const whole = new Map(files.map((file) => [file, [WHOLE]]))
    const { mutants, untried } = await mutate(scope, whole, until)
    if (report(scope, mutants, new Set(untried || sample ? [] : files))) process.exitCode = 1
    if (untried) console.log(untried)
  }
}

/** Only mutants that lie within the changed lines: a survivor in old code fails nothing. */
async function tryChanged(given: string | undefined): Promise<void> {
  const since = given ?? process.env.MUTATION_SINCE ?? lastLanded()
  if (since === undefined) {
    console.log('No mutants were tried: this clone has no commit to compare with. Name one: --changed COMMIT.')
    return
  }
  if (commitOf(since) === undefined)
    stop(`Cannot compare with ${JSON.stringify(since)}: this clone has no such commit.`)
  const changed = changedLines(since, [...new Set(SCOPES.map(({ folder }) => folder))])
  console.log(`Mutants of the lines changed since ${since.slice(0, 12)}:`)
  const tests: Tested[] = []
  for (const scope of SCOPES) {
    const lines = new Map(
      sourcesOf(scope).flatMap((file) => (changed.has(file) ? [[file, changed.get(file) ?? []]] : [])),
    )
    if (lines.size === 0) continue
    const { mutants, untried } = await mutate(scope, lines, deadline(options.minutes ?? 5))
    report(scope, mutants, new Set())
    if (untried) console.log(untried)
    const { unlisted } = compare(mutants, acceptedOf(mutants), new Set())
    for (const file of lines.keys()) {
      const own = mutants.filter((mutant) => mutant.file === file)
      const surviving = unlisted.filter((mutant) => mutant.file === file)
      if (surviving.length > 0) process.exitCode = 1
      tests.push({ file, surviving, tried: untried === '' || own.length > 0 })
    }
  }
  if (tests.length === 0) console.log('Nothing that is mutated has changed.')
  writeReport(tests)
}

/** Tries the mutants on some lines of files, folder by folder. `untried` says which were not, because the time was over. */
async function mutate(scope: Scope, lines: ReadonlyMap<string, readonly Lines[]>, until: number) {
  const mutants: NamedMutant[] = []
  const untried: string[] = []
  for (const [folder, files] of Map.groupBy(lines.keys(), (file) => posix.dirname(file))) {
    const what = files.flatMap((file) => (lines.get(file) ?? []).map((range) => rangeOf(file, range)))
    const tests = testFolders(folder, scope)
    const { force, concurrency } = options
    const run = { folder, tests, mutate: what, concurrency, force, sample, until }
    const outcome = Date.now() < until ? await runStryker(run) : { results: {}, untried: undefined }
    if (outcome.untried !== 0)
      untried.push(`The time was over: ${outcome.untried ?? 'all'} mutants of ${what.join(', ')} were not tried.`)
    const found = namedMutants(outcome.results).filter(({ file }) => files.includes(file))
    const wanted = found.filter((mutant) => isWithin(mutant, lines.get(mutant.file) ?? []))
    mutants.push(...wanted)
    console.log(`${folder}: ${wanted.filter(survives).length} of ${wanted.length} mutants survive`)
  }
  return { mutants, untried: untried.join('\n') }
}

/** What is listed for the folders of some mutants. */
function acceptedOf(mutants: readonly { file: string }[]): Survivor[] {
  return [...new Set(mutants.map(({ file }) => posix.dirname(file)))].flatMap(acceptedSurvivors)
}

function inFile(file: string): { file: string } {
  return { file }
}

function listFor({ file }: { file: string }): string {
  return listOf(posix.dirname(file))
}

function deadline(minutes: number): number {
  return started + minutes * 60_000 - RESERVED_MS
}

function rangeOf(file: string, { from, to }: Lines): string {
  return to === Number.MAX_SAFE_INTEGER ? file : `${file}:${from}-${to}`
}

function isWithin({ location: { start, end } }: NamedMutant, lines: readonly Lines[]): boolean {
  return lines.some(({ from, to }) => from <= start.line && end.line <= to)
}

/** Prints the score, and what is wrong. Returns true if something is. */
function report(scope: Scope, mutants: readonly NamedMutant[], complete: ReadonlySet<string>): boolean {
  const { unlisted, stale, killed } = compare(mutants, acceptedOf([...mutants, ...[...complete].map(inFile)]), complete)
  console.log(`\n${HEAD}`)
  for (const file of new Set(mutants.map((mutant) => mutant.file)))
    console.log(
      row(
        file,
        mutants.filter((mutant) => mutant.file === file),
      ),
    )
  console.log(row(scope.name, mutants))
  for (const entry of killed) console.log(`No longer needed in ${listFor(entry)}: ${JSON.stringify(entry)}`)
  for (const entry of stale) console.log(`STALE in ${listFor(entry)}: ${JSON.stringify(entry)}`)
  for (const mutant of unlisted) console.log(described(mutant))
  if (unlisted.length > 0)
    console.log(
      `${unlisted.length} mutants survive. Test what they change, or explain in ${[...new Set(unlisted.map(listFor))].join(', ')} why they are harmless.`,
    )
  // Where some mutants run into a timeout, others may be killed only because the machine is slow.
  const slow = new Set(mutants.filter(({ status }) => status === 'Timeout').map(listFor))
  return unlisted.length > 0 || stale.length > 0 || killed.some((entry) => !slow.has(listFor(entry)))
}

function row(name: string, mutants: readonly NamedMutant[]): string {
  const count = (status: NamedMutant['status']): number => mutants.filter((mutant) => mutant.status === status).length
  const accepted = compare(mutants, acceptedOf(mutants), new Set()).accepted.length
  const [killed, timeout, survived, uncovered] = [
    count('Killed'),
    count('Timeout'),
    count('Survived'),
    count('NoCoverage'),
  ]
  const score = (100 * (killed + timeout)) / (mutants.length - accepted)
  const percent = Number.isFinite(score) ? `${score.toFixed(1)} %` : '–'
  return `| ${name} | ${[killed, timeout, survived, uncovered, accepted, percent].join(' | ')} |`
}

function described({ status, location: { start }, ...mutant }: NamedMutant): string {
  const what = status === 'NoCoverage' ? 'NO COVERAGE' : 'SURVIVED'
  return `${what} ${mutant.file}:${start.line}:${start.column}\n  ${JSON.stringify({ ...mutant, reason: '' })}`
}

function printScores(): void {
  const rows = SCOPES.flatMap((scope) => {
    const files = new Set(sourcesOf(scope))
    const all = foldersOf(scope).flatMap((folder) => namedMutants(resultsOf(folder)))
    const mutants = all.filter(({ file }) => files.has(file))
    const tried = new Set(mutants.map(({ file }) => file)).size
    return tried > 0 ? [row(`\`${scope.folder}/\` (${tried} of ${files.size} files)`, mutants)] : []
  })
  if (rows.length === 0) console.log('No mutants were tried on this machine yet.')
  else console.log([HEAD, ...rows].join('\n'))
}

interface Tested {
  file: string
  surviving: readonly NamedMutant[]
  tried: boolean
}

/** One test for each changed file: that the tests beside it notice each mutant of the changed lines. */
function writeReport(tests: readonly Tested[]): void {
  const results = tests.map(({ file, surviving, tried }) => ({
    status: surviving.length > 0 ? 'failed' : tried ? 'passed' : 'pending',
    fullName: `the tests beside ${file} notice mutants of its changed lines`,
    failureMessages: surviving.map(described),
  }))
  const count = (status: string): number => results.filter((result) => result.status === status).length
  mkdirSync('.cache/reports', { recursive: true })
  writeFileSync(
    '.cache/reports/mutation.json',
    JSON.stringify({
      numPassedTests: count('passed'),
      numFailedTests: count('failed'),
      numPendingTests: count('pending'),
      testResults: [
        {
          name: 'test/mutation/run.ts',
          status: count('failed') > 0 ? 'failed' : 'passed',
          message: '',
          assertionResults: results,
        },
      ],
    }),
  )
}
