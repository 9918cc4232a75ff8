import ts from 'typescript'
import { code, page, plain, table } from './markdown.ts'
import type { Pages } from './pages.ts'
import { documentationOf, parsedSources, visit } from './source-text.ts'

/** The channel of an event, as `events.ts` defines it. */
interface EventChannel {
  constant: string
  name: string
  documentation: string
}

/** A message of a channel. */
interface EventMessage {
  name: string
  documentation: string
  fields: { name: string; type: string; documentation: string }[]
}

/** The page of all events, from their definitions in the source. */
export function eventPage(): Pages {
  const { channels, messages } = definedEvents()
  const text = page(
    'Events',
    'modelseal publishes what happens to models on channels of `node:diagnostics_channel`. Subscribers get the messages in the thread in which ' +
      'they happen; whoever needs records that outlast the process uses a [journal](../how-to/journal.md). [Metrics](metrics.md) describes the same ' +
      'as spans, metrics and log records of OpenTelemetry.',
    table(
      ['channel', 'constant of `@modelseal/core`'],
      channels.map(({ name, constant }) => [code(name), code(constant)]),
    ),
    ...channels.flatMap(({ name, documentation }) => [`## ${name}`, plain(documentation)]),
    ...messages.flatMap(({ name, documentation, fields }) => [
      `## ${name}`,
      plain(documentation),
      table(
        ['field', 'type', 'description'],
        fields.map((field) => [code(field.name), code(field.type), plain(field.documentation)]),
      ),
    ]),
  )
  return new Map([['docs/reference/events.md', text]])
}

/** Channels, and messages with their fields. */
export function definedEvents(): { channels: EventChannel[]; messages: EventMessage[] } {
  const channels: EventChannel[] = []
  const messages: EventMessage[] = []
  for (const file of parsedSources(['packages/core/src/events.ts']))
    visit(file, (node) => {
      if (ts.isVariableStatement(node)) channels.push(...channelsIn(node))
      if (ts.isInterfaceDeclaration(node)) messages.push(messageOf(node))
    })
  return { channels, messages }
}

function channelsIn(statement: ts.VariableStatement): EventChannel[] {
  return statement.declarationList.declarations.flatMap(({ name, initializer }) =>
    initializer && ts.isStringLiteral(initializer)
      ? [{ constant: name.getText(), name: initializer.text, documentation: documentationOf(statement) }]
      : [],
  )
}

function messageOf(node: ts.InterfaceDeclaration): EventMessage {
  const fields = node.members.filter(ts.isPropertySignature).flatMap((member) => {
    const type = member.type?.getText() ?? ''
    if (type === 'undefined') return []
    const name = `${member.name.getText()}${member.questionToken ? '?' : ''}`
    return [{ name, type, documentation: documentationOf(member) }]
  })
  return { name: node.name.text, documentation: documentationOf(node), fields }
}
