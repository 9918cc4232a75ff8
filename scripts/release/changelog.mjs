// CHANGELOG.md of the repository: what the changelogs of the packages say, by version, each entry once.

const TITLE = `# Changelog

All packages are released together, with the same version. This file is written by \`npm run release:version\` from their changelogs.
`

/**
 * @param {{ name: string, text: string }[]} changelogs the changelogs of the packages, as changesets writes them
 * @returns {string} the text of the collected one
 */
export function collectedChangelog(changelogs) {
  const versions = new Map()
  for (const { name, text } of changelogs)
    for (const { version, kind, entry } of entriesOf(text)) {
      const kinds = versions.get(version) ?? versions.set(version, new Map()).get(version)
      const entries = kinds.get(kind) ?? kinds.set(kind, new Map()).get(kind)
      entries.set(entry, [...(entries.get(entry) ?? []), name])
    }
  const sections = [...versions].map(([version, kinds]) => `## ${version}\n${[...kinds].map(sectionOf).join('')}`)
  return [TITLE, ...sections].join('\n')
}

function sectionOf([kind, entries]) {
  const lines = [...entries].map(([entry, names]) => `- ${names.map((name) => `\`${name}\``).join(', ')}: ${entry}\n`)
  return `\n### ${kind}\n\n${lines.join('')}`
}

/** Every entry with its version and kind. That a package depends on the others of its version goes without saying. */
function* entriesOf(text) {
  for (const [, version, ofVersion] of text.matchAll(/^## (\S+)\n([\s\S]*?)(?=^## |$(?![\s\S]))/gm))
    for (const [, kind, ofKind] of ofVersion.matchAll(/^### (.+)\n([\s\S]*?)(?=^### |$(?![\s\S]))/gm))
      for (const [, entry] of ofKind.matchAll(/^- ([\s\S]*?)(?=^- |$(?![\s\S]))/gm))
        // A changeset is preceded by the commit that added it.
        if (!entry.startsWith('Updated dependencies'))
          yield { version, kind, entry: entry.trim().replace(/^[0-9a-f]{7,40}: /, '') }
}
