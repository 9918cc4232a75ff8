// The software bill of materials of a package, in CycloneDX: the libraries whose code is in it, and those that are installed with it.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Contrib, Enums, Models, Serialize, Spec } from '@cyclonedx/cyclonedx-library'
import { parse } from 'yaml'
import { manifestOf } from './packed-docs.mjs'

const LICENSES = new Contrib.License.Factories.LicenseFactory()

/**
 * @param root directory of the workspace, with the built packages
 * @param name directory of the package in `packages`
 * @param sha512 digest of its tarball, in hex
 * @returns the JSON text; the same packages give the same text
 */
export function sbomOf(root, name, sha512) {
  const manifest = manifestOf(root, name)
  const materials = new Materials(root)
  const product = componentOf(manifest, {
    hashes: new Models.HashDictionary([[Enums.HashAlgorithm['SHA-512'], sha512]]),
  })
  const bom = new Models.Bom({ metadata: new Models.Metadata({ component: product }) })
  for (const { bomRef } of [...materials.bundledIn(name), ...materials.dependenciesOf(name)])
    product.dependencies.add(bomRef)
  for (const library of materials.libraries.values()) bom.components.add(library)
  const factory = new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6)
  return `${new Serialize.JsonSerializer(factory).serialize(bom, { sortLists: true, space: 2 })}\n`
}

/** What looks like the name and version of a library: the build wrote the licenses of those whose code it put into the package, each under such a line. */
function librariesIn(root, name) {
  const lines = licensesOf(join(root, 'packages', name, 'dist'))
  const names = lines.flatMap((line) => {
    const [, library, version] = /^((?:@[\w.-]+\/)?[\w.-]+) (\d+\.\d+\.\d+\S*)$/.exec(line) ?? []
    return library === undefined ? [] : [`${library}@${version}`]
  })
  return [...new Set(names)]
}

function licensesOf(dist) {
  return readdirSync(dist).includes('LICENSES.txt') ? readFileSync(join(dist, 'LICENSES.txt'), 'utf8').split('\n') : []
}

/** What the lockfile says about libraries, and what they say about themselves. */
class Materials {
  /** Each library that was asked for, by name and version. */
  libraries = new Map()
  #root
  #lock
  #stored

  constructor(root) {
    this.#root = root
    this.#lock = parse(readFileSync(join(root, 'pnpm-lock.yaml'), 'utf8'))
    this.#stored = readdirSync(join(root, 'node_modules/.pnpm'))
  }

  bundledIn(name) {
    // A line in the text of a license may look like a heading.
    const ids = librariesIn(this.#root, name).filter((id) => id in this.#lock.packages)
    return ids.map((id) => {
      const library = this.#library(id)
      library.properties.add(new Models.Property('cdx:npm:package:bundled', 'true'))
      return library
    })
  }

  /** What is installed with a package of this workspace, at the versions that it was tested with. */
  dependenciesOf(name) {
    const { dependencies, optionalDependencies } = this.#lock.importers[`packages/${name}`]
    const versions = (each) => Object.entries(each ?? {}).map(([library, { version }]) => [library, version])
    return [
      ...versions(dependencies).map(([library, version]) => this.#installed(library, version, false)),
      ...versions(optionalDependencies).map(([library, version]) => this.#installed(library, version, true)),
    ]
  }

  #installed(library, version, isOptional) {
    const ours = /^link:\.\.\/(.+)$/.exec(version)?.[1]
    const key = ours ?? `${library}@${version}`
    const component = ours ? this.#ours(ours) : this.#library(key.replace(/\(.*$/, ''))
    const isNew = !this.#followed.has(key)
    if (isOptional && isNew) component.scope = Enums.ComponentScope.Optional
    if (!isOptional) component.scope = undefined
    this.#followed.add(key)
    if (isNew)
      for (const { bomRef } of ours ? this.dependenciesOf(ours) : this.#below(key, isOptional))
        component.dependencies.add(bomRef)
    return component
  }

  #followed = new Set()

  #below(key, isOptional) {
    const { dependencies = {}, optionalDependencies = {} } = this.#lock.snapshots[key]
    return [
      ...Object.entries(dependencies).map(([library, version]) => this.#installed(library, version, isOptional)),
      ...Object.entries(optionalDependencies).map(([library, version]) => this.#installed(library, version, true)),
    ]
  }

  #ours(name) {
    return this.#once(name, () => componentOf(manifestOf(this.#root, name), {}))
  }

  #library(id) {
    return this.#once(id, () => {
      const locked = this.#lock.packages[id]
      if (!locked) throw new Error(`Cannot write the bill of materials: ${id} is not in pnpm-lock.yaml.`)
      const sha512 = Buffer.from(locked.resolution.integrity.replace('sha512-', ''), 'base64').toString('hex')
      const [, name, version] = /^(.+)@([^@]+)$/.exec(id)
      const hashes = new Models.HashDictionary([[Enums.HashAlgorithm['SHA-512'], sha512]])
      return componentOf({ name, version, license: this.#licenseOf(name, version) }, { hashes })
    })
  }

  #once(id, make) {
    if (!this.libraries.has(id)) this.libraries.set(id, make())
    return this.libraries.get(id)
  }

  /** Undefined for packages of other platforms, which are not on this machine. */
  #licenseOf(name, version) {
    const prefix = `${name.replace('/', '+')}@${version}`
    const directory = this.#stored.find(
      (each) => each === prefix || each.startsWith(`${prefix}_`) || each.startsWith(`${prefix}(`),
    )
    if (directory === undefined) return undefined
    const file = join(this.#root, 'node_modules/.pnpm', directory, 'node_modules', name, 'package.json')
    return JSON.parse(readFileSync(file, 'utf8')).license
  }
}

function componentOf({ name, version, license, description }, { hashes }) {
  const [, scope, base] = /^(?:(@[^/]+)\/)?(.+)$/.exec(name)
  const component = new Models.Component(Enums.ComponentType.Library, base, {
    ...(scope && { group: scope }),
    ...(description && { description }),
    ...(hashes && { hashes }),
    version,
    bomRef: `${name}@${version}`,
    purl: `pkg:npm/${scope ? `%40${scope.slice(1)}/` : ''}${base}@${version}`,
  })
  if (typeof license === 'string') component.licenses.add(LICENSES.makeFromString(license))
  return component
}
