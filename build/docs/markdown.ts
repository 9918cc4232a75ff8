/** Text that VitePress shows as it is: neither HTML nor a template of Vue. */
export function plain(text: string): string {
  return text
    .split(/(`[^`]+`)/)
    .map((part, index) =>
      index % 2 === 1 ? part : part.replaceAll('<', '&lt;').replaceAll('{{', '&#123;&#123;').replaceAll('*', '\\*'),
    )
    .join('')
}

/** Code within a line. */
export function code(text: string): string {
  return text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``
}

/** A block of code. */
export function block(language: string, text: string): string {
  return `\`\`\`${language}\n${text.replace(/^\n+/, '').trimEnd()}\n\`\`\``
}

/** A table; each cell is Markdown. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('\n', ' ').replaceAll(/(?<!\\)\|/g, '\\|')).join(' | ')} |`
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')
}

/** A page: its title, then its parts with an empty line between them. */
export function page(title: string, ...parts: readonly (string | undefined)[]): string {
  return `${[`# ${title}`, ...parts.filter((part) => part)].join('\n\n')}\n`
}
