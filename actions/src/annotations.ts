import { error as errorAnnotation, type AnnotationProperties } from '@actions/core'
import type { ModelSealError } from '@modelseal/core/errors'
import { statSync } from 'node:fs'
import { isAbsolute, relative, resolve, sep } from 'node:path'
import { oneLine } from './workflow-text.ts'

/** GitHub shows ten annotations of a step. */
const MOST = 10

/**
 * Shows a failure where the run of the workflow is shown, and at the files concerned if they are in the repository.
 *
 * @param model as the step names it
 */
export function annotate(failure: ModelSealError, model?: string): void {
  const { code, message, problems = [], file, line, column } = failure
  const title = `modelseal: ${code}`
  errorAnnotation(oneLine(message), {
    title,
    ...placeOf(file, model),
    ...(line === undefined ? {} : { startLine: line }),
    ...(column === undefined ? {} : { startColumn: column }),
  })
  // One problem is what the message says.
  if (problems.length < 2) return
  for (const problem of problems.slice(0, MOST - 1))
    errorAnnotation(PROBLEMS[problem.code], { title: `modelseal: ${problem.code}`, ...placeOf(problem.file, model) })
}

const PROBLEMS = {
  FILE_MISMATCH: 'The content of this file is not what was signed.',
  FILE_MISSING: 'This signed file is missing.',
  FILE_UNSIGNED: 'This file of the model is not signed.',
}

/** The path of a file within the repository, as annotations name it. Nothing for a file elsewhere. */
function placeOf(file: string | undefined, model: string | undefined): AnnotationProperties {
  const workspace = process.env['GITHUB_WORKSPACE']
  if (file === undefined || workspace === undefined) return {}
  const path = isAbsolute(file)
    ? file
    : model === undefined
      ? resolve(file)
      : resolve(isDirectory(model) ? model : resolve(model, '..'), file)
  const place = relative(workspace, path)
  return place === '' || place.split(sep)[0] === '..' || isAbsolute(place) ? {} : { file: place.replaceAll(sep, '/') }
}

function isDirectory(model: string): boolean {
  return statSync(model, { throwIfNoEntry: false })?.isDirectory() ?? false
}
