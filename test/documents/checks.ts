import { parseWorkflow, NoOperationTraceWriter } from '@actions/workflow-parser'
import { validate } from 'dockerfile-utils'
import { parseAllDocuments } from 'yaml'
import { validateManifest } from './kubernetes.ts'

/** Checks of what cannot run here, by the word `checked=`. Each returns what is wrong. */
export const CHECKS: Readonly<Record<string, (text: string) => string[] | Promise<string[]>>> = {
  /** The parser of GitHub's own runner service. */
  'github-workflow': (content) =>
    parseWorkflow({ name: 'workflow.yml', content }, new NoOperationTraceWriter())
      .context.errors.getErrors()
      .map(({ message }) => message),
  dockerfile: (text) => validate(text).map(({ message }) => message),
  kubernetes: (text) => parseAllDocuments(text).flatMap((document) => validateManifest(document.toJS() as object)),
}
