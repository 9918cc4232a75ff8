// The reporter of Vitest whose report scripts/count.mjs adds up. Vitest's JSON reporter, whose form it has, does not say why a hook
// of a suite, or the process of a file, failed. It comes before other reporters, which write to standard error, too:
// vitest run --reporter=./scripts/reporter.mjs --reporter=default --outputFile=REPORT
import { mkdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, resolve } from 'node:path'
import { stripVTControlCharacters } from 'node:util'

const UNFINISHED = ['pending', 'queued']

export default class Reporter {
  #file
  #written = ''

  onInit({ config, logger }) {
    this.#file = resolve(config.root, config.outputFile)
    this.#readStandardError(logger.errorStream)
    // What is reported if Vitest itself ends.
    this.#write([this.#failure('The run did not end.')])
  }

  onTestRunEnd(modules, errors) {
    const messages = errors.map(textOf)
    const files = modules.map((module) => this.#resultOf(module, messages))
    const hasUnfinished = modules.some((module) => UNFINISHED.includes(module.state()))
    this.#write([...files, ...(hasUnfinished ? [] : messages.map((message) => this.#failure(message)))])
  }

  /** What a process writes when it ends, such as V8 when its memory is full, is reported nowhere else. */
  #readStandardError(stream) {
    const write = stream.write
    stream.write = (chunk, ...rest) => {
      this.#written = `${this.#written}${chunk}`.slice(-10_000)
      return write.call(stream, chunk, ...rest)
    }
  }

  #resultOf(module, errors) {
    const messages = [module, ...module.children.allSuites()].flatMap(messagesOfHooks)
    if (UNFINISHED.includes(module.state()))
      messages.push('Its process ended before its tests did.', ...errors, ...this.#lastWritten())
    const tests = [...module.children.allTests()].map((test) => {
      const { state, errors = [] } = test.result()
      return { fullName: test.fullName, status: state, failureMessages: errors.map(textOf) }
    })
    const failed = messages.length > 0 || !module.ok()
    // scripts/count.mjs prints the message of a file only if none of its tests failed: the report of Jest repeats them there.
    if (messages.length > 0 && tests.some(({ status }) => status === 'failed'))
      tests.push({ fullName: 'outside of its tests', status: 'failed', failureMessages: messages })
    return {
      name: module.moduleId,
      status: failed ? 'failed' : 'passed',
      message: messages.join('\n'),
      assertionResults: tests,
    }
  }

  /** Without the native stack of V8. */
  #lastWritten() {
    const lines = stripVTControlCharacters(this.#written).split('\n')
    const text = lines.filter((line) => line.trim() && !/^ *\d+: 0x/.test(line)).join('\n')
    return text ? [`Last on standard error:\n${text.slice(-1200)}`] : []
  }

  #failure(message) {
    return { name: basename(this.#file, '.json'), status: 'failed', message, assertionResults: [] }
  }

  #write(testResults) {
    const states = testResults.flatMap(({ assertionResults }) => assertionResults.map(({ status }) => status))
    const count = (...wanted) => states.filter((state) => wanted.includes(state)).length
    const report = {
      numPassedTests: count('passed'),
      numFailedTests: count('failed'),
      numPendingTests: count('skipped', 'pending'),
      testResults,
    }
    mkdirSync(dirname(this.#file), { recursive: true })
    writeFileSync(this.#file, JSON.stringify(report))
  }
}

/** Of the hooks of a suite, or those and the loading of a file. */
function messagesOfHooks(task) {
  const where = task.type === 'suite' ? `${task.fullName}: ` : ''
  return task.errors().map((error) => `${where}${textOf(error)}`)
}

/** With the lines of the stack that are in our code, and the error that caused it. */
function textOf({ name = 'Error', message, stack = '', cause }) {
  const lines = stack.split('\n').filter((line) => /^ +at /.test(line) && !/node_modules|node:|<anonymous>/.test(line))
  return [`${name}: ${message}`, ...lines, ...(cause?.message ? [`Caused by ${textOf(cause)}`] : [])].join('\n')
}
