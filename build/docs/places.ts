/** Documents outside docs/ that are pages of the site too, and where. */
export const ELSEWHERE: Record<string, string> = {
  'README.md': 'overview.md',
  'SECURITY.md': 'explanation/security.md',
  'ARCHITECTURE.md': 'explanation/architecture.md',
  'CHANGELOG.md': 'project/changelog.md',
  'CONTRIBUTING.md': 'project/contributing.md',
  'CODE_OF_CONDUCT.md': 'project/code-of-conduct.md',
  'GOVERNANCE.md': 'project/governance.md',
  'actions/README.md': 'reference/actions.md',
  'examples/README.md': 'tutorial/examples.md',
}

/** Where a file of the repository is in the source of the site. */
export function placeOf(path: string): string {
  const place = ELSEWHERE[path]
  if (place !== undefined) return place
  const readme = /^packages\/([\w-]+)\/README\.md$/.exec(path)
  if (readme) return `reference/packages/${readme[1]}.md`
  if (path.startsWith('docs/')) return path.slice('docs/'.length)
  return `source/${path}.md`
}
