import ts from 'typescript'
import {
  ATTRIBUTE_DESCRIPTIONS,
  LOG_DESCRIPTIONS,
  SPAN_DESCRIPTIONS,
  SPAN_EVENT_DESCRIPTIONS,
} from './descriptions/telemetry.ts'
import { code, page, plain, table } from './markdown.ts'
import type { Pages } from './pages.ts'
import { parsedSources, visit } from './source-text.ts'

interface Metric {
  name: string
  kind: string
  unit: string
  description: string
}

/** What the source reports to OpenTelemetry. */
interface Telemetry {
  metrics: Metric[]
  spans: string[]
  spanEvents: string[]
  logs: string[]
  attributes: string[]
}

/** The page of spans, metrics and log records. */
export function metricPage(): Pages {
  const { metrics } = definedTelemetry()
  const missing = undescribedTelemetry()
  if (missing.length > 0) throw new Error(`Telemetry without a description: ${missing.join(', ')}.`)
  const rows = (descriptions: Record<string, string>) =>
    Object.entries(descriptions).map(([name, text]) => [code(name), text])
  const text = page(
    'Metrics, spans and log records',
    '`instrumentLoads()` of `@modelseal/core/opentelemetry` reports spans and metrics, `instrumentLogs()` log records. ' +
      '`instrumentFleet()` of `@modelseal/fleet/opentelemetry` reports the metrics of a [fleet](../how-to/fleet.md#metrics). They need the package ' +
      '`@opentelemetry/api`. No secret is in any of them. [Events](events.md) describes the channels from which they come.',
    '## Metrics',
    table(
      ['metric', 'kind', 'unit', 'description'],
      metrics.map(({ name, kind, unit, description }) => [code(name), kind, unit && code(unit), plain(description)]),
    ),
    '## Spans',
    table(['span', 'description'], rows(SPAN_DESCRIPTIONS)),
    '## Events of spans',
    table(['event', 'description'], rows(SPAN_EVENT_DESCRIPTIONS)),
    '## Log records',
    table(['record', 'description'], rows(LOG_DESCRIPTIONS)),
    '## Attributes',
    'Metrics have only attributes with few distinct values.',
    table(['attribute', 'description'], rows(ATTRIBUTE_DESCRIPTIONS)),
  )
  return new Map([['docs/reference/metrics.md', text]])
}

/** Names without a description, and descriptions of what the source no longer has. */
export function undescribedTelemetry(): string[] {
  const { metrics, spans, spanEvents, logs, attributes } = definedTelemetry()
  const differences = (names: readonly string[], descriptions: Record<string, string>) => [
    ...names.filter((name) => !descriptions[name]),
    ...Object.keys(descriptions).filter((name) => !names.includes(name)),
  ]
  return [
    ...metrics.filter(({ description }) => description === '').map(({ name }) => name),
    ...differences(spans, SPAN_DESCRIPTIONS),
    ...differences(spanEvents, SPAN_EVENT_DESCRIPTIONS),
    ...differences(logs, LOG_DESCRIPTIONS),
    ...differences(attributes, ATTRIBUTE_DESCRIPTIONS),
  ]
}

/** Calls by the name of what is called, whose first argument is a name. */
const KINDS: Record<string, string> = {
  createCounter: 'counter',
  createHistogram: 'histogram',
  createUpDownCounter: 'up-down counter',
}

export function definedTelemetry(): Telemetry {
  const found: Telemetry = { metrics: [], spans: [], spanEvents: [], logs: [], attributes: [] }
  const attributes = new Set<string>()
  for (const file of parsedSources(['packages/core/src/telemetry/*.ts', 'packages/fleet/src/telemetry/*.ts']))
    visit(file, (node) => {
      if (ts.isCallExpression(node)) addCall(found, node)
      if (ts.isPropertyAssignment(node) && ts.isStringLiteral(node.name)) attributes.add(node.name.text)
    })
  return { ...found, attributes: [...attributes] }
}

function addCall(
  { metrics, spans, spanEvents, logs }: Telemetry,
  { expression, arguments: given }: ts.CallExpression,
): void {
  const called = ts.isPropertyAccessExpression(expression) ? expression.name.text : expression.getText()
  const [first, second] = given
  if (!first || !ts.isStringLiteral(first)) return
  const kind = KINDS[called]
  if (kind !== undefined)
    metrics.push({ name: first.text, kind, unit: textIn(second, 'unit'), description: textIn(second, 'description') })
  if (called === 'startSpan') spans.push(first.text)
  if (called === 'addEvent') spanEvents.push(first.text)
  if (called === 'log') logs.push(first.text)
}

/** The text of one field of an object in the source. */
function textIn(node: ts.Node | undefined, field: string): string {
  if (!node || !ts.isObjectLiteralExpression(node)) return ''
  const found = node.properties.find((each) => each.name?.getText() === field)
  return found && ts.isPropertyAssignment(found) && ts.isStringLiteral(found.initializer) ? found.initializer.text : ''
}
