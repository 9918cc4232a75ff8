import { policyJsonSchema } from '../../packages/core/src/policy/schema/schema.ts'
import { code, page, plain, table } from './markdown.ts'
import type { Pages } from './pages.ts'

const DIRECTORY = 'docs/reference/policy'

/** What is used of JSON Schema (2020-12). */
export interface JsonSchema {
  type?: string
  title?: string
  description?: string
  const?: unknown
  enum?: readonly unknown[]
  format?: string
  default?: unknown
  minimum?: number
  maximum?: number
  minItems?: number
  maxItems?: number
  properties?: Record<string, JsonSchema>
  required?: readonly string[]
  items?: JsonSchema
  additionalProperties?: JsonSchema | boolean
  anyOf?: readonly JsonSchema[]
}

/** A part of the policy that has fields. `path` is how one reaches it, such as `rules[].match`. */
interface Section {
  path: string
  schema: JsonSchema
}

/** One page for each field at the top of a policy that has fields below it, and one for the policy itself. */
export function policyPages(schema = policyJsonSchema() as JsonSchema): Pages {
  const parts = Object.entries(schema.properties ?? {}).map(([name, field]) => ({ name, field }))
  const structured = parts.filter(({ name, field }) => sectionsOf(name, field).length > 0)
  const places = placesOf(structured)
  const pages = structured.map(({ name, field }) => [`${DIRECTORY}/${name}.md`, partPage(name, field, places)] as const)
  const index = page(
    'Fields of a policy',
    'Every field of a trust policy, from its JSON Schema (`@modelseal/core/policy.schema.json`). ' +
      '[Trust policies](../policy.md) explains how they work together.',
    fieldTable({ path: '', schema }, (name) =>
      structured.some((each) => each.name === name) ? `${name}.md` : undefined,
    ),
  )
  return new Map([[`${DIRECTORY}/index.md`, index], ...pages])
}

/** Where each object is described: the page and its heading. Equal ones are described once. */
function placesOf(parts: readonly { name: string; field: JsonSchema }[]): Map<string, string> {
  const places = new Map<string, string>()
  const taken = new Set<string>()
  for (const { name, field } of parts)
    for (const section of sectionsOf(name, field)) {
      const key = JSON.stringify(section.schema)
      if (places.has(key)) continue
      const anchor = anchorOf(section)
      const free = [anchor, `${anchor}-2`, `${anchor}-3`].find((each) => !taken.has(each)) ?? `${anchor}-${places.size}`
      taken.add(free)
      places.set(key, `${name}.md#${free}`)
    }
  return places
}

function partPage(name: string, field: JsonSchema, places: ReadonlyMap<string, string>): string {
  // What another place describes is described there only.
  const own = sectionsOf(name, field).filter((section, index, all) => {
    const key = JSON.stringify(section.schema)
    return (
      places.get(key)?.startsWith(`${name}.md#`) &&
      all.findIndex((each) => JSON.stringify(each.schema) === key) === index
    )
  })
  const text = own.flatMap((section) => [
    `## ${headingOf(section)} {#${places.get(JSON.stringify(section.schema))?.split('#')[1]}}`,
    section.schema.description ? plain(section.schema.description) : '',
    fieldTable(section, (fieldName) => {
      const child = sectionsOf(joined(section.path, fieldName), section.schema.properties?.[fieldName] ?? {})[0]
      return child && places.get(JSON.stringify(child.schema))
    }),
  ])
  return page(name, field.description && plain(field.description), `Type: ${typeOf(field)}.`, ...text)
}

/** The objects with fields in a part of the schema, from the outside to the inside. */
function sectionsOf(path: string, schema: JsonSchema): Section[] {
  const own = schema.properties ? [{ path, schema }] : []
  const fields = Object.entries(schema.properties ?? {}).flatMap(([name, field]) =>
    sectionsOf(joined(path, name), field),
  )
  const items = schema.items ? sectionsOf(`${path}[]`, schema.items) : []
  const named =
    typeof schema.additionalProperties === 'object' ? sectionsOf(`${path}.NAME`, schema.additionalProperties) : []
  const variants = (schema.anyOf ?? []).flatMap((variant) => sectionsOf(path, variant))
  return [...own, ...fields, ...items, ...named, ...variants]
}

function joined(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}

/** Alternatives at one path are told apart by the fields that they must have. */
function headingOf({ path, schema }: Section): string {
  const required = schema.required ?? []
  return required.length === 0 ? code(path) : `${code(path)} with ${required.map(code).join(', ')}`
}

function anchorOf({ path, schema }: Section): string {
  return ['field', path, ...(schema.required ?? [])]
    .join('-')
    .replaceAll('[]', '')
    .replaceAll(/[^\w-]+/g, '-')
}

function fieldTable({ schema }: Section, linkTo: (name: string) => string | undefined): string {
  const rows = Object.entries(schema.properties ?? {}).map(([name, field]) => {
    const link = linkTo(name)
    const required = schema.required?.includes(name) ? ' (required)' : ''
    return [
      `${link === undefined ? code(name) : `[${code(name)}](${link})`}${required}`,
      typeOf(field),
      plain(field.description ?? ''),
    ]
  })
  return table(['field', 'value', 'description'], rows)
}

/** A schema in words. */
function typeOf(schema: JsonSchema): string {
  if (schema.const !== undefined) return code(JSON.stringify(schema.const))
  if (schema.enum) return schema.enum.map((value) => code(String(value))).join(', ')
  if (schema.anyOf) return [...new Set(schema.anyOf.map(typeOf))].join(' or ')
  if (schema.type === 'array') return `list${limits(schema)}: ${typeOf(schema.items ?? {})}`
  if (typeof schema.additionalProperties === 'object')
    return `fields of any name: ${typeOf(schema.additionalProperties)}`
  if (schema.properties) return `object${schema.required ? ` with ${schema.required.map(code).join(', ')}` : ''}`
  if (schema.format === 'date-time') return 'time'
  if (schema.type === 'string') return 'text'
  if (schema.type === 'integer' || schema.type === 'number')
    return `${schema.type === 'integer' ? 'whole ' : ''}number${range(schema)}`
  return schema.type === 'boolean' ? '`true` or `false`' : (schema.type ?? 'any value')
}

function limits({ minItems, maxItems }: JsonSchema): string {
  if (maxItems !== undefined) return ` (${minItems ?? 0} to ${maxItems})`
  return minItems === undefined ? '' : ` (at least ${minItems})`
}

function range({ minimum, maximum }: JsonSchema): string {
  const [from, to] = [minimum, maximum].map((limit) =>
    limit === undefined || Math.abs(limit) >= Number.MAX_SAFE_INTEGER ? undefined : limit,
  )
  if (from !== undefined && to !== undefined) return ` (${from} to ${to})`
  if (from !== undefined) return ` (at least ${from})`
  return to === undefined ? '' : ` (at most ${to})`
}

/** The paths of fields that say nothing about themselves. */
export function undescribedFields(schema = policyJsonSchema() as JsonSchema): string[] {
  return [
    { path: '', schema },
    ...Object.entries(schema.properties ?? {}).flatMap(([name, field]) => sectionsOf(name, field)),
  ].flatMap((section) =>
    Object.entries(section.schema.properties ?? {})
      .filter(([, field]) => !field.description?.trim())
      .map(([name]) => joined(section.path, name)),
  )
}
