import type * as workflows from '@actions/workflow-parser'
import type * as actions from '@actions/workflow-parser/actions/action-parser'
import { build } from 'esbuild'

type Parser = typeof workflows & typeof actions

/** GitHub's own parser of workflows and actions. It imports JSON in a way that only bundlers understand. */
async function loadParser(): Promise<Parser> {
  const contents = `export * from '@actions/workflow-parser'; export * from '@actions/workflow-parser/actions/action-parser'`
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: import.meta.dirname },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    banner: { js: `const require = process.getBuiltinModule('module').createRequire('file:///')` },
  })
  const url = `data:text/javascript;base64,${Buffer.from(outputFiles[0]?.contents ?? []).toString('base64')}`
  return (await import(/* @vite-ignore */ url)) as Parser
}

const parser = await loadParser()
const trace = new parser.NoOperationTraceWriter()

/** What GitHub would find wrong in a workflow: unknown keys, wrong types, expressions that do not parse, jobs that need each other. */
export async function problemsOfWorkflow(content: string): Promise<string[]> {
  const { context, value } = parser.parseWorkflow({ name: 'workflow.yml', content }, trace)
  const errors = () => context.errors.getErrors().map(({ message }) => message)
  if (!value || errors().length > 0) return errors()
  const template = await parser.convertWorkflowTemplate(context, value)
  return [...errors(), ...(template.errors ?? []).map(({ Message }) => Message)]
}

/** The same for an `action.yml`. */
export function problemsOfAction(content: string): string[] {
  const { context } = parser.parseAction({ name: 'action.yml', content }, trace)
  return context.errors.getErrors().map(({ message }) => message)
}
